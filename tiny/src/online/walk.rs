//! Down a tree: to answer, to learn, and to forget.

use super::arena::{NODE_HEAD, NONE};
use super::{FREE, OnlineForest, Scores, Target, Task, best};

/// No path is longer; deeper leaves don't split.
pub(super) const DEPTH_AT_MOST: usize = 24;
/// The parent's word counts as much as so many samples.
const PARENT: f32 = 3.0;
/// Statistics of a node cover about so many samples (of its own).
const MEMORY: f32 = 2_000.0;
/// Each tree learns a sample as often as chance says, so often in the mean (online bagging).
const BAGGING: f32 = 3.0;

/// The nodes from the root to a leaf.
pub(super) struct Path {
    nodes: [u16; DEPTH_AT_MOST + 1],
    length: usize,
}

impl Path {
    pub(super) fn nodes(&self) -> &[u16] {
        &self.nodes[..self.length]
    }

    pub(super) fn leaf(&self) -> u16 {
        self.nodes[self.length - 1]
    }
}

impl OnlineForest {
    /// A root a tree; all other nodes and all blocks are free.
    pub(super) fn plant(&mut self) {
        let nodes = self.layout.node_count as u16;
        for node in 0..nodes {
            let next = if node + 1 < nodes { node + 1 } else { NONE };
            self.arena.set_pair(self.layout.node(node), next, NONE);
        }
        let blocks = self.layout.block_count as u16;
        for block in 0..blocks {
            let next = if block + 1 < blocks { block + 1 } else { NONE };
            self.arena.set_pair(self.layout.block(block), next, 0);
        }
        self.arena
            .set_pair(FREE, 0, if blocks > 0 { 0 } else { NONE });
        for tree in 0..usize::from(self.settings.trees) {
            let root = self.take_node().unwrap_or(0);
            self.arena.set_pair(self.layout.roots + tree, root, 0);
        }
    }

    fn root(&self, tree: u8) -> u16 {
        self.arena.low(self.layout.roots + usize::from(tree))
    }

    pub(super) fn roots(&self) -> impl Iterator<Item = u16> + use<> {
        let at = self.layout.roots;
        let roots: Vec<u16> = (0..usize::from(self.settings.trees))
            .map(|tree| self.arena.low(at + tree))
            .collect();
        roots.into_iter()
    }

    /// A fresh leaf, if any node is free.
    pub(super) fn take_node(&mut self) -> Option<u16> {
        let node = self.arena.low(FREE);
        if node == NONE {
            return None;
        }
        let at = self.layout.node(node);
        let next = self.arena.low(at);
        self.arena.set_pair(FREE, next, self.arena.high(FREE));
        self.arena.clear(at, self.layout.node_words);
        self.arena.set_pair(at, NONE, NONE);
        self.arena.set_pair(at + 1, 0, NONE);
        Some(node)
    }

    fn give_node(&mut self, node: u16) {
        let at = self.layout.node(node);
        self.give_block(node);
        self.arena.clear(at, self.layout.node_words);
        self.arena.set_pair(at, self.arena.low(FREE), NONE);
        self.arena.set_pair(FREE, node, self.arena.high(FREE));
    }

    pub(super) fn children(&self, node: u16) -> Option<(u16, u16)> {
        let at = self.layout.node(node);
        let left = self.arena.low(at);
        (left != NONE).then(|| (left, self.arena.high(at)))
    }

    pub(super) fn weight(&self, node: u16) -> f32 {
        self.arena.real(self.layout.node(node) + 3)
    }

    pub(super) fn path(&self, tree: u8, sample: &[f32]) -> Path {
        let mut path = Path {
            nodes: [NONE; DEPTH_AT_MOST + 1],
            length: 1,
        };
        path.nodes[0] = self.root(tree);
        while path.length <= DEPTH_AT_MOST
            && let Some((left, right)) = self.children(path.leaf())
        {
            let at = self.layout.node(path.leaf());
            let feature = usize::from(self.arena.low(at + 1));
            let goes_left = sample[feature] <= self.arena.real(at + 2);
            path.nodes[path.length] = if goes_left { left } else { right };
            path.length += 1;
        }
        path
    }

    pub(super) fn tree_scores(&self, tree: u8, sample: &[f32]) -> Scores {
        self.path_scores(&self.path(tree, sample))
    }

