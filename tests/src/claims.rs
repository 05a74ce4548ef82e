//! What proofs and benchmarks print: one JSON object a line on standard output.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

/// One statement with the figure that decides it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    name: String,
    value: Value,
    limit: String,
    ok: bool,
    more: Map<String, Value>,
}

impl Claim {
    /// A statement that holds if `ok`; `limit` says in words what the figure must be.
    pub fn new(name: &str, value: impl Into<Value>, limit: &str, ok: bool) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
            limit: limit.to_owned(),
            ok,
            more: Map::new(),
        }
    }

    /// A figure that must be at most `limit`.
    pub fn at_most(name: &str, value: f64, limit: f64) -> Self {
        Self::new(
            name,
            rounded(value),
            &format!("at most {limit}"),
            value <= limit,
        )
    }

    /// A figure that must be at least `limit`.
    pub fn at_least(name: &str, value: f64, limit: f64) -> Self {
        Self::new(
            name,
            rounded(value),
            &format!("at least {limit}"),
            value >= limit,
        )
    }

    /// With another figure beside it.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// The claim that a line of JSON tells.
    pub fn from_line(line: &str) -> Result<Self> {
        let mut fields: Map<String, Value> = serde_json::from_str(line)?;
        let text = |value: Option<Value>| value?.as_str().map(str::to_owned);
        Ok(Self {
            name: text(fields.remove("claim")).context("a claim's name")?,
            value: fields.remove("value").context("a claim's value")?,
            limit: text(fields.remove("limit")).context("a claim's limit")?,
            ok: (fields.remove("ok").as_ref())
                .and_then(Value::as_bool)
                .context("whether a claim holds")?,
            more: fields,
        })
    }

    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.ok
    }

    /// The line of JSON.
    pub fn line(&self) -> String {
        let mut line = json!({
            "claim": self.name, "value": self.value, "limit": self.limit, "ok": self.ok,
        });
        if let Value::Object(fields) = &mut line {
            fields.extend(self.more.clone());
        }
        line.to_string()
    }
}

/// Prints every claim; whether all hold.
pub fn print(claims: &[Claim]) -> bool {
    for claim in claims {
        println!("{}", claim.line());
    }
    claims.iter().all(Claim::holds)
}

/// The claims for people: one line each.
pub fn table(claims: &[Claim]) -> String {
    let lines = claims.iter().map(|claim| {
        let mark = if claim.ok { "ok" } else { "NOT OK" };
        let (name, value, limit) = (&claim.name, &claim.value, &claim.limit);
        format!("{mark:>6}  {name}: {value} ({limit})\n")
    });
    lines.collect()
}

/// To four digits behind the point: more would only pretend.
pub fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_claimed() {
        let claim = Claim::at_most("ratio", 1.020_04, 1.05).with("rounds", 3);
        let line: Value = serde_json::from_str(&claim.line()).unwrap();
        let expected = json!({
            "claim": "ratio", "value": 1.02, "limit": "at most 1.05", "ok": true, "rounds": 3,
        });
        assert_eq!(line, expected);
        assert_eq!(Claim::from_line(&claim.line()).unwrap(), claim);
        assert!(!Claim::at_least("frames", 19.0, 20.0).holds());
    }
}
