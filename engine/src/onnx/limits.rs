//! The newest operator set and file version that the loaded library reads: tried, not guessed.
//!
//! A table by version would be wrong for the next release, so models of one `Identity` node
//! are opened with ever newer numbers until one is refused.

use std::sync::OnceLock;

use super::encode::{model, node, value};
use super::library::LibraryOptions;
use super::session::OnnxEngine;
use crate::engine::{Optimization, Options};
use crate::error::Result;

/// What every library that we accept reads.
const FLOOR: Limits = Limits { opset: 13, ir: 8 };
/// Where trying ends; years away.
const CEILING: u32 = 64;

/// The newest that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) opset: u32,
    pub(crate) ir: u32,
}

/// The limits of the library; loads it if need be.
pub(crate) fn limits(options: &LibraryOptions) -> Result<Limits> {
    static TRIED: OnceLock<Limits> = OnceLock::new();
    super::warm(options)?;
    Ok(*TRIED.get_or_init(|| {
        let options = Options {
            optimization: Optimization::None,
            library: options.clone(),
            ..Options::default()
        };
        let opens = |opset, ir| OnnxEngine::open(&identity(opset, ir), &options).is_ok();
        let newest = |floor: u32, opens: &dyn Fn(u32) -> bool| {
            (floor + 1..=CEILING)
                .find(|&next| !opens(next))
                .map_or(CEILING, |refused| refused - 1)
        };
        Limits {
            opset: newest(FLOOR.opset, &|opset| opens(opset, FLOOR.ir)),
            ir: newest(FLOOR.ir, &|ir| opens(FLOOR.opset, ir)),
        }
    }))
}

/// An ONNX file whose only node is `Identity` on one number.
fn identity(opset: u32, ir: u32) -> Vec<u8> {
    model(
        (opset, ir),
        &[node("Identity", &["x"], &["y"])],
        &value("x", &[1]),
        &value("y", &[1]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::testing::library;

    #[test]
    fn the_limits_are_those_of_the_library() {
        let limits = limits(&library()).unwrap();
        // 1.24, the oldest accepted, reads operator set 24 and IR version 11 or newer.
        assert!(limits.opset >= 21 && limits.opset < CEILING, "{limits:?}");
        assert!(limits.ir >= 10 && limits.ir < CEILING, "{limits:?}");
    }
}
