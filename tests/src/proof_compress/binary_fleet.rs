//! A network of one-bit weights on clothes, taught by the command line, rolled out in a fleet: a
//! device must answer as this machine does.

use std::time::Duration;

use anyhow::Result;

use crate::claims::Claim;
use crate::datasets::{self, Part, Rows};
use crate::one_bit::{Pictures, Play, play};
use crate::rows::Context;

/// Pictures to learn from: answers are held against each other, how good they are is another row.
const LEARNED: usize = 4_000;
const SHOWN: usize = 1_000;

pub(super) fn run(_: &Context) -> Result<Vec<Claim>> {
    noroshi_service::tls::install_provider();
    let set = datasets::load("fashion")?;
    let played = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(play(&Play {
            learned: &first(&set.train, LEARNED)?,
            shown: &first(&set.test, SHOWN)?,
            settings: &["--epochs", "4", "--inner", "w1a1", "--widths", "24,48,64"],
            frames_per_second: 100.0,
            limit: Duration::from_secs(120),
        }))?;
    let variant = &played.card["measured"]["variants"][0];
    let accuracy = &variant["comparison"]["model"]["quality"]["classes"]["top_1"]["share"];
    let answered = played.answered as f64;
    Ok(vec![
        Claim::at_least("pictures that the device answered", answered, SHOWN as f64)
            .with("bytes", variant["side"]["bytes"].clone())
            .with("accuracy, held out", accuracy.clone()),
        Claim::new(
            "pictures that this machine answers otherwise: label, order or score",
            played.differing,
            "none",
            played.differing == 0,
        ),
        Claim::at_least(
            "control: the same with the version before, share",
            share(played.differing_before, played.answered),
            0.9,
        ),
    ])
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn first(part: &Part, count: usize) -> Result<Pictures> {
    let Rows::U8(pixels) = &part.rows else {
        anyhow::bail!("pixels are bytes");
    };
    let labels = part.labels[..count].iter().map(|&label| label as u8);
    Ok(Pictures {
        side: 28,
        pixels: pixels[..count * 28 * 28].to_vec(),
        labels: labels.collect(),
    })
}
