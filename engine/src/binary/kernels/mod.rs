//! Products of packed bits, and of bytes: one file an instruction set, every one bit-exact with
//! the plain loops of [`scalar`].
//!
//! Weights are interleaved in *panels* of eight outputs (bits) or sixteen (bytes), so that one
//! vector holds the same inputs of several outputs: a word of the activations is broadcast, no
//! sum ever has to be added up across a vector, and all instruction sets share one layout.

#![expect(
    unsafe_code,
    reason = "vector registers are loaded from and stored to memory by address"
)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod popcnt;
mod scalar;
#[cfg(test)]
mod tests;

/// Outputs in one panel of packed bits.
pub(super) const BIT_LANES: usize = 8;
/// Outputs in one panel of bytes.
pub(super) const BYTE_LANES: usize = 16;
/// Inputs of one output that lie side by side in a panel of bytes.
pub(super) const BYTE_GROUP: usize = 4;
/// Sums of one row are this often a whole number of: 64 outputs become one word of bits.
pub(super) const COLUMNS: usize = 64;

/// An instruction set that the kernels are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isa {
    /// Nothing beyond the architecture's floor.
    Scalar,
    /// x86: one `popcnt` a word.
    Popcnt,
    /// x86: counting by table look-up in 256-bit registers.
    Avx2,
    /// x86: `vpopcntq` in 512-bit registers, `vpdpbusd` for bytes.
    Avx512,
    /// ARM: `cnt` on 128-bit registers.
    Neon,
}

impl Isa {
    /// The word used in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Popcnt => "popcnt",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512_vpopcntdq",
            Self::Neon => "neon",
        }
    }
}

/// Packed bits times packed bits.
///
/// `sums[row][output] = base[row] ± 2 · Σ_plane 2^plane · popcount(rows[row][plane] ∘ weights)`.
#[derive(Debug, Clone, Copy)]
pub struct BitProduct<'a> {
    /// `[row][plane][word]`, the lowest plane first, the first input in the lowest bit.
    pub rows: &'a [u64],
    /// Planes of a row.
    pub planes: usize,
    /// Words of a plane; bits beyond the inputs are 0.
    pub words: usize,
    /// `[panel][word][8 outputs]`, bits beyond the inputs 0.
    pub panels: &'a [u64],
    /// What a row's sums begin with; as many as there are rows.
    pub base: &'a [i32],
    /// Sums from one row to the next: at least eight a panel.
    pub stride: usize,
}

/// Unsigned bytes times signed bytes: `sums[row][output] = Σ rows[row][k] · weights[output][k]`.
#[derive(Debug, Clone, Copy)]
pub struct ByteProduct<'a> {
    /// `[row][group][4]`.
    pub rows: &'a [u8],
    /// Groups of four inputs in a row; bytes beyond the inputs are 0.
    pub groups: usize,
    /// `[panel][group][16 outputs][4]`.
    pub panels: &'a [i8],
    /// Number of rows.
    pub count: usize,
    /// Sums from one row to the next: at least sixteen a panel.
    pub stride: usize,
}

type Bits = unsafe fn(&BitProduct<'_>, &mut [i32]);
type Bytes = unsafe fn(&ByteProduct<'_>, &mut [i32]);
type Compare = unsafe fn(&[i32], &[i32], &mut [u64]);
type Ones = unsafe fn(&[u64]) -> u32;

/// The kernels of one instruction set, which this CPU has.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    isa: Isa,
    differ: Bits,
    meet: Bits,
    bytes: Bytes,
    reach: Compare,
    ones: Ones,
}

impl Kernels {
    /// The fastest that this CPU has.
    pub fn best() -> Self {
        let all = Self::available();
        *all.last().expect("the scalar kernels are always there")
    }

    /// All that this CPU has, from the slowest.
    pub fn available() -> Vec<Self> {
        let mut found = vec![Self {
            isa: Isa::Scalar,
            differ: scalar::product::<false>,
            meet: scalar::product::<true>,
            bytes: scalar::bytes,
            reach: scalar::reach,
            ones: scalar::ones,
        }];
        #[cfg(target_arch = "x86_64")]
        found.extend(on_x86());
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            found.push(Self {
                isa: Isa::Neon,
                differ: neon::product::<false>,
                meet: neon::product::<true>,
                bytes: scalar::bytes,
                reach: scalar::reach,
                ones: neon::ones,
            });
        }
        found
    }

    /// Those for `isa`, if this CPU has it.
    pub fn of(isa: Isa) -> Option<Self> {
        Self::available()
            .into_iter()
            .find(|kernels| kernels.isa == isa)
    }

    /// Their instruction set.
    pub const fn isa(&self) -> Isa {
        self.isa
    }

    /// ±1 times ±1: `base − 2 · popcount(a xor w)`, so `base` is the number of inputs.
    pub fn differ(&self, product: &BitProduct<'_>, sums: &mut [i32]) {
        product.check(sums);
        // SAFETY: a `Kernels` is made only on a CPU that has its instruction set, and the
        // product's lengths were checked.
        unsafe { (self.differ)(product, sums) }
    }

    /// Levels times ±1: `base + 2 · Σ 2^plane · popcount(a and w)`, so `base` is minus the sum
    /// of the row's levels.
    pub fn meet(&self, product: &BitProduct<'_>, sums: &mut [i32]) {
        product.check(sums);
        // SAFETY: a `Kernels` is made only on a CPU that has its instruction set, and the
        // product's lengths were checked.
        unsafe { (self.meet)(product, sums) }
    }

    /// Bytes times bytes.
    pub fn bytes(&self, product: &ByteProduct<'_>, sums: &mut [i32]) {
        product.check(sums);
        // SAFETY: a `Kernels` is made only on a CPU that has its instruction set, and the
        // product's lengths were checked.
        unsafe { (self.bytes)(product, sums) }
    }

    /// One bit a sum: whether it reaches its threshold. `thresholds` are those of one row, a
    /// multiple of 64; `bits` gets one word for 64 of them.
    pub fn reach(&self, sums: &[i32], thresholds: &[i32], bits: &mut [u64]) {
        assert!(!thresholds.is_empty() && thresholds.len().is_multiple_of(COLUMNS));
        assert!(sums.len().is_multiple_of(thresholds.len()));
        assert_eq!(bits.len(), sums.len() / COLUMNS);
        // SAFETY: the CPU has the instruction set, the lengths were checked.
        unsafe { (self.reach)(sums, thresholds, bits) }
    }

    /// Number of bits that are 1.
    pub fn ones(&self, words: &[u64]) -> u32 {
        // SAFETY: the CPU has the instruction set; a slice of any length will do.
        unsafe { (self.ones)(words) }
    }
}

