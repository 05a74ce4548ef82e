//! What a model takes: bytes of its file, exactly; flash, memory and cycles on an ATmega328P as
//! `noroshi-codegen` writes it for one (trees as tables), estimated from its shape.
//!
//! The estimates are meant to be on the far side: they are fitted to 88 models of all shapes that
//! were measured in the emulator, and rounded up so that none of them took more. Cycles are those
//! of the worst row. A test of `noroshi-codegen` holds them against the emulator.

use crate::forest::{Forest, Leaves, Node};
use crate::linear::output_count;
use crate::model::{Family, Model};
use crate::search::intake::{Taken, taken};

/// Magic, kinds, columns, classes, checksum: see the format.
const FILE_FRAME: u64 = 14;

/// What a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of the file.
    pub file: u64,
    /// On a microcontroller; nothing for models that are for hosts: those in floating point.
    pub controller: Option<Controller>,
}

/// What a model takes on an ATmega328P.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Controller {
    /// Bytes of flash, the start-up code of the C library included.
    pub flash: u64,
    /// Bytes of memory: the row, the scores and the stack included; the numbers too that the
    /// intake makes the row of, where it does.
    pub ram: u64,
    /// Cycles of an answer, at worst; from numbers to answer where there is an intake.
    pub cycles: u64,
}

/// What a cost depends on, known before anything is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub columns: u64,
    pub classes: u64,
    /// What it takes to make the row.
    pub intake: Taken,
    pub kind: Kind,
}

/// The same, by family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Trees {
        trees: u64,
        /// Inner nodes.
        nodes: u64,
        /// Bytes of a node's skip.
        skip: u64,
        /// Bytes of a leaf.
        leaf: u64,
        /// Nodes on the longest ways of all trees.
        path: u64,
        /// Other bytes of the file: multipliers, bases.
        more: u64,
    },
    ProtoNn {
        dimensions: u64,
        prototypes: u64,
        /// Scores of each prototype.
        entries: u64,
    },
    Bonsai {
        dimensions: u64,
        depth: u64,
        /// Entries of the projection.
        entries: u64,
        /// Bytes that they take.
        packed: u64,
    },
    Linear {
        /// Columns that count.
        counting: u64,
    },
    Fastfood {
        /// Half as many as features.
        pairs: u64,
    },
    /// A model in floating point, which is written whole to know its size.
    Host,
}

impl Model {
    /// What it takes.
    pub fn cost(&self) -> Cost {
        let kind = match &self.family {
            Family::Forest(forest) => forest_kind(forest, self),
            Family::Boosted(boosted) => Kind::Trees {
                trees: boosted.inner().len() as u64,
                nodes: boosted.nodes().len() as u64,
                skip: boosted.widths(self.columns).1 as u64,
                leaf: 1,
                path: longest(boosted.inner(), boosted.nodes()),
                more: 2 * boosted.inner().len() as u64 + 4 * boosted.base().len() as u64,
            },
            Family::ProtoNn(model) => Kind::ProtoNn {
                dimensions: model.dimensions as u64,
                prototypes: model.prototype_count() as u64,
                entries: model.entries_each as u64,
            },
            Family::Bonsai(model) => Kind::Bonsai {
                dimensions: model.bias.len() as u64,
                depth: model.depth as u64,
                entries: model.projection.entries.len() as u64,
                packed: model.packed().len() as u64,
            },
            Family::Linear(model) => Kind::Linear {
                counting: model.columns().len() as u64,
            },
            Family::Fastfood(_)
            | Family::Svm(_)
            | Family::ProtoNnFloat(_)
            | Family::BonsaiFloat(_) => Kind::Host,
        };
        let shape = Shape {
            columns: u64::from(self.columns),
            classes: u64::from(self.classes),
            intake: taken(&self.intake),
            kind,
        };
        Cost {
            file: self.to_bytes().len() as u64,
            ..shape.cost()
        }
    }
}

/// What a model is made of, and what an answer takes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// Numbers that were learned: for trees nodes and leaves.
    pub parameters: u64,
    /// Multiplications of an answer, at most.
    pub multiplications: u64,
}

impl Model {
    /// Numbers and multiplications.
    pub fn work(&self) -> Work {
        let (columns, classes) = (u64::from(self.columns), u64::from(self.classes));
        let protonn = |dimensions: usize, prototypes: usize, entries: u64| {
            let (dimensions, prototypes) = (dimensions as u64, prototypes as u64);
            let numbers = dimensions * columns + prototypes * (dimensions + entries);
            (numbers + dimensions, numbers)
        };
        let bonsai = |depth: usize, entries: usize, dimensions: usize, all: usize| {
            let outputs = if classes == 2 { 1 } else { classes };
            let (depth, dimensions) = (depth as u64, dimensions as u64);
            let way = (depth + 1) * outputs * (2 * dimensions + 1) + depth * dimensions;
            (
                entries as u64 + dimensions + all as u64,
                entries as u64 + way,
            )
        };
        // The map takes additions only, and two multiplications a row of it.
        let fastfood = |features: u64| {
            let outputs = output_count(usize::from(self.classes)) as u64;
            let blocks = (features / 2).div_ceil(columns.next_power_of_two());
            let drawn = 2 * blocks * columns.next_power_of_two();
            (outputs * (features + 1), drawn + outputs * features)
        };
        let (parameters, multiplications) = match &self.family {
            Family::Forest(forest) => {
                let leaves = match forest.leaves() {
                    Leaves::Votes(votes) => votes.len(),
                    Leaves::Scores(scores) => scores.len(),
                };
                ((2 * forest.nodes().len() + leaves) as u64, 0)
            }
            Family::Boosted(boosted) => {
                let trees = boosted.inner().len();
                let numbers = 2 * boosted.nodes().len() + boosted.leaves().len() + trees;
                (numbers as u64, trees as u64)
            }
            Family::ProtoNn(one) => protonn(
                one.dimensions,
                one.prototype_count(),
                one.entries_each as u64,
            ),
            Family::ProtoNnFloat(one) => protonn(one.dimensions, one.prototype_count(), classes),
            Family::Bonsai(one) => bonsai(
                one.depth,
                one.projection.entries.len(),
                one.bias.len(),
                one.weights.len() + one.gates.len() + one.branches.len(),
            ),
            Family::BonsaiFloat(one) => bonsai(
                one.depth,
                one.projection.entries.len(),
                one.bias.len(),
                one.weights.len() + one.gates.len() + one.branches.len(),
            ),
            Family::Linear(one) => {
                let weights = one.weights().len() as u64;
                (weights + one.bias().len() as u64, weights)
            }
            Family::Fastfood(one) => fastfood(one.features() as u64),
            Family::Svm(one) => {
                let (vectors, all) = (one.vector_count() as u64, one.coefficient_count() as u64);
                (vectors * columns + all, vectors * (columns + 2) + all)
            }
        };
        Work {
            parameters,
            multiplications,
        }
    }
}

