//! What a model answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The output tensor that the task reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// The tensor's name in the model file.
    pub name: String,
    /// What the numbers are.
    pub activation: Activation,
}

/// What the output's numbers are before postprocessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Unbounded: a softmax makes probabilities of them.
    Logits,
    /// Already probabilities, summing to 1.
    Probabilities,
}

/// What the model does; decides the postprocessing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// One label for a frame, from a fixed list; the output has one number a label.
    Classification {
        /// In the output's order, 1 to 65,536 of them.
        labels: Vec<Label>,
    },
}

/// A class's name, for people and for topics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// `[a-z0-9_]{1,32}`: what dashboards and metrics call it.
    pub slug: String,
    /// What people call it.
    pub name: String,
}

impl Label {
    /// A label with a slug made from `name`.
    pub fn from_name(name: &str) -> Self {
        Self {
            slug: slug(name),
            name: name.to_owned(),
        }
    }

    /// Labels for `names`, in order; where two would get one slug, the later is numbered.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let number = |name| {
            let mut label = Self::from_name(name);
            let count = seen.entry(label.slug.clone()).or_default();
            *count += 1;
            if *count > 1 {
                let tail = format!("_{count}");
                label.slug.truncate(32 - tail.len());
                label.slug += &tail;
            }
            label
        };
        names.into_iter().map(number).collect()
    }

    /// Whether the slug keeps to its alphabet and length.
    pub fn is_sound(&self) -> bool {
        (1..=32).contains(&self.slug.len())
            && self
                .slug
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            && self.name.len() <= 200
    }
}

fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        if slug.len() == 32 {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    let slug = slug.trim_end_matches('_');
    if slug.is_empty() {
        "unnamed".to_owned()
    } else {
        slug.to_owned()
    }
}

impl Task {
    /// The labels, in the output's order.
    pub fn labels(&self) -> &[Label] {
        match self {
            Self::Classification { labels } => labels,
        }
    }

    /// A word for tables: `classification`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Classification { .. } => "classification",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_keep_to_their_alphabet() {
        assert_eq!(Label::from_name("Egyptian cat").slug, "egyptian_cat");
        assert_eq!(Label::from_name("jack-o'-lantern").slug, "jack_o_lantern");
        assert_eq!(Label::from_name("狼煙").slug, "unnamed");
        assert!(Label::from_name(&"x y".repeat(40)).is_sound());
        let missiles = Label::from_names(["missile", "Missile", "moon"]);
        let slugs: Vec<&str> = missiles.iter().map(|label| label.slug.as_str()).collect();
        assert_eq!(slugs, ["missile", "missile_2", "moon"]);
    }
}
