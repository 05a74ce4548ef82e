//! A network of one-bit weights is taught, pushed, rolled out, and answers in an agent's worker as
//! it does here.

use anyhow::ensure;
use noroshi_tests::one_bit::{Pictures, Play, play};

use crate::{LIMIT, scenario};

/// Pictures that are brighter at the top, at the left, or in the middle; noise from `seed`.
fn pictures(count: usize, seed: u32) -> Pictures {
    const SIDE: usize = 16;
    let mut state = seed;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let labels: Vec<u8> = (0..count).map(|place| (place % 3) as u8).collect();
    let pixels = labels.iter().flat_map(|label| {
        (0..SIDE * SIDE)
            .map(|place| {
                let (x, y) = (place % SIDE, place / SIDE);
                let bright = match label {
                    0 => y < SIDE / 2,
                    1 => x < SIDE / 2,
                    _ => (4..12).contains(&x) && (4..12).contains(&y),
                };
                u8::from(bright) * 80 + noise() / 2
            })
            .collect::<Vec<_>>()
    });
    Pictures {
        side: SIDE,
        pixels: pixels.collect(),
        labels,
    }
}

#[test]
fn a_network_of_one_bit_weights_runs_in_the_fleet() {
    scenario(|| async {
        let settings = ["--epochs", "4", "--widths", "8,16", "--rounds", "4"];
        let played = play(&Play {
            learned: &pictures(240, 1),
            shown: &pictures(200, 2),
            settings: &settings,
            frames_per_second: 100.0,
            limit: LIMIT,
        })
        .await?;
        ensure!(
            (played.answered, played.differing) == (200, 0) && played.differing_before > 0,
            "{played:?}"
        );
        Ok(())
    });
}
