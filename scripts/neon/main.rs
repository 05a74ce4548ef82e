//! The kernels of bits by themselves, for another architecture: every instruction set that this
//! CPU has must give the sums of the plain loops, bit by bit. Built and run by
//! `scripts/prove-neon`.

#[path = "../../engine/src/binary/kernels/mod.rs"]
#[allow(dead_code)]
mod kernels;

use kernels::{BitProduct, ByteProduct, Isa, Kernels};

struct Noise(u64);

impl Noise {
    fn words(&mut self, count: usize) -> Vec<u64> {
        let mut words = Vec::with_capacity(count);
        for _ in 0..count {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            words.push(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D));
        }
        words
    }
}

fn main() {
    let plain = Kernels::of(Isa::Scalar).expect("the scalar kernels are always there");
    let others: Vec<Kernels> = Kernels::available();
    let (mut noise, mut compared) = (Noise(7), 0_u64);
    for words in [1, 2, 3, 9, 30, 31, 32, 33, 61, 62, 63, 64] {
        for planes in [1, 2, 3, 8] {
            for (rows, panels) in [(1, 1), (2, 3), (3, 2), (5, 5)] {
                let activations = noise.words(rows * planes * words);
                let weights = noise.words(panels * words * 8);
                let base: Vec<i32> = noise.words(rows).iter().map(|w| *w as i32 >> 8).collect();
                let stride = panels * 8 + words % 3;
                let product = BitProduct {
                    rows: &activations,
                    planes,
                    words,
                    panels: &weights,
                    base: &base,
                    stride,
                };
                for kernels in &others {
                    for meet in [false, true] {
                        let sums = |kernels: &Kernels| {
                            let mut sums = vec![-1; rows * stride];
                            if meet {
                                kernels.meet(&product, &mut sums);
                            } else {
                                kernels.differ(&product, &mut sums);
                            }
                            sums
                        };
                        assert_eq!(sums(kernels), sums(&plain), "{}", kernels.isa().word());
                        compared += (rows * panels * 8) as u64;
                    }
                    assert_eq!(kernels.ones(&weights), plain.ones(&weights));
                }
            }
        }
    }
    let bytes: Vec<u8> = noise.words(15).iter().flat_map(|w| w.to_le_bytes()).collect();
    let weights: Vec<i8> = noise
        .words(5 * 8 * 2)
        .iter()
        .flat_map(|w| w.to_le_bytes().map(|byte| byte as i8))
        .collect();
    let product = ByteProduct {
        rows: &bytes,
        groups: 10,
        panels: &weights,
        count: 3,
        stride: 16,
    };
    for kernels in &others {
        let sums = |kernels: &Kernels| {
            let mut sums = vec![0; 48];
            kernels.bytes(&product, &mut sums);
            sums
        };
        assert_eq!(sums(kernels), sums(&plain), "{}", kernels.isa().word());
    }
    let words: Vec<&str> = others.iter().map(|kernels| kernels.isa().word()).collect();
    let ok = std::env::args().skip(1).all(|isa| words.contains(&isa.as_str()));
    println!(
        r#"{{"claim":"kernels bit-exact with the plain loops","value":{compared},"limit":"every sum equal, on {}","ok":{ok}}}"#,
        words.join(", ")
    );
    std::process::exit(i32::from(!ok));
}
