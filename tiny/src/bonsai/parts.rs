//! What generated source is made of.

use crate::bonsai::{Bonsai, BonsaiFloat, output_count};

impl Bonsai {
    /// Levels below the root.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Outputs of a node: one for two classes.
    pub fn outputs(&self) -> usize {
        output_count(self.classes)
    }

    /// Bits that a projected number is shifted by.
    pub fn shift(&self) -> u8 {
        self.shift
    }

    /// What a gate's argument is multiplied by.
    pub fn gate(&self) -> u16 {
        self.gate
    }

    /// Bits that it is shifted by then.
    pub fn gate_shift(&self) -> u8 {
        self.gate_shift
    }

    /// Entries of each row of the projection; they lie in [`Self::packed`].
    pub fn counts(&self) -> &[u16] {
        &self.projection.counts
    }

    /// Added to each projected number.
    pub fn bias(&self) -> &[i32] {
        &self.bias
    }

    /// What each projected number is multiplied by.
    pub fn multipliers(&self) -> &[u16] {
        &self.multipliers
    }

    /// `[node][output][dimension]`.
    pub fn weights(&self) -> &[i8] {
        &self.weights
    }

    /// `[node][output][dimension]`.
    pub fn gates(&self) -> &[i8] {
        &self.gates
    }

    /// `[inner node][dimension]`.
    pub fn branches(&self) -> &[i8] {
        &self.branches
    }
}

impl BonsaiFloat {
    /// Outputs of a node: one for two classes.
    pub fn outputs(&self) -> usize {
        output_count(self.classes)
    }

    /// Entries of each row of the projection.
    pub fn counts(&self) -> &[u16] {
        &self.projection.counts
    }

    /// Column and weight of all entries, row after row.
    pub fn entries(&self) -> &[(u16, f32)] {
        &self.projection.entries
    }

    /// Added to each projected number.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// `[node][output][dimension]`.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// `[node][output][dimension]`, σ inside.
    pub fn gates(&self) -> &[f32] {
        &self.gates
    }

    /// `[inner node][dimension]`.
    pub fn branches(&self) -> &[f32] {
        &self.branches
    }
}
