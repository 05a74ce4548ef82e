//! What generated source is made of.

use crate::protonn::{Entry, ProtoNn, ProtoNnFloat};

impl ProtoNn {
    /// Numbers of a projected row.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Classes told apart.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Entries of each prototype.
    pub fn entries_each(&self) -> usize {
        self.entries_each
    }

    /// Bits that a projected number is shifted by.
    pub fn shift(&self) -> u8 {
        self.shift
    }

    /// What a distance is multiplied by.
    pub fn factor(&self) -> u16 {
        self.factor
    }

    /// Bits that it is shifted by then.
    pub fn factor_shift(&self) -> u8 {
        self.factor_shift
    }

    /// The least distance that is too far.
    pub fn cutoff(&self) -> u32 {
        self.cutoff
    }

    /// `[dimension][column]`.
    pub fn projection(&self) -> &[i8] {
        &self.projection
    }

    /// Added to each projected number.
    pub fn bias(&self) -> &[i32] {
        &self.bias
    }

    /// What each projected number is multiplied by.
    pub fn multipliers(&self) -> &[u16] {
        &self.multipliers
    }

    /// `[prototype][dimension]`.
    pub fn prototypes(&self) -> &[i8] {
        &self.prototypes
    }

    /// `[prototype][entry]`.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

impl ProtoNnFloat {
    /// γ².
    pub fn sharpness(&self) -> f32 {
        self.sharpness
    }

    /// `[dimension][column]`.
    pub fn projection(&self) -> &[f32] {
        &self.projection
    }

    /// Added to each projected number.
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// `[prototype][dimension]`.
    pub fn prototypes(&self) -> &[f32] {
        &self.prototypes
    }

    /// `[prototype][class]`.
    pub fn scores_of_prototypes(&self) -> &[f32] {
        &self.scores
    }
}
