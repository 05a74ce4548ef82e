//! A network that somebody else has taught, for other classes: a new head on its backbone.

use noroshi_engine::{ModelSource, Options, open};
use noroshi_model::EngineKind;

use crate::data::Dataset;
use crate::examples::{Examples, Targets};
use crate::fit::{Fitted, Progress, Trainer};
use crate::layer::Layer;
use crate::net::{Net, Value};
use crate::random::Random;
use crate::recipe::Recipe;
use crate::shape::Shape;
use crate::teacher::{EngineTeacher, Teacher};
use crate::{Error, Result};

/// Samples that the backbone answers together.
const BLOCK: usize = 32;

/// How a network gets a new head.
#[derive(Debug, Clone, Default)]
pub struct Finetuning {
    /// Whether the backbone learns too, at this share of the learning rate; frozen if none.
    pub backbone_rate: Option<f32>,
    /// Where the state is kept after every epoch, and gone on from.
    pub checkpoint: Option<std::path::PathBuf>,
    /// The engine that runs a frozen backbone, once for each sample.
    pub engine: Options,
}

/// Teaches the classes of `data` to a network that was taught others: its last linear layer is
/// replaced. Early stopping and the best epoch go by `validation`.
///
/// A frozen backbone answers each sample once, in ONNX Runtime; only the head is taught then, on
/// features, so samples can't vary.
pub fn finetune(
    net: &Net,
    data: &Dataset,
    validation: &Dataset,
    recipe: &Recipe,
    how: &Finetuning,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Net, Fitted)> {
    let Targets::Classes { count, .. } = Targets::read(data) else {
        let text = "a head is taught classes: give a folder with a folder for each";
        return Err(Error::Data(text.into()));
    };
    let (mut whole, place) = net.with_head(count, recipe.seed)?;
    let trainer = |validation| {
        let trainer = Trainer::new(recipe).validation(validation);
        match &how.checkpoint {
            Some(path) => trainer.checkpoint(path.clone()),
            None => trainer,
        }
    };
    if let Some(rate) = how.backbone_rate {
        if !(rate > 0.0 && rate <= 1.0) {
            return Err(Error::Recipe(format!(
                "the backbone's rate {rate} must be in 0..=1"
            )));
        }
        for node in &mut whole.layers_mut()[..place] {
            node.parameters
                .iter_mut()
                .for_each(|parameter| parameter.rate *= rate);
        }
        let (data, validation) = (Examples::read(data)?, Examples::read(validation)?);
        let fitted = trainer(&validation).fit(&mut whole, &data, progress)?;
        return Ok((whole, fitted));
    }
    let Some((backbone, mut head)) = whole.split(place)? else {
        let text = "there is nothing before its last linear layer to build on";
        return Err(Error::layer(&whole.layers()[place].name, text));
    };
    if recipe.augmentation != crate::Augmentation::default() {
        let text = "samples can't vary in front of a frozen backbone: unfreeze it";
        return Err(Error::Recipe(text.into()));
    }
    let bytes = noroshi_onnx::encode(&backbone.export_onnx()?)?;
    let engine = open(
        EngineKind::OnnxRuntime,
        ModelSource::Bytes(&bytes),
        &how.engine,
    )?;
    let mut backbone = EngineTeacher::new(engine, head.input().len());
    let data = features(&mut backbone, head.input(), data)?;
    let validation = features(&mut backbone, head.input(), validation)?;
    let fitted = trainer(&validation).fit(&mut head, &data, progress)?;
    whole.adopt(&head);
    Ok((whole, fitted))
}

/// What a network in front gives for each sample, as samples of a network behind it.
fn features(front: &mut dyn Teacher, shape: Shape, data: &Dataset) -> Result<Examples> {
    let mut rows = Vec::with_capacity(data.len() * shape.len());
    let mut block = Vec::new();
    for start in (0..data.len()).step_by(BLOCK) {
        block.clear();
        let end = data.len().min(start + BLOCK);
        (start..end).try_for_each(|place| data.append(place, &mut block))?;
        rows.extend(front.answer(&block, end - start)?);
    }
    Examples::new(shape, rows, Targets::read(data))
}

impl Net {
    /// The same network for another number of classes: its last linear layer or convolution
    /// starts anew with so many outputs. Also tells that layer's place.
    pub fn with_head(&self, classes: usize, seed: u64) -> Result<(Self, usize)> {
        let last = self
            .layers()
            .iter()
            .rposition(|node| node.weights().is_some());
        let place = last.ok_or_else(|| Error::layer("the graph", "it has no linear layer"))?;
        let mut net = self.emptied();
        let mut random = Random::of(seed, &[0x6865_6164]);
        for (at, node) in self.layers().iter().enumerate() {
            if at < place {
                net.append(node.clone());
                continue;
            }
            let mut layer = node.layer.clone();
            if at == place {
                match &mut layer {
                    Layer::Dense(dense) => dense.outputs = classes,
                    Layer::Conv(conv) => conv.outputs = classes,
                    _ => {}
                }
            }
            net.push(node.name.clone(), layer, node.inputs.clone(), &mut random)?;
        }
        if net.outputs() != classes {
            let (name, outputs) = (&self.layers()[place].name, net.outputs());
            let text = format!("with {classes} outputs it would not be the head: {outputs} leave");
            return Err(Error::layer(name, text));
        }
        Ok((net, place))
    }

    /// The part in front of the layer at `place`, and the part from there on; none if that layer
    /// reads what enters. An error if later layers read what lies before.
    fn split(&self, place: usize) -> Result<Option<(Self, Self)>> {
        let node = &self.layers()[place];
        let seam = node.inputs[0];
        let Some(end) = seam.place() else {
            return Ok(None);
        };
        let mut head = Self::new(self.shape_of(seam));
        for node in &self.layers()[place..] {
            let mut node = node.clone();
            for value in &mut node.inputs {
                *value = match value.0.checked_sub(place) {
                    _ if *value == seam => Value::INPUT,
                    Some(after) if after > 0 => Value(after),
                    _ => {
                        let text = "it reads past the head: unfreeze the backbone";
                        return Err(Error::layer(&node.name, text));
                    }
                };
            }
            head.append(node);
        }
        Ok(Some((self.prefix(end), head)))
    }
}
