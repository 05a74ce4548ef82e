//! `noroshi model prune --pattern N:M`: of so many weights that follow each other so many stay.

use noroshi_train::{Examples, Pattern, Progress, Recipe, prune_pattern_and_retrain, write_sparse};
use serde_json::json;

use super::teach::{EPOCHS, Halves, network, put};
use crate::args;
use crate::error::{Failure, Tried};
use crate::output;

pub(super) fn prune(command: &args::Prune, pattern: Pattern, as_json: bool) -> Result<(), Failure> {
    let mut net = network(&command.file)?;
    let halves = Halves::read(&command.data, &command.teach, &command.file)?;
    let data = Examples::read(&halves.learned).tried("the data")?;
    let recipe = Recipe::from(&command.teach);
    let bar = output::progress(recipe.epochs, EPOCHS, as_json)?;
    let mut progress = |told: Progress| {
        bar.set_position(told.epoch as u64);
        bar.set_message(format!("loss {:.4}", told.loss));
    };
    let spare = &command.spare;
    let left = prune_pattern_and_retrain(&mut net, &data, &recipe, pattern, spare, &mut progress)
        .tried(command.file.display())?;
    bar.finish_and_clear();
    if left.kept == left.total {
        return Err(Failure::Failed(format!(
            "no layer has rows of two groups of {pattern} weights: nothing was pruned; choose a \
             shorter pattern, or spare fewer layers"
        )));
    }
    let sparse = write_sparse(&net).tried("the sparse file")?;
    let seen = put(command, &net, Some(&sparse), &halves)?;
    if as_json {
        return output::json(&json!({
            "file": command.output, "digest": net.digest(), "pattern": pattern,
            "kept": left.kept, "total": left.total, "sparse_bytes": sparse.len(),
            "speed_gain": false, "measured": serde_json::to_value(&seen).tried("the figures")?,
        }));
    }
    println!("{seen}");
    println!(
        "{pattern}: {} of {} weights are left: {} with the bits of their places. No speed gain: \
         engines here multiply by the zeros too; chips with sparse units for {pattern} may skip \
         them, and --method channels makes the graph smaller",
        left.kept,
        left.total,
        output::bytes(sparse.len() as u64)
    );
    println!("written to {}", command.output.display());
    Ok(())
}
