//! How well a network answers.

use serde::{Deserialize, Serialize};

use crate::examples::{Examples, Targets};
use crate::loss::{Loss, Wanted};
use crate::net::{Net, largest};
use crate::{Error, Result};

/// How well a network answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Samples that were answered.
    pub samples: usize,
    /// Mean cost; of the targets alone, without a teacher.
    pub loss: f32,
    /// Share of samples whose class was right; 0 where there are no classes.
    pub accuracy: f32,
}

impl Score {
    /// Whether this is better than the other: more right, or the same at a lower cost.
    pub(crate) fn beats(&self, other: &Self) -> bool {
        (self.accuracy, -self.loss) > (other.accuracy, -other.loss)
    }
}

/// Scores a network on samples whose targets are known.
pub fn score(net: &Net, data: &Examples) -> Result<Score> {
    let answers = net.logits(data.inputs())?;
    let width = net.outputs();
    let mut unused = vec![0.0; answers.len()];
    let wanted = Wanted {
        classes: data.labels(),
        rows: data.values(),
    };
    let (loss, right) = match data.targets() {
        Targets::Classes { labels, .. } => {
            let classes = largest(&answers, width);
            let right = classes.iter().zip(labels).filter(|(a, b)| a == b).count();
            (Loss::CrossEntropy { smoothing: 0.0 }, right)
        }
        Targets::Values { .. } => (Loss::MeanSquared, 0),
        Targets::Unknown => {
            return Err(Error::Data(
                "samples without targets can't be scored".into(),
            ));
        }
    };
    Ok(Score {
        samples: data.len(),
        loss: loss.cost(&answers, width, wanted, &mut unused),
        accuracy: right as f32 / data.len() as f32,
    })
}
