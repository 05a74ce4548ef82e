//! `noroshi explain`: the device says why it answered as it did.

use noroshi_protocol::Explanation;
use serde_json::json;

use super::{ask, results};
use crate::api::Api;
use crate::args::ResultName;
use crate::error::{Failure, Tried};
use crate::output::{self, field};

/// Seconds that the device may take.
const PATIENCE_S: u32 = 30;

pub(super) async fn run(api: &Api, name: &ResultName, as_json: bool) -> Result<(), Failure> {
    let result = results::find(api, name).await?;
    let device = field(&result, "device");
    let body = json!({ "kind": "explain", "result": result["id"], "ttl_s": PATIENCE_S });
    let text = ask::ask(api, &device, &body).await?;
    let explanation: Explanation = serde_json::from_str(&text).tried("the device's explanation")?;
    if let Some(fault) = explanation.fault() {
        return Err(Failure::Failed(format!(
            "the device's explanation: {fault}"
        )));
    }
    if as_json {
        let explanation = serde_json::to_value(&explanation).tried("the explanation")?;
        return output::json(&json!({ "result": result, "explanation": explanation }));
    }
    show(&results::place(&result), &explanation);
    Ok(())
}

fn show(place: &str, explanation: &Explanation) {
    let Explanation {
        model,
        version,
        variant,
        label,
        score,
        ..
    } = explanation;
    println!("{place}: {label}, by {model} version {version} {variant}");
    let share = |value: f64| {
        let size: f64 = explanation.terms.iter().map(|term| term.value.abs()).sum();
        let length = 20.0 * value.abs() / size.max(f64::MIN_POSITIVE);
        "#".repeat((length.round() as usize).min(20))
    };
    let named = explanation.terms.iter();
    let mut rows: Vec<Vec<String>> = named
        .map(|term| vec![term.name.clone(), number(term.value), share(term.value)])
        .collect();
    if explanation.rest.count > 0 {
        let others = format!("{} others together", explanation.rest.count);
        rows.push(vec![others, number(explanation.rest.value), String::new()]);
    }
    rows.push(vec![
        format!("score of {label}"),
        number(*score),
        String::new(),
    ]);
    output::print_table(&["TERM", "ADDS", ""], rows.into_iter());
}

fn number(value: f64) -> String {
    format!("{value:+.6}")
}
