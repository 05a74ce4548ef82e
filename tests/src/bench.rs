//! Figures of this build on this machine, each beside what a user would take otherwise.
//!
//! Speed is CPU time, one thread, batch 1, in turns with the peer; agreement is counted on photos
//! that nothing was calibrated on; memory is what the kernel says is resident. Nothing here fails
//! for being slow: the lines say `"ok": false`.

mod agreement;
mod memory;
pub(crate) mod peer;
mod release;
mod speed;
mod worker;

use anyhow::{Result, bail};

use crate::claims;

const PARTS: [&str; 3] = ["speed", "agreement", "memory"];
/// The networks that are measured.
const NETWORKS: [&str; 2] = ["mobilenet-v2", "efficientnet-lite0"];

/// Measures `parts` (`speed`, `agreement`, `memory`; all if none is named) and prints one line of
/// JSON a figure.
pub async fn run(parts: &[String]) -> Result<()> {
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        bail!("no part {unknown}; there are {}", PARTS.join(", "));
    }
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|named| named == part);
    eprintln!("bench: {} on {}", noroshi_engine::isa(), chip());
    let mut claims = Vec::new();
    for network in NETWORKS {
        if wanted("speed") {
            claims.extend(speed::measure(network).await?);
        }
        if wanted("agreement") {
            claims.extend(agreement::measure(network)?);
        }
    }
    if wanted("memory") {
        claims.extend(memory::measure().await?);
    }
    claims::print(&claims);
    eprint!("{}", claims::table(&claims));
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
        let is = |numbers, middle: f64| (super::median(numbers) - middle).abs() < 1e-9;
        assert!(is(vec![3.0, 1.0, 2.0], 2.0));
        assert!(is(vec![4.0, 1.0, 2.0, 3.0], 2.5));
        assert!(is(Vec::new(), 0.0));
    }
}
