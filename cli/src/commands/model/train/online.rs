//! `noroshi model train --online`: trees that go on learning on the device.

use noroshi_tiny::csv;
use noroshi_tiny::online::teach;
use serde_json::json;

use super::{single, write, written};
use crate::args::Train;
use crate::error::{Failure, Tried};
use crate::output;

pub(super) fn run(asked: &Train, read: &csv::Read, as_json: bool) -> Result<(), Failure> {
    let taught = teach(&read.table, &read.intake, asked.seed).tried(asked.file.display())?;
    let bytes = taught.forest.to_bytes();
    let card = json!({
        "file": asked.output, "online": true, "seed": asked.seed,
        "columns": read.columns, "classes": read.classes, "constant": read.constant,
        "rows": { "read": read.rows, "dropped": read.dropped, "learned": read.table.len(),
            "single": single(read) },
        "accuracy": taught.right, "file_bytes": bytes.len(),
        "arena_bytes": taught.forest.arena_bytes(),
    });
    let beside = write(asked, &bytes, &card)?;
    if as_json {
        return output::json(&card);
    }
    println!(
        "{} rows learned, one after the other in an order by chance; of the last half {:.1} % were \
         answered right before they were learned",
        read.table.len(),
        100.0 * taught.right
    );
    println!("{}", written(asked, &beside));
    Ok(())
}
