//! Processes that another started, looked up in `/proc`.

use std::time::Duration;

use anyhow::Result;

use crate::eventually::eventually_within;

/// Children of `parent` whose first argument is `subcommand`.
pub fn of(parent: u32, subcommand: &str) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| parent_of(*id) == Some(parent) && argument_of(*id) == subcommand)
        .collect()
}

/// Waits until the process is gone, or only waits to be reaped.
pub async fn wait_for_end(id: u32) -> Result<()> {
    let fact = format!("process {id} is gone");
    eventually_within(&fact, Duration::from_secs(10), || async {
        match state_of(id) {
            None | Some('Z' | 'X') => Ok(()),
            Some(state) => Err(state),
        }
    })
    .await
}

/// What follows the name in `/proc/<id>/stat`: the name may hold anything.
fn stat(id: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.to_owned())
}

fn state_of(id: u32) -> Option<char> {
    stat(id)?.trim_start().chars().next()
}

fn parent_of(id: u32) -> Option<u32> {
    let stat = stat(id)?;
    let mut fields = stat.split_whitespace();
    let state = fields.next()?;
    if state == "Z" {
        return None;
    }
    fields.next()?.parse().ok()
}

fn argument_of(id: u32) -> String {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let argument = line.split(|byte| *byte == 0).nth(1).unwrap_or_default();
    String::from_utf8_lossy(argument).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually::eventually;

    #[test]
    fn a_child_is_found_by_its_argument() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let own = std::process::id();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        // `spawn` returns when the new program is loaded, a moment before its arguments can be read.
        let seen = eventually("the child is found", || async {
            match of(own, "60") {
                found if found == [child.id()] => Ok(()),
                found => Err(format!("{found:?}")),
            }
        });
        runtime.block_on(seen).unwrap();
        assert!(of(own, "worker").is_empty());
        child.kill().unwrap();
        // Not reaped yet, but dead.
        runtime.block_on(wait_for_end(child.id())).unwrap();
        assert!(of(own, "60").is_empty());
        child.wait().unwrap();
    }
}
