//! The running agent's state for people. Pure.

use std::fmt::Write;

use noroshi_protocol::{PipelineState, Reported};

use crate::daemon::LocalStatus;

/// The state as lines.
pub(crate) fn text(status: &LocalStatus) -> String {
    let mut text = String::new();
    let link = if status.connected {
        "connected"
    } else {
        "not connected"
    };
    line(&mut text, "site", &format!("{} ({link})", status.site));
    if status.development {
        line(&mut text, "root", "DEVELOPMENT: for trying things out only");
    }
    if let Some(fault) = &status.outbox_fault {
        line(&mut text, "outbox", &format!("CAN'T BE USED: {fault}"));
    }
    match &status.reported {
        Some(reported) => report(&mut text, reported),
        None => line(&mut text, "state", "just started"),
    }
    text
}

fn report(text: &mut String, reported: &Reported) {
    line(
        text,
        "device",
        &format!(
            "{} of {}, start {}",
            reported.device, reported.org, reported.start
        ),
    );
    line(text, "desired", &reported.desired.to_string());
    if let Some(refused) = &reported.refused {
        let why = format!("document {}: {}", refused.sequence, refused.reason);
        line(text, "refused", &why);
    }
    if let Some(update) = &reported.update {
        let mut how = format!("{} {}", update.plan, update.phase.word());
        if let Some(reason) = update.phase.reason() {
            how = format!("{how}: {reason}");
        }
        if update.total > 0 && !update.phase.is_terminal() {
            how = format!("{how} ({} of {} bytes)", update.fetched, update.total);
        }
        line(text, "change", &how);
    }
    for pipeline in &reported.pipelines {
        let state = match &pipeline.state {
            PipelineState::Running => "running".to_owned(),
            PipelineState::Starting => "starting".to_owned(),
            PipelineState::Failed(why) => format!("FAILED: {why}"),
        };
        let figures = pipeline.figures;
        let how = format!(
            "{} version {} {}: {state}; {} frames, {} skipped, {} crashes, {} us median",
            pipeline.model,
            pipeline.version,
            pipeline.variant,
            figures.frames,
            figures.skipped,
            figures.crashes,
            figures.cpu_us_p50
        );
        line(text, &format!("pipeline {}", pipeline.pipeline), &how);
    }
    let outbox = &reported.outbox;
    let how = format!(
        "{} records, {} bytes, {} dropped",
        outbox.held, outbox.bytes, outbox.dropped
    );
    line(text, "outbox", &how);
}

fn line(text: &mut String, what: &str, how: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{what:<18}{how}");
}
