//! The first lessons: a forest that is released knows what a table of rows taught it.

use super::{Answer, Label, OnlineForest, Settings};
use crate::error::{Result, TinyError, data};
use crate::model::Intake;
use crate::random::Random;
use crate::table::Table;

/// A forest that was taught, and how it did meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub struct Taught {
    /// The forest.
    pub forest: OnlineForest,
    /// Of the last half of the rows, the share that it answered right just before it learned them.
    pub right: f64,
}

/// Lets a new forest learn every row once, in an order drawn from `seed`: a file that is sorted by
/// class would look like a world that changes.
pub fn teach(table: &Table, intake: &Intake, seed: u64) -> Result<Taught> {
    if matches!(intake, Intake::Windows(_)) {
        return Err(data("an online forest takes rows, not windows of samples"));
    }
    let too_many = |what: &str| data(format!("an online forest takes at most {what}"));
    let columns = u16::try_from(table.columns()).map_err(|_| too_many("128 columns"))?;
    let classes = u8::try_from(table.classes()).map_err(|_| too_many("16 classes"))?;
    let settings = Settings::classification(columns, classes, seed);
    let mut forest = OnlineForest::new(settings).map_err(|error| data(error.to_string()))?;
    let mut order: Vec<usize> = (0..table.len()).collect();
    Random::new(seed, 0x6f6e).shuffle(&mut order);
    let (mut right, mut asked) = (0_u32, 0_u32);
    for (place, &index) in order.iter().enumerate() {
        let row = numbers(table.row(index), intake);
        let class = table.labels()[index] as u8;
        if place >= order.len() / 2 {
            let answer = forest.answer(&row).map_err(refused)?;
            asked += 1;
            right +=
                u32::from(matches!(answer, Answer::Class { class: said, .. } if said == class));
        }
        forest.learn(&row, Label::Class(class)).map_err(refused)?;
    }
    Ok(Taught {
        forest,
        right: f64::from(right) / f64::from(asked.max(1)),
    })
}

fn refused(error: super::SampleError) -> TinyError {
    data(error.to_string())
}

/// The numbers behind a row's bytes, within half a step.
fn numbers(row: &[u8], intake: &Intake) -> Vec<f32> {
    match intake {
        // Windows are refused before.
        Intake::Bytes | Intake::Windows(_) => row.iter().map(|&byte| f32::from(byte)).collect(),
        Intake::Scaled(scales) => (scales.iter().zip(row))
            .map(|(scale, &byte)| scale.low() + scale.step() * f32::from(byte))
            .collect(),
    }
}
