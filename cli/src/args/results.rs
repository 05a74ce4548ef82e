//! Which results are meant.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Results {
    /// Only of this device.
    #[arg(long)]
    pub device: Option<String>,
    /// Only of this site.
    #[arg(long)]
    pub site: Option<String>,
    /// Only of this pipeline.
    #[arg(long)]
    pub pipeline: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Label {
    /// The result: its id, DEVICE/PIPELINE/SEQUENCE, or DEVICE/PIPELINE for the newest.
    #[arg(required_unless_present = "from", requires = "label")]
    pub result: Option<ResultName>,
    /// What is true of it: the slug of one of the model's labels.
    pub label: Option<String>,
    /// A file with lines of RESULT,LABEL instead, in the order in which they are learned.
    #[arg(long, conflicts_with_all = ["result", "label"])]
    pub from: Option<PathBuf>,
}

/// One result, as people name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ResultName {
    /// By the id that the cloud gave it.
    Id(i64),
    /// By its place, or the newest of its pipeline.
    Place {
        device: String,
        pipeline: String,
        sequence: Option<u64>,
    },
}

impl FromStr for ResultName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let sound = |part: &str| noroshi_model::is_id(part);
        let place = |device: &str, pipeline: &str, sequence| Self::Place {
            device: device.to_owned(),
            pipeline: pipeline.to_owned(),
            sequence,
        };
        let named = match parts[..] {
            [id] => id.parse().ok().map(Self::Id),
            [device, pipeline] if sound(device) && sound(pipeline) => {
                Some(place(device, pipeline, None))
            }
            [device, pipeline, sequence] if sound(device) && sound(pipeline) => {
                let sequence = sequence.parse().ok();
                sequence.map(|sequence| place(device, pipeline, Some(sequence)))
            }
            _ => None,
        };
        named.ok_or_else(|| {
            "a result is its id (a number), DEVICE/PIPELINE/SEQUENCE as `noroshi watch` and \
             `noroshi results` show it, or DEVICE/PIPELINE for the newest"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_have_names() {
        assert_eq!("17".parse(), Ok(ResultName::Id(17)));
        let place = |sequence| ResultName::Place {
            device: "d-1".into(),
            pipeline: "door".into(),
            sequence,
        };
        assert_eq!("d-1/door".parse(), Ok(place(None)));
        assert_eq!("d-1/door/9".parse(), Ok(place(Some(9))));
        for bad in ["", "x", "d-1/door/x", "d/../y/1", "d-1/door/1/2", "/door/1"] {
            assert!(bad.parse::<ResultName>().is_err(), "{bad}");
        }
    }
}