    /// Statistics along the path; each node's count as much as it has samples.
    fn path_scores(&self, path: &Path) -> Scores {
        let mut scores = Scores::default();
        let classes = self.classes();
        scores[..classes].fill(if classes > 1 {
            1.0 / classes as f32
        } else {
            0.0
        });
        for &node in path.nodes() {
            let at = self.layout.node(node) + NODE_HEAD;
            let weight = self.weight(node);
            let share = 1.0 / (weight + PARENT);
            if classes == 1 {
                scores[0] = (weight * self.arena.real(at) + PARENT * scores[0]) * share;
            } else {
                for (class, score) in scores[..classes].iter_mut().enumerate() {
                    let count = f32::from(self.arena.count(at, class));
                    *score = (count + PARENT * *score) * share;
                }
            }
        }
        scores
    }

    /// How many scores there are: classes, or one number.
    pub(super) fn classes(&self) -> usize {
        match self.settings.task {
            Task::Regression => 1,
            Task::Classification { classes } => usize::from(classes),
        }
    }

    /// How many subtrees were pruned.
    pub(super) fn learn_tree(
        &mut self,
        tree: u8,
        sample: &[f32],
        target: Target,
        scale: f32,
    ) -> u16 {
        let path = self.path(tree, sample);
        let scores = self.path_scores(&path);
        let error = match target {
            Target::Number(value) => ((value - scores[0]).abs() / scale).min(1.0),
            Target::Class(class) => {
                let said = best(&scores[..self.classes()]);
                f32::from(u8::from(said != usize::from(class)))
            }
        };
        // A tree's root sees what the forest's alarm sees: both watch or neither.
        let watched = path
            .nodes()
            .iter()
            .skip(usize::from(!self.settings.root_alarm));
        for &node in watched {
            if self.watch_node(node, error) && self.children(node).is_some() {
                self.prune(node);
                self.forget_node(node);
                return 1;
            }
        }
        let times = self.bagged();
        if times > 0 {
            for &node in path.nodes() {
                self.note(node, target, times);
            }
            self.grow(&path, sample, target, times);
        }
        0
    }

    /// Knuth's way to a Poisson number.
    fn bagged(&mut self) -> u16 {
        let limit = (-BAGGING).exp();
        let mut product = 1.0;
        let mut times = 0;
        loop {
            product *= self.chance() as f32 / 4_294_967_296.0;
            if product <= limit || times == 15 {
                return times;
            }
            times += 1;
        }
    }

    fn note(&mut self, node: u16, target: Target, times: u16) {
        let at = self.layout.node(node);
        let weight = self.weight(node) + f32::from(times);
        match target {
            Target::Number(value) => {
                let share = f32::from(times) / weight;
                let mean = self.arena.real(at + NODE_HEAD);
                let delta = value - mean;
                let squares = self.arena.real(at + NODE_HEAD + 1);
                let squares = (1.0 - share) * (squares + share * delta * delta);
                self.arena.set_real(at + NODE_HEAD, mean + share * delta);
                self.arena.set_real(at + NODE_HEAD + 1, squares);
                self.arena.set_real(at + 3, weight.min(MEMORY));
            }
            Target::Class(class) => {
                let class = usize::from(class);
                let count = self
                    .arena
                    .count(at + NODE_HEAD, class)
                    .saturating_add(times);
                self.arena.set_count(at + NODE_HEAD, class, count);
                self.arena.set_real(at + 3, weight);
                if weight > MEMORY {
                    self.halve(node);
                }
            }
        }
    }

    fn halve(&mut self, node: u16) {
        let at = self.layout.node(node);
        let mut sum = 0;
        for class in 0..self.classes() {
            let count = self.arena.count(at + NODE_HEAD, class).div_ceil(2);
            self.arena.set_count(at + NODE_HEAD, class, count);
            sum += u32::from(count);
        }
        self.arena.set_real(at + 3, sum as f32);
    }

    /// Makes `node` a leaf.
    pub(super) fn prune(&mut self, node: u16) {
        let mut open = vec![node];
        while let Some(next) = open.pop() {
            if let Some((left, right)) = self.children(next) {
                open.extend([left, right]);
            }
            if next != node {
                self.give_node(next);
            }
        }
        self.arena.set_pair(self.layout.node(node), NONE, NONE);
        self.arena.set_pair(self.layout.node(node) + 1, 0, NONE);
    }

    pub(super) fn forget_node(&mut self, node: u16) {
        let at = self.layout.node(node);
        self.arena.clear(at + 3, self.layout.node_words - 3);
    }

    /// All statistics, not the tests.
    pub(super) fn forget(&mut self) {
        let mut open: Vec<u16> = self.roots().collect();
        while let Some(node) = open.pop() {
            self.forget_node(node);
            self.forget_block(node);
            if let Some((left, right)) = self.children(node) {
                open.extend([left, right]);
            }
        }
        self.forget_linear();
        self.forget_root_errors();
    }
}
