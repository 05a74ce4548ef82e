//! The state between two epochs in a file, from which a training goes on to the same bits.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Course;
use crate::net::Net;
use crate::net::state::{self, Description, Tensors};
use crate::recipe::Recipe;
use crate::score::Score;
use crate::{Error, Result};

/// The tensor that holds the header.
const HEADER: &str = "training";

/// What a checkpoint belongs to, and its numbers that are not tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    recipe: Recipe,
    network: Description,
    epoch: usize,
    stale: usize,
    steps: u64,
    best: Option<(Score, usize)>,
}

/// Writes the state beside the old one, then takes its place.
pub(super) fn keep(path: &Path, recipe: &Recipe, net: &Net, course: &Course) -> Result<()> {
    let header = Header {
        recipe: recipe.clone(),
        network: net.description(),
        epoch: course.epoch,
        stale: course.stale,
        steps: course.moments.steps,
        best: course
            .best
            .as_ref()
            .map(|(score, epoch, _)| (*score, *epoch)),
    };
    let tensors = collect(&header, net, course).map_err(|error| Error::file(path, error))?;
    state::write(path, &tensors)
}

fn collect(header: &Header, net: &Net, course: &Course) -> candle_core::Result<Tensors> {
    let mut tensors = Tensors::new();
    state::describe(HEADER, header, &mut tensors)?;
    net.store("now.", &mut tensors)?;
    if let Some((_, _, best)) = &course.best {
        best.store("best.", &mut tensors)?;
    }
    let moments = [
        ("first", &course.moments.first),
        ("second", &course.moments.second),
    ];
    for (name, lists) in moments {
        for (place, values) in lists.iter().enumerate() {
            tensors.insert(format!("{name}.{place}"), state::vector(values)?);
        }
    }
    Ok(tensors)
}

/// Reads the state into `net`; refuses that of another recipe or network.
pub(super) fn resume(path: &Path, recipe: &Recipe, net: &mut Net) -> Result<Course> {
    let tensors = state::read(path)?;
    let header: Header = state::described(HEADER, &tensors, path)?;
    if header.recipe != *recipe || header.network != net.description() {
        let reason = "it belongs to another recipe or network: name another checkpoint";
        return Err(Error::file(path, reason));
    }
    let broken = |reason: String| Error::file(path, reason);
    net.restore("now.", &tensors).map_err(broken)?;
    let mut course = Course::new(net, recipe);
    (course.epoch, course.stale) = (header.epoch, header.stale);
    course.moments.steps = header.steps;
    let moments = [
        ("first", &mut course.moments.first),
        ("second", &mut course.moments.second),
    ];
    for (name, lists) in moments {
        for (place, values) in lists.iter_mut().enumerate() {
            *values = state::numbers(&tensors, &format!("{name}.{place}"), values.len())
                .map_err(broken)?;
        }
    }
    if let Some((score, epoch)) = header.best {
        let mut best = net.clone();
        best.restore("best.", &tensors).map_err(broken)?;
        course.best = Some((score, epoch, best));
    }
    Ok(course)
}
