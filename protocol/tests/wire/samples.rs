//! One fixed value of every message: the golden vectors are made of these.

use std::collections::{BTreeMap, BTreeSet};

use noroshi_model::{
    Architecture, Blob, Capabilities, Digest, EngineKind, Filter, Runtime, VariantName,
};
use noroshi_protocol::*;

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).unwrap()
}

fn org() -> OrgId {
    "demo".parse().unwrap()
}

fn device() -> DeviceId {
    "d-7f3k2m".parse().unwrap()
}

fn boot() -> BootId {
    BootId::from_bytes(*b"0123456789abcdef")
}

fn capabilities() -> Capabilities {
    Capabilities {
        architecture: Architecture::Aarch64,
        cpu_features: BTreeSet::from(["asimddp".into(), "neon".into()]),
        chip: "Cortex-A76".into(),
        os: "Debian GNU/Linux 12".into(),
        glibc: "2.36".into(),
        memory: 4 << 30,
        agent: "0.1.0".into(),
        runtimes: vec![Runtime {
            engine: EngineKind::OnnxRuntime,
            version: "1.32.0".into(),
            max_opset: 23,
            max_ir: 11,
        }],
    }
}

fn variant() -> VariantName {
    "int8".parse().unwrap()
}

fn assignment(version: u32) -> Assignment {
    Assignment {
        pipeline: "door".parse().unwrap(),
        revision: version,
        source: "camera".into(),
        model: ModelChoice {
            model: "mobilenet-v2".parse().unwrap(),
            version,
            manifest: Blob {
                sha256: Digest::of(&version.to_be_bytes()),
                length: 4_321,
            },
            variant: variant(),
        },
        filters: vec![
            Filter::Threshold { min_score: 0.25 },
            Filter::OnChange {
                heartbeat_ms: Some(60_000),
            },
            Filter::RateLimit { interval_ms: 500 },
        ],
        top: 2,
    }
}

pub(crate) fn desired() -> Desired {
    Desired {
        format: 1,
        org: org(),
        device: device(),
        sequence: 1_764_000_000_000,
        issued_ms: 1_764_000_000_000,
        expires_ms: 1_766_592_000_000,
        pipelines: vec![assignment(1)],
        plan: Some(Plan {
            id: "r-1-w0-a0".parse().unwrap(),
            rollout: "r-1".parse().unwrap(),
            pipelines: vec![assignment(2)],
            prepare_ms: 600_000,
            trial_ms: 30_000,
        }),
    }
}

fn site_desired() -> SiteDesired {
    SiteDesired {
        format: 1,
        org: org(),
        site: "osaka".parse().unwrap(),
        sequence: 7,
        issued_ms: 1_764_000_000_000,
        expires_ms: 1_766_592_000_000,
        plans: vec![SitePlan {
            id: "r-1-w0-a0".parse().unwrap(),
            rollout: "r-1".parse().unwrap(),
            devices: vec![device()],
            parallel: 2,
            max_failures: 1,
            state: PlanState::Running,
        }],
        revoked: vec![
            Revocation {
                serial: "4a3b2c1d".parse().unwrap(),
                device: Some("d-0000".parse().unwrap()),
            },
            Revocation {
                serial: "7f01".parse().unwrap(),
                device: None,
            },
        ],
    }
}

fn results() -> Batch<Answer> {
    let record = |sequence| Record {
        sequence,
        monotonic_ms: 81_234 + sequence,
        wall_ms: 1_764_000_001_000 + sequence,
        clock: ClockSource::Gateway,
        body: Answer {
            frame: FrameId {
                source: 0x1122_3344_5566_7788,
                number: sequence,
            },
            revision: 2,
            model: "mobilenet-v2".parse().unwrap(),
            version: 2,
            variant: variant(),
            top: vec![
                Scored {
                    label: "espresso".into(),
                    score: 0.75,
                },
                Scored {
                    label: "cup".into(),
                    score: 0.125,
                },
            ],
            cpu_us: 4_321,
        },
    };
    let os_boot = "1b4e28ba-2fa1-11d2-883f-0016d3cca427".parse().unwrap();
    Batch {
        boot: boot(),
        start: 3,
        os_boot,
        records: vec![record(17), record(18)],
    }
}

fn events() -> Batch<Event> {
    let os_boot = OsBoot::from_bytes([7; 16]);
    let body = Event {
        kind: "dropped".parse().unwrap(),
        message: "12 results were dropped: the outbox reached its quota".into(),
        details: BTreeMap::from([("quota_bytes".into(), "1048576".into())]),
        dropped: Some(Dropped {
            boot: boot(),
            stream: Stream::Result,
            range: SequenceRange { from: 5, to: 16 },
            reason: DropReason::Quota,
        }),
    };
    let record = Record {
        sequence: 0,
        monotonic_ms: 1,
        wall_ms: 0,
        clock: ClockSource::None,
        body,
    };
    Batch {
        boot: boot(),
        start: 3,
        os_boot,
        records: vec![record],
    }
}

