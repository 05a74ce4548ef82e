//! Making the file of a chain, and measuring it.

use std::path::{Path, PathBuf};

use noroshi_engine::{ModelSource, Tensor, open};
use noroshi_model::{Digest, EngineKind};
use noroshi_onnx::ModelProto;
use noroshi_train::{
    BLOCK_OF_CHANNELS, ChannelCriterion, ChannelPruning, EngineTeacher, Examples, Loss, Net,
    Recipe, Trainer, prune_channels, prune_channels_in_steps,
};

use super::chain::{Body, Chain};
use super::decide::Figures;
use super::keep::Folder;
use super::plan::{Distil, Plan, Quantize};
use super::run::{Event, Samples};
use crate::compile::compile_packed;
use crate::evaluate::{self, Model};
use crate::quantize::{self, Bits, Rounding};
use crate::report::assess;
use crate::{Error, Result};

/// Whatever makes and measures files: what was read once.
pub(super) struct Bench<'a> {
    pub(super) plan: &'a Plan,
    pub(super) samples: &'a Samples,
    pub(super) options: &'a evaluate::Options,
    pub(super) folder: Folder,
    /// The original as a network that can be taught, with its samples; none until asked for.
    taught: Option<Taught>,
}

struct Taught {
    net: Net,
    learned: Examples,
    held: Examples,
    /// The original's file: the teacher.
    bytes: Vec<u8>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        samples: &'a Samples,
        options: &'a evaluate::Options,
        folder: Folder,
    ) -> Self {
        Self {
            plan,
            samples,
            options,
            folder,
            taught: None,
        }
    }

    /// The file of a chain: as it was kept, or made now.
    pub(super) fn make(
        &mut self,
        chain: &Chain,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<PathBuf> {
        let (name, path) = (chain.to_string(), self.folder.model(chain));
        if path.exists() {
            return Ok(path);
        }
        let bytes = if let Some(level) = chain.level {
            let whole = self.source(
                &Chain {
                    level: None,
                    ..*chain
                },
                tell,
            )?;
            let packed = self.plan.compile.as_ref().map(|compile| compile.packed);
            compile_packed(&whole, level, packed, &self.options.engine)?.bytes
        } else {
            let made = match chain.bits {
                None => self.body(chain.body, &name, tell)?,
                Some(bits) => {
                    let float = self.source(
                        &Chain {
                            bits: None,
                            ..*chain
                        },
                        tell,
                    )?;
                    self.quantized(&float, bits)?
                }
            };
            noroshi_onnx::encode(&made)?
        };
        self.folder.write(&path, &bytes)?;
        for step in 1..=self.steps(chain.body) {
            Folder::forget(&self.folder.checkpoint(&name, step))?;
        }
        Ok(path)
    }

    /// The file that a further step begins with.
    fn source(&mut self, chain: &Chain, tell: &mut dyn FnMut(Event<'_>)) -> Result<PathBuf> {
        if *chain == Chain::ORIGINAL {
            return Ok(self.samples.model.clone());
        }
        self.make(chain, tell)
    }

    fn steps(&self, body: Body) -> usize {
        match (body, &self.plan.prune) {
            (Body::Pruned { .. }, Some(prune)) => prune.steps,
            _ => 1,
        }
    }

    fn body(
        &mut self,
        body: Body,
        name: &str,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<ModelProto> {
        if self.taught.is_none() {
            self.taught = Some(self.read()?);
        }
        let taught = self
            .taught
            .as_ref()
            .ok_or_else(|| Error::Plan("no network".into()))?;
        let mut net = taught.net.clone();
        let distil = self.plan.distil.as_ref();
        let mut teach = |step: usize, net: &mut Net, distil: Option<&Distil>| {
            self.teach(taught, net, name, step, distil, tell)
        };
        match body {
            Body::Original => {}
            Body::Pruned { keep, distilled } => {
                let prune = self.plan.prune.as_ref();
                let prune = prune.ok_or_else(|| Error::Plan("nothing is pruned".into()))?;
                let pruning = ChannelPruning {
                    keep,
                    by: prune.by,
                    spare: prune.spare.clone(),
                    multiple: prune.multiple,
                };
                let distil = distil.filter(|_| distilled);
                prune_channels_in_steps(&mut net, &pruning, self.steps(body), &mut |step, net| {
                    teach(step, net, distil)
                })?;
            }
            Body::Student { width } => {
                let seed = self.plan.teach.seed;
                let narrow = ChannelPruning {
                    keep: width,
                    by: ChannelCriterion::Random { seed },
                    spare: Vec::new(),
                    multiple: self
                        .plan
                        .prune
                        .as_ref()
                        .map_or(BLOCK_OF_CHANNELS, |p| p.multiple),
                };
                net = prune_channels(&net, &narrow)?.0.renewed(seed)?;
                teach(1, &mut net, distil)?;
            }
        }
        Ok(net.export_onnx()?)
    }

    fn read(&self) -> Result<Taught> {
        let model = noroshi_onnx::read(&self.samples.model)?;
        let net = Net::import_onnx(&model)?;
        let bytes = noroshi_onnx::encode(&model)?;
        // Rows of 784 numbers are pictures of 28 by 28 if that is what the network takes.
        Ok(Taught {
            learned: Examples::read(&self.samples.learned)?.reshaped(net.input())?,
            held: Examples::read(&self.samples.held)?.reshaped(net.input())?,
            net,
            bytes,
        })
    }

    fn teach(
        &self,
        taught: &Taught,
        net: &mut Net,
        name: &str,
        step: usize,
        distil: Option<&Distil>,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> noroshi_train::Result<()> {
        let mut recipe = Recipe {
            seed: self.plan.teach.seed.wrapping_add(step as u64),
            validation: 0.0,
            ..self.plan.teach.clone()
        };
        if let Some(distil) = distil {
            recipe.loss = Loss::Distill {
                temperature: distil.temperature,
                alpha: distil.alpha,
            };
        }
        let mut teacher = None;
        if distil.is_some() {
            let source = ModelSource::Bytes(&taught.bytes);
            let engine = open(EngineKind::OnnxRuntime, source, &self.options.engine)?;
            teacher = Some(EngineTeacher::new(engine, taught.net.outputs()));
        }
        let checkpoint = self.folder.checkpoint(name, step);
        let mut trainer = Trainer::new(&recipe).checkpoint(checkpoint);
        if recipe.keep_best || recipe.patience > 0 {
            trainer = trainer.validation(&taught.held);
        }
        if let Some(teacher) = &mut teacher {
            trainer = trainer.teacher(teacher);
        }
        trainer.fit(net, &taught.learned, &mut |progress| {
            tell(Event::Taught {
                name,
                step,
                progress,
            });
        })?;
        Ok(())
    }

    fn quantized(&self, float: &Path, bits: u8) -> Result<ModelProto> {
        let most = self
            .plan
            .quantize
            .as_ref()
            .map_or(1, |quantize: &Quantize| quantize.samples);
        let learned = &self.samples.learned;
        let count = learned.len().min(most);
        let mut model = Model::open(float, learned, &self.options.engine)?;
        let inputs: Vec<Tensor> = (0..count)
            .map(|place| model.input(learned, place * learned.len() / count))
            .collect::<Result<_>>()?;
        let bits = Bits::new(bits)?;
        let options = quantize::Options {
            weight_bits: bits,
            // Few bits need weights whose errors cancel.
            rounding: if bits == Bits::EIGHT {
                Rounding::Nearest
            } else {
                Rounding::Hessian
            },
            engine: self.options.engine.clone(),
            ..quantize::Options::default()
        };
        let float = noroshi_onnx::read(float)?;
        Ok(quantize::quantize(&float, &inputs, &options, &mut |_| ())?.model)
    }

    /// Quality of a file on the samples that are held out.
    pub(super) fn quality(&self, path: &Path) -> Result<f64> {
        let (held, groups) = (&self.samples.held, &self.samples.groups);
        let seen = evaluate::evaluate(path, held, groups, self.options, &mut |_| ())?;
        let headline = assess::headline(&seen.quality);
        headline.map(|(_, value, _)| value).ok_or_else(|| {
            Error::Plan("a recipe needs samples with targets: quality is chosen by them".into())
        })
    }

    /// What a file takes and loses, as it was kept, or measured now.
    pub(super) fn measure(&self, name: &str, path: &Path, original: f64) -> Result<Figures> {
        let kept = self.folder.figures(name);
        if let Some(figures) = Folder::read(&kept)? {
            return Ok(figures);
        }
        let bytes = std::fs::read(path).map_err(Error::file(path))?;
        let quality = self.quality(path)?;
        let options = assess::Options {
            evaluate: self.options.clone(),
            rounds: self.plan.search.rounds,
            ..assess::Options::default()
        };
        let pair = [self.samples.model.as_path(), path];
        let (milliseconds, ratio) = assess::time(pair, &self.samples.held, &options)?;
        let figures = Figures {
            quality,
            loss: 100.0 * (original - quality),
            bytes: bytes.len() as u64,
            milliseconds,
            time: ratio,
            digest: Digest::of(&bytes).to_string(),
        };
        self.folder.write_json(&kept, &figures)?;
        Ok(figures)
    }
}
