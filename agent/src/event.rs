//! Events: what happens to the device, for people.

use std::collections::BTreeMap;

use noroshi_protocol::{Event, EventKind, Stream};

use crate::outbox::{NewRecord, Stamp};

/// An event; `kind` must be an id. A long message is cut.
pub fn event(kind: &'static str, message: impl Into<String>) -> Event {
    let mut message: String = message.into();
    let cut = (0..=1_000.min(message.len()))
        .rev()
        .find(|at| message.is_char_boundary(*at))
        .unwrap_or(0);
    message.truncate(cut);
    Event {
        kind: kind_of(kind),
        message,
        details: BTreeMap::new(),
        dropped: None,
    }
}

/// An event with details.
pub fn detailed<const N: usize>(
    kind: &'static str,
    message: impl Into<String>,
    details: [(&str, String); N],
) -> Event {
    let cut = |text: String| text.chars().take(300).collect();
    Event {
        details: details
            .into_iter()
            .map(|(name, text)| (name.to_owned(), cut(text)))
            .collect(),
        ..event(kind, message)
    }
}

/// The event as a record.
pub fn record(event: &Event, stamp: Stamp) -> NewRecord {
    NewRecord {
        stream: Stream::Event,
        name: event.kind.to_string(),
        stamp,
        body: serde_cbor::to_vec(event).expect("an event has string keys and no failing parts"),
    }
}

fn kind_of(kind: &str) -> EventKind {
    kind.parse().expect("kinds in our source are ids")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let event = event("worker-failed", "ä".repeat(900));
        assert_eq!(event.message.len(), 1_000);
    }
}