pub(crate) fn reported() -> Reported {
    Reported {
        format: 1,
        org: org(),
        device: device(),
        start: 3,
        boot: boot(),
        sequence: 9,
        wall_ms: 1_764_000_002_000,
        clock: ClockSource::Ntp,
        capabilities: capabilities(),
        sources: vec!["camera".into()],
        desired: 1_764_000_000_000,
        refused: Some(RefusedDesired {
            sequence: 12,
            reason: "it is a replay".into(),
        }),
        pipelines: vec![PipelineReport {
            pipeline: "door".parse().unwrap(),
            revision: 1,
            model: "mobilenet-v2".parse().unwrap(),
            version: 1,
            variant: variant(),
            manifest: Digest::of(b"manifest"),
            state: PipelineState::Running,
            figures: Figures {
                frames: 100,
                skipped: 2,
                crashes: 0,
                cpu_us_p50: 4_300,
                cpu_us_p95: 5_100,
                memory: 50 << 20,
            },
            explains: false,
            learned: None,
        }],
        update: Some(UpdateReport {
            plan: "r-1-w0-a0".parse().unwrap(),
            choice: Which::Go,
            phase: UpdatePhase::Failed("the golden inputs differ".into()),
            fetched: 10,
            total: 20,
        }),
        outbox: OutboxReport {
            held: 4,
            bytes: 1_000,
            dropped: 12,
            store: Some("s-abc".parse().unwrap()),
        },
    }
}

fn ack() -> Ack {
    Ack {
        boot: boot(),
        store: "s-abc".parse().unwrap(),
        settled: vec![
            SequenceRange { from: 0, to: 16 },
            SequenceRange { from: 18, to: 18 },
        ],
        refused: vec![Refusal {
            range: SequenceRange { from: 17, to: 17 },
            reason: RefusalReason::Malformed,
        }],
    }
}

fn command() -> Command {
    Command {
        org: org(),
        device: device(),
        enrolment: 1,
        id: "c-1".parse().unwrap(),
        not_after_ms: 1_764_000_060_000,
        what: CommandKind::RestartWorker("door".parse().unwrap()),
    }
}

fn explain() -> Command {
    Command {
        what: CommandKind::Explain(Seen {
            pipeline: "door".parse().unwrap(),
            frame: FrameId {
                source: 0xfeed,
                number: 12,
            },
        }),
        ..command()
    }
}

fn label() -> Command {
    let labelled = |number, label: &str| Labelled {
        frame: FrameId {
            source: 0xfeed,
            number,
        },
        label: label.to_owned(),
    };
    Command {
        what: CommandKind::Label(Labels {
            pipeline: "door".parse().unwrap(),
            labels: vec![labelled(12, "left"), labelled(15, "top")],
        }),
        ..command()
    }
}

fn states() -> Command {
    Command {
        what: CommandKind::States("door".parse().unwrap()),
        ..command()
    }
}

fn of_state(what: impl FnOnce(StateOf) -> CommandKind, version: Option<u64>) -> Command {
    Command {
        what: what(StateOf {
            pipeline: "door".parse().unwrap(),
            version,
        }),
        ..command()
    }
}

fn enrol_request() -> EnrolRequest {
    EnrolRequest::sign(
        "t-1".parse().unwrap(),
        &key(1),
        key(2).public().clone(),
        [3; 32],
        "門のカメラ".into(),
        Some(capabilities()),
    )
}

fn enrol_answer() -> EnrolAnswer {
    EnrolAnswer {
        org: org(),
        site: "osaka".parse().unwrap(),
        kind: EnrolKind::Device(device()),
        enrolment: 1,
        public_key: key(2).public().clone(),
        nonce: vec![3; 32],
        chain: vec![serde_bytes::ByteBuf::from(vec![0x30, 0x82])],
        issued_ms: 1_764_000_000_000,
    }
}

fn anchor() -> Anchor {
    Anchor {
        format: 1,
        org: org(),
        ca: vec![serde_bytes::ByteBuf::from(vec![0x30, 0x82])],
        root: b"{\"signed\":{}}".to_vec(),
        answer_key: key(4).public().clone(),
        development: true,
    }
}