#[cfg(target_arch = "x86_64")]
fn on_x86() -> Vec<Kernels> {
    use std::arch::is_x86_feature_detected as has;
    let mut found = Vec::new();
    if !has!("popcnt") {
        return found;
    }
    found.push(Kernels {
        isa: Isa::Popcnt,
        differ: popcnt::product::<false>,
        meet: popcnt::product::<true>,
        bytes: scalar::bytes,
        reach: scalar::reach,
        ones: popcnt::ones,
    });
    if !has!("avx2") {
        return found;
    }
    found.push(Kernels {
        isa: Isa::Avx2,
        differ: avx2::product::<false>,
        meet: avx2::product::<true>,
        bytes: avx2::bytes,
        reach: avx2::reach,
        ones: popcnt::ones,
    });
    if has!("avx512f") && has!("avx512bw") && has!("avx512vnni") && has!("avx512vpopcntdq") {
        found.push(Kernels {
            isa: Isa::Avx512,
            differ: avx512::product::<false>,
            meet: avx512::product::<true>,
            bytes: avx512::bytes,
            reach: avx512::reach,
            ones: popcnt::ones,
        });
    }
    found
}

impl BitProduct<'_> {
    /// Number of panels.
    const fn panel_count(&self) -> usize {
        self.panels.len() / (self.words * BIT_LANES)
    }

    /// The words of one plane of one row.
    #[expect(
        clippy::inline_always,
        reason = "only inlined does it take on the instruction set of its caller"
    )]
    #[inline(always)]
    fn row(&self, row: usize, plane: usize) -> &[u64] {
        let start = (row * self.planes + plane) * self.words;
        &self.rows[start..start + self.words]
    }

    /// The words of one panel.
    #[expect(
        clippy::inline_always,
        reason = "only inlined does it take on the instruction set of its caller"
    )]
    #[inline(always)]
    fn panel(&self, panel: usize) -> &[[u64; BIT_LANES]] {
        let length = self.words * BIT_LANES;
        let words = &self.panels[panel * length..(panel + 1) * length];
        words.as_chunks::<BIT_LANES>().0
    }

    fn check(&self, sums: &[i32]) {
        assert!(self.words > 0 && self.planes > 0, "a row has words");
        assert!(self.panels.len().is_multiple_of(self.words * BIT_LANES));
        assert_eq!(
            self.rows.len(),
            self.base.len() * self.planes * self.words,
            "every row has its planes, words and a base"
        );
        assert!(self.stride >= self.panel_count() * BIT_LANES);
        assert!(sums.len() >= self.base.len() * self.stride);
    }
}

impl ByteProduct<'_> {
    /// Number of panels.
    const fn panel_count(&self) -> usize {
        self.panels.len() / (self.groups * BYTE_GROUP * BYTE_LANES)
    }

    /// The groups of one row.
    #[expect(
        clippy::inline_always,
        reason = "only inlined does it take on the instruction set of its caller"
    )]
    #[inline(always)]
    fn row(&self, row: usize) -> &[[u8; BYTE_GROUP]] {
        let length = self.groups * BYTE_GROUP;
        let bytes = &self.rows[row * length..(row + 1) * length];
        bytes.as_chunks::<BYTE_GROUP>().0
    }

    /// The groups of one panel.
    #[expect(
        clippy::inline_always,
        reason = "only inlined does it take on the instruction set of its caller"
    )]
    #[inline(always)]
    fn panel(&self, panel: usize) -> &[[i8; BYTE_LANES * BYTE_GROUP]] {
        let length = self.groups * BYTE_GROUP * BYTE_LANES;
        let bytes = &self.panels[panel * length..(panel + 1) * length];
        bytes.as_chunks::<{ BYTE_LANES * BYTE_GROUP }>().0
    }

    fn check(&self, sums: &[i32]) {
        assert!(self.groups > 0, "a row has inputs");
        let panel = self.groups * BYTE_GROUP * BYTE_LANES;
        assert!(self.panels.len().is_multiple_of(panel));
        assert_eq!(self.rows.len(), self.count * self.groups * BYTE_GROUP);
        assert!(self.stride >= self.panel_count() * BYTE_LANES);
        assert!(sums.len() >= self.count * self.stride);
    }
}
