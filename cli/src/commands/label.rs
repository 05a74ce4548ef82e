//! `noroshi label`: what is true of results; the devices that gave them learn from it.

use std::path::Path;

use noroshi_protocol::{LABELS_AT_MOST, Lessons};
use serde_json::{Value, json};

use super::{ask, results};
use crate::api::Api;
use crate::args::{Label, ResultName};
use crate::error::{Failure, Tried};
use crate::output::{self, field};

/// Seconds that a device may take for one command.
const PATIENCE_S: u32 = 60;
/// Most bytes of a file with labels.
const FILE_LIMIT: u64 = 16 << 20;

/// Labels for one pipeline of one device, in the order in which they were given.
struct Lot {
    device: String,
    pipeline: String,
    labels: Vec<Value>,
}

pub(super) async fn run(api: &Api, wanted: &Label, as_json: bool) -> Result<(), Failure> {
    let named = match (&wanted.from, &wanted.result, &wanted.label) {
        (Some(file), ..) => read(file)?,
        (None, Some(result), Some(label)) => vec![(result.clone(), label.clone())],
        _ => {
            return Err(Failure::Usage(
                "give RESULT and LABEL, or --from FILE".into(),
            ));
        }
    };
    let bar = output::progress(2 * named.len(), "{pos} of {len}  {msg}", as_json)?;
    bar.set_message("looking results up");
    let mut lots: Vec<Lot> = Vec::new();
    for (name, label) in &named {
        let result = results::find(api, name).await?;
        gather(&mut lots, &result, label);
        bar.inc(1);
    }
    bar.set_message("learning");
    let mut lessons = Vec::new();
    for lot in &lots {
        for labels in lot.labels.chunks(LABELS_AT_MOST) {
            lessons.push(teach(api, lot, labels).await?);
            bar.inc(labels.len() as u64);
        }
    }
    bar.finish_and_clear();
    tell(&lessons, as_json)
}

/// Lines of `result,label`.
fn read(file: &Path) -> Result<Vec<(ResultName, String)>, Failure> {
    let length = std::fs::metadata(file).tried(file.display())?.len();
    if length > FILE_LIMIT {
        return Err(Failure::Usage(format!(
            "{} has {length} bytes, at most {FILE_LIMIT} are read: send it in parts",
            file.display()
        )));
    }
    let text = std::fs::read_to_string(file).tried(file.display())?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let named: Vec<_> = lines
        .map(|(number, line)| {
            let parsed = line.split_once(',').and_then(|(name, label)| {
                Some((name.trim().parse().ok()?, label.trim().to_owned()))
            });
            parsed.ok_or_else(|| {
                Failure::Usage(format!(
                    "{} line {}: write RESULT,LABEL such as d-1/door/17,left",
                    file.display(),
                    number + 1
                ))
            })
        })
        .collect::<Result<_, _>>()?;
    if named.is_empty() {
        return Err(Failure::Usage(format!("{} has no labels", file.display())));
    }
    Ok(named)
}

fn gather(lots: &mut Vec<Lot>, result: &Value, label: &str) {
    let (device, pipeline) = (field(result, "device"), field(result, "pipeline"));
    let entry = json!({ "result": result["id"], "label": label });
    let same = |lot: &&mut Lot| lot.device == device && lot.pipeline == pipeline;
    match lots.iter_mut().find(same) {
        Some(lot) => lot.labels.push(entry),
        None => lots.push(Lot {
            device,
            pipeline,
            labels: vec![entry],
        }),
    }
}

async fn teach(api: &Api, lot: &Lot, labels: &[Value]) -> Result<Value, Failure> {
    let body = json!({ "kind": "label", "labels": labels, "ttl_s": PATIENCE_S });
    let text = ask::ask(api, &lot.device, &body).await?;
    let lessons: Lessons = serde_json::from_str(&text).tried("the device's reply")?;
    let mut value = serde_json::to_value(lessons).tried("the device's reply")?;
    value["device"] = json!(lot.device);
    value["pipeline"] = json!(lot.pipeline);
    value["given"] = json!(labels.len());
    Ok(value)
}

fn tell(lessons: &[Value], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return output::json(&json!(lessons));
    }
    for lesson in lessons {
        let part = |name| field(lesson, name);
        println!(
            "{}/{}: {} of {} labels learned, {} of them as the model had answered; state {} of {} \
             version {}, {} samples since the release",
            part("device"),
            part("pipeline"),
            part("learned"),
            part("given"),
            part("right"),
            part("state"),
            part("model"),
            part("version"),
            part("samples"),
        );
        if lesson["drift"] == Value::Bool(true) {
            println!("  drift: errors had risen; what was learned begins anew");
        }
        for skipped in lesson["skipped"].as_array().into_iter().flatten() {
            println!(
                "  label {}: {}",
                field(skipped, "place"),
                field(skipped, "why")
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_labels_is_read_line_by_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("labels.csv");
        std::fs::write(&file, "d-1/door/17,left\n\n 12 , top \n").unwrap();
        let read_back = read(&file).unwrap();
        assert_eq!(read_back[1], (ResultName::Id(12), "top".into()));
        for bad in ["", "12", "x,y", "d-1/door/17;left"] {
            std::fs::write(&file, bad).unwrap();
            assert!(matches!(read(&file), Err(Failure::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn labels_go_by_device_and_pipeline() {
        let mut lots = Vec::new();
        for (device, id) in [("a", 1), ("b", 2), ("a", 3)] {
            let result = json!({ "device": device, "pipeline": "door", "id": id });
            gather(&mut lots, &result, "left");
        }
        assert_eq!(lots.len(), 2);
        assert_eq!(lots[0].labels[1], json!({ "result": 3, "label": "left" }));
    }
}