fn forest_kind(forest: &Forest, model: &Model) -> Kind {
    Kind::Trees {
        trees: forest.inner().len() as u64,
        nodes: forest.nodes().len() as u64,
        skip: forest.widths(model.columns).1 as u64,
        leaf: match forest.leaves() {
            Leaves::Votes(_) => 1,
            Leaves::Scores(_) => u64::from(model.classes),
        },
        path: longest(forest.inner(), forest.nodes()),
        more: 0,
    }
}

/// The sum over trees of the nodes on the longest way down.
fn longest(inner: &[u16], nodes: &[Node]) -> u64 {
    let mut rest = nodes.iter();
    let mut sum = 0;
    for &inner in inner {
        let mut deepest = 0u64;
        // Inner nodes below, and how deep that is; preorder: the left side is popped first.
        let mut open = vec![(usize::from(inner), 1)];
        while let Some((below, depth)) = open.pop() {
            if below == 0 {
                continue;
            }
            let skip = rest.next().map_or(0, |node| usize::from(node.skip));
            deepest = deepest.max(depth);
            open.push((below.saturating_sub(1 + skip), depth + 1));
            open.push((skip, depth + 1));
        }
        sum += deepest;
    }
    sum
}

impl Shape {
    /// What a model of this shape takes.
    pub(super) fn cost(&self) -> Cost {
        let (file, taken) = self.parts();
        Cost {
            file: FILE_FRAME + file + self.intake.file,
            controller: taken.map(|taken| self.whole(file, taken)),
        }
    }

    /// What the family's part of a file takes, and beside it code, memory and cycles.
    fn parts(&self) -> (u64, Option<Controller>) {
        let (columns, classes) = (self.columns, self.classes);
        let outputs = output_count(classes as usize) as u64;
        match self.kind {
            Kind::Trees {
                trees,
                nodes,
                skip,
                leaf,
                path,
                more,
            } => {
                let node = 2 + skip + u64::from(columns > 256);
                let taken = Controller {
                    flash: 640 + 2 * more,
                    ram: 34,
                    cycles: 100 + 56 * classes + 120 * trees + 58 * path + 42 * trees * leaf,
                };
                let file = 4 + 2 * trees + nodes * node + (nodes + trees) * leaf + more;
                (file, Some(taken))
            }
            Kind::ProtoNn {
                dimensions,
                prototypes,
                entries,
            } => {
                let entry = 1 + u64::from(entries < classes);
                let projected = dimensions * (columns + 6);
                let taken = Controller {
                    flash: 1200,
                    ram: 32 + 2 * dimensions,
                    cycles: 200
                        + 264 * classes
                        + dimensions * (400 + 28 * columns)
                        + prototypes * (110 + 68 * dimensions + 46 * entries),
                };
                let file = 14 + projected + prototypes * (dimensions + entries * entry);
                (file, Some(taken))
            }
            Kind::Bonsai {
                dimensions,
                depth,
                entries,
                packed,
            } => {
                let nodes = (2 << depth) - 1;
                let taken = Controller {
                    flash: 1280,
                    ram: 44 + dimensions,
                    cycles: 200
                        + 56 * classes
                        + 106 * entries
                        + (depth + 1) * outputs * (440 + 134 * dimensions)
                        + depth * dimensions * 106
                        + 120 * dimensions,
                };
                let values = dimensions * (2 * nodes * outputs + nodes / 2);
                (10 + dimensions * 8 + packed + values, Some(taken))
            }
            Kind::Linear { counting } => {
                let some = counting < columns;
                let bits = if some { columns.div_ceil(8) } else { 0 };
                // In flash the columns that count are written out instead of a bit each.
                let index = 1 + u64::from(columns > 256);
                let taken = Controller {
                    flash: 460 + if some { counting * index } else { 0 },
                    ram: 32,
                    cycles: 100
                        + 56 * classes
                        + outputs * (80 + counting * if some { 60 } else { 44 }),
                };
                (6 + bits + outputs * (4 + counting), Some(taken))
            }
            Kind::Fastfood { pairs } => (14 + outputs * (8 + 2 * pairs), None),
            Kind::Host => (0, None),
        }
    }

    /// With the model itself in flash, the row, the scores and the intake.
    fn whole(&self, file: u64, mut taken: Controller) -> Controller {
        taken.flash += file;
        taken.ram += self.columns + 4 * self.classes;
        taken.flash += self.intake.flash;
        taken.ram += self.intake.ram;
        taken.cycles += self.intake.cycles;
        taken
    }
}
