//! Simulated power cuts: `powercut.c`, preloaded into the daemons, keeps beside each file of a
//! store what would be on the disk; a cut puts that in the file's place.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

const SOURCE: &str = include_str!("powercut.c");

/// The preloaded library and the copies that it keeps.
#[derive(Debug)]
pub(super) struct PowerCuts {
    library: PathBuf,
    synced: PathBuf,
    stores: Vec<PathBuf>,
}

impl PowerCuts {
    /// Builds the library in `folder`. `stores` are files, with what lies beside them under
    /// longer names, or folders, with a slash at the end; none need be there yet.
    pub(super) fn build(folder: &Path, stores: Vec<PathBuf>) -> Result<Self> {
        let source = folder.join("powercut.c");
        let library = folder.join("powercut.so");
        std::fs::write(&source, SOURCE)?;
        let mut compiler = Command::new("cc");
        compiler.args(["-Wall", "-O2", "-shared", "-fPIC", "-pthread", "-ldl", "-o"]);
        let output = compiler
            .arg(&library)
            .arg(&source)
            .output()
            .context("a C compiler is needed: run `make setup`")?;
        if !output.status.success() {
            bail!("cc powercut.c: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(Self {
            library,
            synced: folder.join("synced"),
            stores,
        })
    }

    /// What a program needs in its environment so that its stores are watched.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let stores: Vec<String> = self
            .stores
            .iter()
            .map(|store| store.display().to_string())
            .collect();
        [
            ("LD_PRELOAD", self.library.display().to_string()),
            ("POWERCUT_STORES", stores.join(":")),
            ("POWERCUT_SYNCED", self.synced.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Cuts the power of `store`, whose program was just killed: what was not synced is gone.
    /// Returns how many bytes differ in size or were put back.
    pub(super) fn cut(&self, store: &Path) -> Result<u64> {
        let prefix = store.to_str().context("a store's path is text")?;
        let relative = prefix.trim_start_matches('/');
        let copies = self.synced.join(relative);
        let (folder, stem) = if prefix.ends_with('/') {
            (copies, String::new())
        } else {
            let stem = copies.file_name().context("a store has a name")?;
            let stem = stem.to_string_lossy().into_owned();
            (copies.parent().context("and a folder")?.to_owned(), stem)
        };
        if !folder.is_dir() {
            bail!(
                "{} was never written: is the library loaded?",
                store.display()
            );
        }
        let mut bytes = 0;
        for copy in files(&folder)? {
            let name = copy.strip_prefix(&folder)?.to_string_lossy();
            if !name.starts_with(&stem) {
                continue;
            }
            let path = Path::new("/").join(copy.strip_prefix(&self.synced)?);
            bytes += std::fs::copy(&copy, &path)
                .with_context(|| format!("put {} back", path.display()))?;
        }
        if !stem.is_empty() {
            // SQLite's index of its log, which never is on a disk.
            let index = format!("{prefix}-shm");
            if Path::new(&index).exists() {
                std::fs::remove_file(index)?;
            }
        }
        Ok(bytes)
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(cuts: &PowerCuts, from: &Path, to: &Path, options: &str) {
        let status = Command::new("dd")
            .args([
                format!("if={}", from.display()),
                format!("of={}", to.display()),
            ])
            .args(["status=none", options])
            .envs(cuts.environment())
            .status()
            .unwrap();
        assert!(status.success());
    }

    #[test]
    fn a_cut_keeps_what_was_synced_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store/");
        std::fs::create_dir_all(&store).unwrap();
        let cuts = PowerCuts::build(folder.path(), vec![store.clone()]).unwrap();
        assert!(cuts.cut(&store).is_err());
        let (first, second) = (folder.path().join("1"), folder.path().join("2"));
        std::fs::write(&first, "synced").unwrap();
        std::fs::write(&second, "not synced").unwrap();
        let (kept, lost) = (store.join("kept"), store.join("lost"));
        write(&cuts, &first, &kept, "conv=fsync");
        write(&cuts, &second, &kept, "conv=notrunc");
        write(&cuts, &second, &lost, "conv=notrunc");
        assert_eq!(std::fs::read(&kept).unwrap(), b"not synced");
        assert_eq!(cuts.cut(&store).unwrap(), 6);
        assert_eq!(std::fs::read(&kept).unwrap(), b"synced");
        assert_eq!(std::fs::read(&lost).unwrap(), b"");
    }
}
