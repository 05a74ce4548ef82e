//! Where every value lies in the one arena.
//!
//! A value lives from the step that makes it to the last that reads it. Two that live at the same
//! time lie apart, except that a step may write its output over an input that it is the last to
//! read (see `overlap`). Values are placed one after the other at the lowest place that is free,
//! in the order of their size, and in other orders, which a short search betters.

use super::network::{Network, Operation};
use super::overlap::lead;

/// Offsets are multiples of this, for 32-bit outputs and quick reads.
const ALIGNMENT: usize = 4;

/// Work of the search, in comparisons of two buffers, and bounds on its rounds.
const SEARCH_WORK: usize = 30_000_000;
const SEARCH_ROUNDS: (usize, usize) = (20, 3000);

/// Whether a step may write over its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Where it is the last to read it.
    InPlace,
    /// Never: every value has bytes of its own while it lives.
    Apart,
}

/// Places of all values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Bytes of the arena.
    pub bytes: usize,
    /// The first byte of each value.
    pub values: Vec<usize>,
    /// The first byte of the patch that a step gathers, for each step that does.
    pub patches: Vec<Option<usize>>,
}

/// Bytes that live for some steps.
#[derive(Debug, Clone, Copy)]
struct Buffer {
    bytes: usize,
    first: usize,
    last: usize,
}

/// Buffer `output` may lie over `input` if it starts `lead` bytes before it.
#[derive(Debug, Clone, Copy)]
struct Overlap {
    output: usize,
    input: usize,
    lead: usize,
}

struct Problem {
    buffers: Vec<Buffer>,
    overlaps: Vec<Overlap>,
}

/// Places the values of `network`.
pub fn plan(network: &Network, sharing: Sharing) -> Plan {
    let (problem, patches) = Problem::new(network, sharing);
    let offsets = problem.solve();
    Plan {
        bytes: problem.total(&offsets),
        values: offsets[..network.values.len()].to_vec(),
        patches: patches
            .iter()
            .map(|patch| patch.map(|buffer| offsets[buffer]))
            .collect(),
    }
}

impl Problem {
    /// The buffers of the values, then those of the patches, whose numbers are the second result.
    fn new(network: &Network, sharing: Sharing) -> (Self, Vec<Option<usize>>) {
        let mut buffers = lives(network);
        let mut overlaps = Vec::new();
        let mut patches = Vec::new();
        for (time, step) in network.steps.iter().enumerate() {
            for (place, &input) in step.inputs.iter().enumerate() {
                if sharing == Sharing::InPlace && buffers[input].last == time {
                    overlaps.push(Overlap {
                        output: step.output,
                        input,
                        lead: lead(network, step, place),
                    });
                }
            }
            patches.push(match &step.operation {
                Operation::Convolution(layer) if layer.gathers() => {
                    buffers.push(Buffer {
                        bytes: layer.cells(),
                        first: time,
                        last: time,
                    });
                    Some(buffers.len() - 1)
                }
                _ => None,
            });
        }
        (Self { buffers, overlaps }, patches)
    }

    fn solve(&self) -> Vec<usize> {
        let count = self.buffers.len();
        let by = |key: &dyn Fn(usize) -> (usize, usize)| {
            let mut order: Vec<usize> = (0..count).collect();
            order.sort_by_key(|&buffer| std::cmp::Reverse(key(buffer)));
            order
        };
        let by_size = by(&|buffer| (self.buffers[buffer].bytes, self.buffers[buffer].first));
        let by_time = by(&|buffer| (self.buffers[buffer].first, self.buffers[buffer].bytes));
        let orders = [by_size, by_time.iter().rev().copied().collect(), by_time];
        let placed = orders.map(|order| {
            let offsets = self.place(&order);
            (self.total(&offsets), order, offsets)
        });
        let best = placed.into_iter().min_by_key(|(total, ..)| *total);
        let Some((mut total, mut order, mut offsets)) = best else {
            return Vec::new();
        };
        let mut numbers = 1u64;
        for _ in 0..(SEARCH_WORK / count.pow(3).max(1)).clamp(SEARCH_ROUNDS.0, SEARCH_ROUNDS.1) {
            let mut tried = order.clone();
            tried.swap(draw(&mut numbers, count), draw(&mut numbers, count));
            let found = self.place(&tried);
            if self.total(&found) <= total {
                (total, order, offsets) = (self.total(&found), tried, found);
            }
        }
        offsets
    }

    fn total(&self, offsets: &[usize]) -> usize {
        let ends = self.buffers.iter().zip(offsets);
        let end = ends.map(|(buffer, offset)| offset + buffer.bytes).max();
        end.unwrap_or(0).next_multiple_of(ALIGNMENT)
    }

    fn place(&self, order: &[usize]) -> Vec<usize> {
        let mut offsets: Vec<Option<usize>> = vec![None; self.buffers.len()];
        for &buffer in order {
            let free = self.lowest(buffer, &offsets);
            offsets[buffer] = Some(free);
        }
        offsets.into_iter().map(Option::unwrap_or_default).collect()
    }

    /// The lowest place of `buffer` beside those that have theirs.
    fn lowest(&self, buffer: usize, offsets: &[Option<usize>]) -> usize {
        let placed: Vec<(usize, usize)> = offsets
            .iter()
            .enumerate()
            .filter_map(|(other, offset)| Some((other, (*offset)?)))
            .filter(|&(other, _)| self.meet(buffer, other))
            .collect();
        let mut tries = vec![0];
        for &(other, offset) in &placed {
            tries.push((offset + self.buffers[other].bytes).next_multiple_of(ALIGNMENT));
            if let Some(lead) = self.lead(other, buffer) {
                tries.push((offset + lead).next_multiple_of(ALIGNMENT));
            }
        }
        tries.sort_unstable();
        let fits = |offset: &usize| {
            let mut placed = placed.iter();
            placed.all(|&(other, at)| self.agree(buffer, *offset, other, at))
        };
        // The place behind all others always fits.
        tries.into_iter().find(fits).unwrap_or(0)
    }

    fn meet(&self, one: usize, other: usize) -> bool {
        let (one, other) = (self.buffers[one], self.buffers[other]);
        one.first <= other.last && other.first <= one.last
    }

    fn lead(&self, output: usize, input: usize) -> Option<usize> {
        let mut overlaps = self.overlaps.iter();
        overlaps
            .find(|overlap| overlap.output == output && overlap.input == input)
            .map(|overlap| overlap.lead)
    }

    /// Whether two that live at the same time may lie there.
    fn agree(&self, one: usize, at: usize, other: usize, there: usize) -> bool {
        let apart =
            at + self.buffers[one].bytes <= there || there + self.buffers[other].bytes <= at;
        let over = |output, at: usize, input, there| {
            self.lead(output, input)
                .is_some_and(|lead| at + lead <= there)
        };
        apart || over(one, at, other, there) || over(other, there, one, at)
    }
}

/// From when to when each value lives. The input is there from the start, the output to the end.
fn lives(network: &Network) -> Vec<Buffer> {
    let mut buffers: Vec<Buffer> = network
        .values
        .iter()
        .map(|value| Buffer {
            bytes: value.bytes(),
            first: 0,
            last: 0,
        })
        .collect();
    for (time, step) in network.steps.iter().enumerate() {
        buffers[step.output].first = time;
        buffers[step.output].last = time;
        for &input in &step.inputs {
            buffers[input].last = time;
        }
    }
    buffers[network.output].last = network.steps.len();
    buffers
}

/// The next of a fixed row of numbers below `limit`: the same plan for the same network.
fn draw(state: &mut u64, limit: usize) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize % limit.max(1)
}
