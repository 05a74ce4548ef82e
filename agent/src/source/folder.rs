//! Pictures of a folder, by name.

use std::path::PathBuf;

use super::decode::Decoder;
use super::{Folder, Next, Pictures};
use crate::AgentError;

const MAX_FILES: usize = 100_000;

pub(super) struct FolderPictures {
    folder: Folder,
    decoder: Decoder,
    waiting: std::vec::IntoIter<PathBuf>,
    rounds: u64,
}

impl FolderPictures {
    pub(super) fn new(folder: Folder, decoder: Decoder) -> Self {
        Self {
            folder,
            decoder,
            waiting: Vec::new().into_iter(),
            rounds: 0,
        }
    }

    fn list(&self) -> Result<Vec<PathBuf>, AgentError> {
        let what = format!("list {}", self.folder.path.display());
        let entries = std::fs::read_dir(&self.folder.path).map_err(AgentError::io(what))?;
        let mut paths: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| is_picture(path))
            .take(MAX_FILES)
            .collect();
        paths.sort();
        if paths.is_empty() {
            return Err(AgentError::Source(format!(
                "{} has no .jpg, .jpeg or .png file",
                self.folder.path.display()
            )));
        }
        Ok(paths)
    }
}

fn is_picture(path: &std::path::Path) -> bool {
    path.extension()
        .and_then(|e| e.to_str())
        .is_some_and(|e| ["jpg", "jpeg", "png"].contains(&e.to_ascii_lowercase().as_str()))
}

impl Pictures for FolderPictures {
    fn next(&mut self) -> Result<Next, AgentError> {
        let path = match self.waiting.next() {
            Some(path) => path,
            None if self.rounds > 0 && !self.folder.repeat => return Ok(Next::End),
            None => {
                self.waiting = self.list()?.into_iter();
                self.rounds += 1;
                match self.waiting.next() {
                    Some(path) => path,
                    None => return Ok(Next::End),
                }
            }
        };
        Ok(match self.decoder.file(&path) {
            Ok(picture) => Next::Picture(picture),
            Err(why) => Next::Unreadable {
                name: path.display().to_string(),
                why,
            },
        })
    }
}
