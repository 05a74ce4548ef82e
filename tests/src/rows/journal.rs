//! What a long run has finished, a line each, so that it can be stopped at any time.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A file of finished parts; of two with the same key the later counts.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    key: String,
    value: Value,
}

impl Journal {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let folder = path.parent().context("a journal lies in a folder")?;
        std::fs::create_dir_all(folder)?;
        Ok(Self {
            path: path.to_owned(),
        })
    }

    pub(super) fn find(&self, key: &str) -> Result<Option<Value>> {
        if !self.path.exists() {
            return Ok(None);
        }
        let mut found = None;
        for line in BufReader::new(File::open(&self.path)?).lines() {
            // The last line may have been cut off when the run was stopped.
            if let Ok(entry) = serde_json::from_str::<Entry>(&line?)
                && entry.key == key
            {
                found = Some(entry.value);
            }
        }
        Ok(found)
    }

    pub(super) fn keep(&self, key: &str, value: Value) -> Result<()> {
        let key = key.to_owned();
        let line = serde_json::to_string(&Entry { key, value })?;
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)?;
        // The line break comes first too: it ends a line that was cut off.
        file.write_all(format!("\n{line}\n").as_bytes())?;
        Ok(file.sync_data()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join("a/b.jsonl")).unwrap();
        assert_eq!(journal.find("one").unwrap(), None);
        journal.keep("one", 1.into()).unwrap();
        std::fs::write(
            &journal.path,
            std::fs::read_to_string(&journal.path).unwrap() + r#"{"key":"two","va"#,
        )
        .unwrap();
        journal.keep("one", 3.into()).unwrap();
        assert_eq!(journal.find("one").unwrap(), Some(3.into()));
        assert_eq!(journal.find("two").unwrap(), None);
    }
}
