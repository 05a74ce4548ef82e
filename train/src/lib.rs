//! Teaches networks on the CPU: data, layers, optimizers, checkpoints.
//!
//! ```
//! use noroshi_train::{Examples, Net, Recipe, Shape, fit, score};
//!
//! let mut net = Net::builder(Shape::flat(2), 1).dense(8).relu().dense(2).build()?;
//! let inputs = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
//! let data = Examples::classes(Shape::flat(2), inputs, vec![0, 1, 1, 0], 2)?;
//! let recipe = Recipe { epochs: 300, rate: 0.05, ..Recipe::default() };
//! fit(&mut net, &data, &recipe, &mut |_| ())?;
//! assert_eq!(score(&net, &data)?.accuracy, 1.0);
//! # Ok::<(), noroshi_train::Error>(())
//! ```
//!
//! A [`Net`] is a list of [`Layer`]s, each reading earlier ones; what it has learned stands in its
//! [`Node`]s. [`fit`] or a [`Trainer`] teaches it by a [`Recipe`]. How weights are seen
//! ([`Weights`]) makes the same network a binary one, or one of few bits. The same recipe, network,
//! data and number of threads give the same bits ([`Net::digest`]).

mod attention;
mod augment;
mod binarize;
pub mod data;
mod distill;
mod error;
mod examples;
mod export;
mod finetune;
mod fit;
mod import;
mod kernel;
mod layer;
mod loss;
mod net;
mod optimizer;
mod pack;
mod pass;
mod prune;
mod random;
mod recipe;
mod score;
mod shape;
mod soft_tree;
mod teacher;
mod weights;

pub use attention::Attention;
pub use augment::Augmentation;
pub use binarize::{Binarization, Binarized, Body, OneBit, Twin, binarize};
pub use distill::{hint, shift_class};
pub use error::{Error, Result};
pub use examples::{Examples, Targets};
pub use export::{INPUT, OUTPUT};
pub use finetune::{Finetuning, finetune};
pub use fit::{Fitted, Progress, Trainer, fit, measure_statistics};
pub use layer::{Activation, Conv, Dense, Layer, Normalize, Pool, Pooling};
pub use loss::Loss;
pub use net::{Bits, Family, Net, NetBuilder, Node, Parameter, Role, Statistics, Value};
pub use optimizer::{Optimizer, Schedule};
pub use pack::PackedInput;
pub use prune::{
    BLOCK_OF_CHANNELS, ChannelCriterion, ChannelPruning, Criterion, Kept, LayerChannels, Pattern,
    Pruning, kept, prune, prune_and_retrain, prune_channels, prune_channels_and_retrain,
    prune_channels_in_steps, prune_pattern, prune_pattern_and_retrain, read_sparse, write_sparse,
};
pub use random::Random;
pub use recipe::{Recipe, SignChoice};
pub use score::{Score, score};
pub use shape::Shape;
pub use soft_tree::{SoftTree, SoftTreeRecipe, Step, Way};
pub use teacher::{EngineTeacher, Teacher};
pub use weights::Weights;
