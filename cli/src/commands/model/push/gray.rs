//! Models of a few kilobytes: what goes in and comes out, and what they cost here.

use std::path::Path;

use noroshi_compress::evaluate::Convention;
use noroshi_engine::tiny::{INPUT, OUTPUT, facts};
use noroshi_engine::{ModelSource, Options, Tensor, isa, median_cpu, open};
use noroshi_model::{EngineKind, InputSpec, Latency, Layout, Measured, OutputSpec};

use crate::error::{Failure, Tried};

/// Runs before and while time is taken.
const ROUNDS: (usize, usize) = (20, 200);

/// Gray pictures of this size for the model at `path`.
pub(super) fn specs(
    path: &Path,
    (width, height): (u32, u32),
) -> Result<(InputSpec, OutputSpec), Failure> {
    let facts = facts(path).tried(path.display())?.ok_or_else(|| {
        Failure::Usage(format!(
            "--gray and --rows are for .ntm files, {} is none: name a --preset",
            path.display()
        ))
    })?;
    let pixels = width as usize * height as usize;
    if pixels != facts.columns {
        return Err(Failure::Usage(format!(
            "{width}x{height} are {pixels} pixels, {} takes rows of {} numbers",
            path.display(),
            facts.columns
        )));
    }
    let input = InputSpec {
        dtype: facts.element,
        features: facts.features,
        ..Convention::Bytes.input(INPUT.to_owned(), Layout::Nchw, 1, (height, width))
    };
    let output = OutputSpec {
        name: OUTPUT.to_owned(),
        activation: facts.activation,
    };
    Ok((input, output))
}

/// Rows of numbers for the model at `path`.
pub(super) fn row_specs(path: &Path) -> Result<(InputSpec, OutputSpec), Failure> {
    let facts = facts(path).tried(path.display())?;
    let columns = facts.map_or(0, |facts| facts.columns as u32);
    if columns > InputSpec::MAX_SIDE {
        return Err(Failure::Usage(format!(
            "{} takes rows of {columns} numbers; a source brings at most {}",
            path.display(),
            InputSpec::MAX_SIDE
        )));
    }
    specs(path, (columns, 1))
}

/// Time on `inputs`, if the model at `path` is of a few kilobytes.
pub(super) fn measured(path: &Path, inputs: &[Tensor]) -> Result<Option<Measured>, Failure> {
    let Some(facts) = facts(path).tried(path.display())? else {
        return Ok(None);
    };
    let mut engine = open(
        EngineKind::Tiny,
        ModelSource::Path(path),
        &Options::default(),
    )
    .tried(path.display())?;
    let mut turns = inputs.iter().cycle();
    let time = median_cpu(ROUNDS.0, ROUNDS.1, || match turns.next() {
        Some(input) => engine.run(std::slice::from_ref(input)).map(drop),
        None => Ok(()),
    })
    .tried(path.display())?;
    Ok(Some(Measured {
        parameters: facts.parameters,
        macs: facts.multiplications,
        agreement: None,
        latency: vec![Latency {
            chip: isa().to_owned(),
            cpu_ms: 1000.0 * time.as_secs_f64(),
        }],
    }))
}
