//! The newest result of a pipeline for dashboards: flat JSON, only while someone looks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Answer, Record};

/// What `live/<pipeline>` carries: `ts, label, score, label_2, score_2, count_<slug>, model,
/// version, sequence`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live(Map<String, Value>);

impl Live {
    /// Renders a record. `received_ms` stands in for `ts` where the device had no clock;
    /// `counts` are results per label slug since the renderer started.
    pub fn render(
        record: &Record<Answer>,
        received_ms: u64,
        counts: &BTreeMap<String, u64>,
    ) -> Self {
        let mut map = Map::new();
        let synced = record.clock != crate::ClockSource::None;
        map.insert(
            "ts".into(),
            if synced { record.wall_ms } else { received_ms }.into(),
        );
        for (place, scored) in record.body.top.iter().take(2).enumerate() {
            let tail = if place == 0 { "" } else { "_2" };
            map.insert(format!("label{tail}"), scored.label.clone().into());
            // Through f64 text so that 0.91 does not become 0.9100000262260437.
            let score = f64::from((scored.score * 10_000.0).round()) / 10_000.0;
            map.insert(format!("score{tail}"), score.into());
        }
        for (slug, count) in counts {
            map.insert(format!("count_{slug}"), (*count).into());
        }
        map.insert("model".into(), record.body.model.as_str().into());
        map.insert("version".into(), record.body.version.into());
        map.insert("sequence".into(), record.sequence.into());
        Self(map)
    }

    /// The message as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("a flat map")
    }
}
