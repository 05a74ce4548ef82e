//! Figures of this build on this machine, each beside what a user would take otherwise.
//!
//! Speed is CPU time, one thread, batch 1, in turns with the peer; agreement is counted on photos
//! that nothing was calibrated on; memory is what the kernel says is resident. Nothing here fails
//! for being slow: the lines say `"ok": false`.

mod agreement;
mod memory;
mod peer;
mod release;
mod speed;
mod worker;

use anyhow::Result;

use crate::claims;

/// The networks that are measured.
const NETWORKS: [&str; 2] = ["mobilenet-v2", "efficientnet-lite0"];

/// Measures everything and prints one line of JSON a figure.
pub async fn run() -> Result<()> {
    eprintln!("bench: {} on {}", noroshi_engine::isa(), chip());
    for network in NETWORKS {
        claims::print(&speed::measure(network).await?);
        claims::print(&agreement::measure(network)?);
    }
    claims::print(&memory::measure().await?);
    Ok(())
}

fn chip() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(
        || "an unknown chip".to_owned(),
        |(_, name)| name.trim().to_owned(),
    )
}

/// The middle of `figures`; 0 without any.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => 0.0,
        length if length % 2 == 1 => figures[middle],
        _ => f64::midpoint(figures[middle - 1], figures[middle]),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_middle_is_found() {
        assert_eq!(super::median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(super::median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(super::median(Vec::new()), 0.0);
    }
}
