//! Whoever answers the same samples better.

use noroshi_engine::{Engine, EngineError, Tensor};

use crate::net::Net;
use crate::{Error, Result};

/// Answers samples, so that another network learns from it.
pub trait Teacher: Send {
    /// Numbers of an answer.
    fn width(&self) -> usize;

    /// Answers of `count` samples, one row each.
    fn answer(&mut self, samples: &[f32], count: usize) -> Result<Vec<f32>>;
}

impl Teacher for Net {
    fn width(&self) -> usize {
        self.outputs()
    }

    fn answer(&mut self, samples: &[f32], _count: usize) -> Result<Vec<f32>> {
        self.logits(samples)
    }
}

/// A model that an engine runs: any ONNX file, through ONNX Runtime.
pub struct EngineTeacher {
    engine: Box<dyn Engine>,
    width: usize,
}

impl EngineTeacher {
    /// A teacher whose first output has `width` numbers a sample.
    pub fn new(engine: Box<dyn Engine>, width: usize) -> Self {
        Self { engine, width }
    }
}

impl Teacher for EngineTeacher {
    fn width(&self) -> usize {
        self.width
    }

    fn answer(&mut self, samples: &[f32], count: usize) -> Result<Vec<f32>> {
        let input = self.engine.inputs().first().cloned();
        let input = input.ok_or_else(|| EngineError::Input("the teacher has no input".into()))?;
        // A file with a free batch answers all at once, another one by one.
        let free = input.shape.first().is_some_and(Option::is_none);
        let block = if free { count } else { 1 };
        let mut shape: Vec<usize> = input.shape.iter().map(|dim| dim.unwrap_or(1)).collect();
        if let Some(first) = shape.first_mut().filter(|_| free) {
            *first = block;
        }
        let size = samples.len() / count.max(1);
        let mut answers = Vec::with_capacity(count * self.width);
        for samples in samples.chunks_exact(size * block.max(1)) {
            let tensor = Tensor::f32(shape.clone(), samples.to_vec())?;
            let outputs = self.engine.run(&[tensor])?;
            let answer = outputs.first().map(Tensor::to_f32).unwrap_or_default();
            if answer.len() != self.width * block {
                let (found, wanted) = (answer.len() / block.max(1), self.width);
                return Err(Error::Data(format!(
                    "the teacher answers {found} numbers, not {wanted}"
                )));
            }
            answers.extend_from_slice(&answer);
        }
        Ok(answers)
    }
}
