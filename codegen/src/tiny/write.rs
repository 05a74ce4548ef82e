//! Arrays of numbers as text.

use std::fmt::{Display, Write as _};

/// Numbers in lines of sixteen.
pub(super) fn numbers<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for (index, value) in values.into_iter().enumerate() {
        let before = if index % 16 == 0 { "\n    " } else { " " };
        write!(text, "{before}{value},").expect("text takes all that is written");
    }
    text
}

/// A number of f32 that every compiler reads back to the same bits.
pub(super) fn float(value: f32) -> String {
    format!("{value:e}f")
}

/// `template` with each `@name@` replaced.
pub(super) fn filled(template: &str, values: &[(&str, String)]) -> String {
    let mut text = template.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    text
}
