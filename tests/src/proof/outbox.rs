//! Looks into the outbox of a dead agent: what is in there exists, and must arrive.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use noroshi_agent::outbox::{Outbox, Place, Quota, SledOutbox, Start};
use noroshi_protocol::{Answer, BootId, OsBoot, Stream};

/// Records read at once.
const PAGE: usize = 256;

/// Frames whose results are in the outbox at `folder`, which is copied first; none if there is
/// no outbox yet.
pub(super) async fn frames(folder: &Path) -> Result<BTreeSet<String>> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || {
        if !folder.join("db").is_file() {
            return Ok(BTreeSet::new());
        }
        let copy = tempfile::tempdir_in(folder.parent().context("a folder above")?)?;
        copy_folder(&folder, copy.path())?;
        read(copy.path()).with_context(|| format!("{}", folder.display()))
    })
    .await
    .map_err(|panic| anyhow!("the outbox can't even be opened: {panic}"))?
}

fn read(folder: &Path) -> Result<BTreeSet<String>> {
    let quota = Quota {
        result_bytes: u64::MAX / 2,
        event_bytes: u64::MAX / 2,
    };
    let reader = Start {
        number: u64::MAX,
        boot: BootId::from_bytes([0; 16]),
        os_boot: OsBoot::from_bytes([0; 16]),
    };
    let outbox = SledOutbox::open(folder, quota, reader)?;
    let mut frames = BTreeSet::new();
    let mut after: Option<Place> = None;
    loop {
        let page = outbox.read(Stream::Result, after, PAGE, usize::MAX)?;
        let Some(last) = page.last() else {
            return Ok(frames);
        };
        after = Some(last.place);
        for held in &page {
            let answer: Answer = serde_cbor::from_slice(&held.body)?;
            frames.insert(answer.frame.to_string());
        }
    }
}

/// Copies a folder with all that is in it.
pub(super) fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
