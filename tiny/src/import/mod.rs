//! Trees that others' programs learned: LightGBM's text models, XGBoost's JSON models, and what
//! `scripts/dump_sklearn.py` writes of scikit-learn's.
//!
//! A dump comes from outside: every index, count and number in it is checked, and what the family
//! can't express (categories, missing values of their own, linear leaves, regression) is refused.
//!
//! The model that comes out takes bytes. A threshold becomes the greatest byte that goes left,
//! by the [`Intake`]: exact for models trained on those bytes, so train on them ([`Intake::bytes`]
//! makes them). For a model trained on the numbers themselves a threshold moves by up to half a
//! step of the column's [`Scale`](crate::Scale).

mod lightgbm;
mod scikit_learn;
mod tree;
mod xgboost;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::boosted::{Boosted, FloatTree};
use crate::error::{Result, TinyError};
use crate::forest::Votes;
use crate::model::{Family, Intake, Model};

/// A dump larger than this is none of a tiny model.
pub const MAX_DUMP_BYTES: usize = 64 << 20;

/// Takes over a model, whatever program wrote it; its first bytes tell. `votes` is what the
/// leaves of a random forest say; boosted trees have no choice there.
pub fn import(dump: &[u8], intake: &Intake, votes: Votes) -> Result<Model> {
    if dump.len() > MAX_DUMP_BYTES {
        return Err(wrong(format!(
            "it has {} bytes, at most {MAX_DUMP_BYTES} are read",
            dump.len()
        )));
    }
    if dump.starts_with(b"tree\n") || dump.starts_with(b"tree\r\n") {
        return lightgbm::import(dump, intake);
    }
    if !dump.trim_ascii_start().starts_with(b"{") {
        return Err(wrong(
            "it begins neither like LightGBM's text model nor like JSON (XGBoost's \
             save_model(\"model.json\"), scripts/dump_sklearn.py)",
        ));
    }
    // Which of the two it is first, so that neither is kept in memory as a tree of values.
    let head: Head = json(dump)?;
    match head {
        Head { trees: Some(_), .. } => scikit_learn::model(json(dump)?, intake, votes),
        Head {
            learner: Some(_), ..
        } => xgboost::model(json(dump)?, intake),
        _ => Err(wrong(
            "its JSON is neither XGBoost's nor that of scripts/dump_sklearn.py",
        )),
    }
}

#[derive(Deserialize)]
struct Head {
    trees: Option<IgnoredAny>,
    learner: Option<IgnoredAny>,
}

fn json<'a, T: Deserialize<'a>>(dump: &'a [u8]) -> Result<T> {
    serde_json::from_slice(dump).map_err(|error| wrong(error.to_string()))
}

fn wrong(text: impl Into<String>) -> TinyError {
    TinyError::Dump(text.into())
}

/// The error with the tree that it is about.
fn in_tree(number: usize, error: TinyError) -> TinyError {
    match error {
        TinyError::Dump(text) => wrong(format!("tree {number}: {text}")),
        other => other,
    }
}

/// What a dump says of the rows it takes.
struct Shape {
    columns: u16,
    classes: u16,
}

impl Shape {
    fn new(columns: usize, classes: usize, intake: &Intake) -> Result<Self> {
        if columns == 0 || columns > usize::from(u16::MAX) {
            return Err(wrong(format!(
                "{columns} columns: 1 to 65,535 are possible"
            )));
        }
        if !(2..=256).contains(&classes) {
            return Err(wrong(format!(
                "{classes} classes: 2 to 256 are possible, and no regression"
            )));
        }
        if let Intake::Scaled(scales) = intake
            && scales.len() != columns
        {
            return Err(TinyError::Columns {
                wanted: columns,
                given: scales.len(),
            });
        }
        Ok(Self {
            columns: columns as u16,
            classes: classes as u16,
        })
    }

    fn model(self, intake: &Intake, family: Family) -> Model {
        Model {
            intake: intake.clone(),
            columns: self.columns,
            classes: self.classes,
            family,
        }
    }

    fn boosted(self, intake: &Intake, base: Vec<f64>, trees: Vec<FloatTree>) -> Result<Model> {
        if let Some(base) = base.iter().find(|base| !base.is_finite()) {
            return Err(wrong(format!("a base of {base}")));
        }
        let boosted = Boosted::new(base, trees)?;
        Ok(self.model(intake, Family::Boosted(boosted)))
    }
}
