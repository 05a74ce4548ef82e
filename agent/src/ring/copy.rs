//! Bytes in and out of shared words.
//!
//! Words are loaded and stored one by one, because another process may be at them; eight a turn,
//! because a frame is a hundred thousand words and the loop around them costs more than they do.

use std::sync::atomic::{AtomicU64, Ordering};

const WORD: usize = 8;
const BLOCK: usize = 8;

/// Copies `length` bytes out of `words`, which hold them.
pub(super) fn copy_out(words: &[AtomicU64], length: usize, bytes: &mut Vec<u8>) {
    let words = &words[..length.div_ceil(WORD)];
    bytes.resize(words.len() * WORD, 0);
    let (blocks, rest) = words.as_chunks::<BLOCK>();
    let (out, out_rest) = bytes.as_chunks_mut::<{ BLOCK * WORD }>();
    for (out, block) in out.iter_mut().zip(blocks) {
        // Spelled out: at a low level of optimization the compiler would make a loop of it.
        let [w0, w1, w2, w3, w4, w5, w6, w7] = block;
        let values = [
            load(w0),
            load(w1),
            load(w2),
            load(w3),
            load(w4),
            load(w5),
            load(w6),
            load(w7),
        ];
        *out = values.as_flattened().try_into().expect("as long");
    }
    for (out, word) in out_rest.as_chunks_mut::<WORD>().0.iter_mut().zip(rest) {
        *out = load(word);
    }
    bytes.truncate(length);
}

#[inline]
fn load(word: &AtomicU64) -> [u8; WORD] {
    word.load(Ordering::Relaxed).to_ne_bytes()
}

/// Copies `bytes` into `words`, which must be enough; the last word is filled up with zeros.
pub(super) fn copy_in(bytes: &[u8], words: &[AtomicU64]) {
    let (whole, rest) = bytes.as_chunks::<WORD>();
    let (blocks, single) = whole.as_chunks::<BLOCK>();
    let (wide, narrow) = words.split_at(blocks.len() * BLOCK);
    for (block, words) in blocks.iter().zip(wide.as_chunks::<BLOCK>().0) {
        let [w0, w1, w2, w3, w4, w5, w6, w7] = words;
        store(w0, block[0]);
        store(w1, block[1]);
        store(w2, block[2]);
        store(w3, block[3]);
        store(w4, block[4]);
        store(w5, block[5]);
        store(w6, block[6]);
        store(w7, block[7]);
    }
    for (bytes, word) in single.iter().zip(narrow) {
        store(word, *bytes);
    }
    if !rest.is_empty() {
        let mut last = [0; WORD];
        last[..rest.len()].copy_from_slice(rest);
        store(&narrow[single.len()], last);
    }
}

#[inline]
fn store(word: &AtomicU64, bytes: [u8; WORD]) {
    word.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_comes_back() {
        let words: Vec<AtomicU64> = (0..40).map(|_| AtomicU64::new(u64::MAX)).collect();
        let mut back = vec![1; 3];
        for length in 0..300_usize {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
            copy_in(&bytes, &words);
            copy_out(&words, length, &mut back);
            assert_eq!(back, bytes);
        }
    }
}