/// Every CBOR message by the name of its golden file.
pub(crate) fn cbor() -> BTreeMap<&'static str, Vec<u8>> {
    let grant = grant();
    BTreeMap::from([
        ("desired", desired().to_cbor()),
        (
            "desired-envelope",
            Envelope::seal(Domain::Desired, &desired(), &key(5)).to_cbor(),
        ),
        ("site-desired", site_desired().to_cbor()),
        ("results", results().to_cbor()),
        ("events", events().to_cbor()),
        ("reported", reported().to_cbor()),
        (
            "reported-envelope",
            Envelope::seal(Domain::Reported, &reported(), &key(2)).to_cbor(),
        ),
        ("ack", ack().to_cbor()),
        (
            "choice",
            Choice {
                plan: "r-1-w0-a0".parse().unwrap(),
                which: Which::Go,
            }
            .to_cbor(),
        ),
        ("command", command().to_cbor()),
        ("command-explain", explain().to_cbor()),
        ("command-label", label().to_cbor()),
        ("command-states", states().to_cbor()),
        (
            "command-pull-state",
            of_state(CommandKind::PullState, Some(7)).to_cbor(),
        ),
        (
            "command-roll-back",
            of_state(CommandKind::RollBack, None).to_cbor(),
        ),
        (
            "command-envelope",
            Envelope::seal(Domain::Command, &command(), &key(5)).to_cbor(),
        ),
        (
            "reply",
            Reply {
                id: "c-1".parse().unwrap(),
                outcome: Outcome::Done,
                text: "ok".into(),
            }
            .to_cbor(),
        ),
        ("enrol-request", enrol_request().to_cbor()),
        ("enrol-answer", enrol_answer().to_cbor()),
        ("anchor", anchor().to_cbor()),
        ("time-request", TimeRequest { nonce: vec![9; 16] }.to_cbor()),
        (
            "time-answer",
            TimeAnswer {
                nonce: vec![9; 16],
                unix_ms: 1_764_000_000_000,
            }
            .to_cbor(),
        ),
        ("grant", grant.to_cbor()),
    ])
}

fn grant() -> Grant {
    Grant {
        org: org(),
        sites: vec!["osaka".parse().unwrap()],
        devices: vec![device()],
        expires_ms: 1_764_000_900_000,
    }
}

/// Every text message by the name of its golden file.
pub(crate) fn text() -> BTreeMap<&'static str, String> {
    let status = Status {
        status: Presence::Lost,
        start: 3,
        connection: 2,
        boot: boot(),
        since_ms: 1_764_000_000_000,
        version: "0.1.0".into(),
    };
    let counts = BTreeMap::from([("cup".to_owned(), 2), ("espresso".to_owned(), 41)]);
    let live = Live::render(&results().records[0], 1_764_000_003_000, &counts);
    let json = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let online = OnlineKeys {
        format: 1,
        keys: vec![OnlineKeys::entry(
            key(5).public(),
            vec![Use::Desired, Use::Command],
        )],
    };
    let enrol = EnrolToken {
        id: "t-1".parse().unwrap(),
        seed: [1; 32],
        pin: Anchor::pin(&anchor().to_cbor()),
        development: false,
    };
    BTreeMap::from([
        ("status", json(status.to_json())),
        ("live", json(live.to_json())),
        ("online-keys", serde_json::to_string(&online).unwrap()),
        ("enrol-token", enrol.to_string()),
        (
            "enrol-token-development",
            EnrolToken {
                development: true,
                ..enrol
            }
            .to_string(),
        ),
        (
            "api-token",
            ApiToken {
                id: "t-2".parse().unwrap(),
                secret: [6; 32],
            }
            .to_string(),
        ),
        (
            "dashboard-token",
            DashboardToken::sign(&grant(), &key(5)).to_string(),
        ),
        (
            "topics",
            topics()
                .iter()
                .map(|topic| topic.to_string() + "\n")
                .collect(),
        ),
    ])
}

/// A topic of every channel.
pub(crate) fn topics() -> Vec<Topic> {
    let channels = [
        Channel::Status,
        Channel::Desired,
        Channel::Reported,
        Channel::Choice,
        Channel::Result("door".parse().unwrap()),
        Channel::Event("worker-failed".parse().unwrap()),
        Channel::Ack(Stream::Result),
        Channel::Ack(Stream::Event),
        Channel::Live("door".parse().unwrap()),
        Channel::Metric("agent".parse().unwrap()),
        Channel::Command("c-1".parse().unwrap()),
        Channel::Reply("c-1".parse().unwrap()),
    ];
    let topic = |channel| Topic {
        org: org(),
        site: "osaka".parse().unwrap(),
        device: device(),
        channel,
    };
    channels.map(topic).into()
}
