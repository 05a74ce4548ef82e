//! Boosted trees of LightGBM within so many bytes, imported with leaves of a byte.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use noroshi_tiny::forest::Votes;
use noroshi_tiny::import::import;
use noroshi_tiny::{Intake, Model, Table};

use super::learned::accuracy;
use crate::peers::{self, Packages};

/// LightGBM on one data set, for files of at most so many bytes.
pub(super) struct Boosted {
    /// Where dumps lie.
    pub(super) folder: PathBuf,
    pub(super) data: &'static str,
    pub(super) bytes: usize,
}

impl Boosted {
    /// The settings within the bytes and their accuracy on the rows set aside, the best first.
    pub(super) fn chosen(&self, train: &Table, aside: &[usize]) -> Result<Vec<(String, f64)>> {
        let names: Vec<String> = serde_json::from_value(self.run(aside, None)?)?;
        let choosing = train.select(aside)?;
        let mut chosen = Vec::new();
        for name in names {
            if let Some(kept) = self.imported(&format!("{name}.kept"))? {
                chosen.push((name, accuracy(&kept, &choosing)?));
            }
        }
        // A stable order: of equals the one that was tried first.
        chosen.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(chosen)
    }

    /// Trees of these settings, taught all rows; none if they take more bytes.
    pub(super) fn taught_all(&self, name: &str, aside: &[usize]) -> Result<Option<Model>> {
        self.run(aside, Some(name))?;
        self.imported(&format!("{name}.all"))
    }

    fn run(&self, aside: &[usize], name: Option<&str>) -> Result<serde_json::Value> {
        fs::create_dir_all(&self.folder)?;
        let rows = self.folder.join("aside.json");
        fs::write(&rows, serde_json::to_vec(aside)?)?;
        let mut arguments = vec![
            self.folder.as_os_str().to_owned(),
            self.data.into(),
            self.bytes.to_string().into(),
            rows.into(),
        ];
        arguments.extend(name.map(Into::into));
        peers::run(Packages::Peers, "boosted_bytes", &arguments)
    }

    fn imported(&self, name: &str) -> Result<Option<Model>> {
        let dump = fs::read(self.folder.join(name))?;
        let model = import(&dump, &Intake::Bytes, Votes::Hard)?;
        Ok((model.to_bytes().len() <= self.bytes).then_some(model))
    }
}
