//! The size of one sample's value.

use serde::{Deserialize, Serialize};

/// Channels, rows and columns of one sample. A vector has one row and one column; a series has
/// one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Channels, or features of a vector.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns, or the length of a series.
    pub width: usize,
}

impl Shape {
    /// An image of `channels` planes.
    pub const fn image(channels: usize, height: usize, width: usize) -> Self {
        Self {
            channels,
            height,
            width,
        }
    }

    /// A series of `length` steps.
    pub const fn series(channels: usize, length: usize) -> Self {
        Self::image(channels, 1, length)
    }

    /// A vector.
    pub const fn flat(features: usize) -> Self {
        Self::image(features, 1, 1)
    }

    /// Numbers of one channel.
    pub const fn plane(self) -> usize {
        self.height * self.width
    }

    /// Numbers of one sample.
    pub const fn len(self) -> usize {
        self.channels * self.plane()
    }

    /// Whether a sample has no numbers.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.plane() == 1 {
            write!(f, "{}", self.channels)
        } else {
            write!(f, "{}x{}x{}", self.channels, self.height, self.width)
        }
    }
}
