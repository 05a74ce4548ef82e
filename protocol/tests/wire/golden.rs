//! The wire is frozen: every message encodes to the bytes checked in under `golden/`.
//!
//! A wanted change is a new version of the message; then, and only then, write the files
//! anew with `NOROSHI_GOLDEN=write cargo test -p noroshi-protocol --test wire`.

use std::fs;
use std::path::PathBuf;

use noroshi_protocol::*;

fn path(name: &str, ending: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(format!("{name}.{ending}"))
}

fn compare(name: &str, ending: &str, now: &str) {
    let path = path(name, ending);
    if std::env::var("NOROSHI_GOLDEN").as_deref() == Ok("write") {
        fs::write(&path, now).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        golden, now,
        "{name} is not what golden/{name}.{ending} says"
    );
}

#[test]
fn machine_messages_are_frozen() {
    for (name, bytes) in crate::samples::cbor() {
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        let lines: Vec<&str> = hex
            .as_bytes()
            .chunks(96)
            .map(|chunk| std::str::from_utf8(chunk).unwrap())
            .collect();
        compare(name, "hex", &(lines.join("\n") + "\n"));
    }
}

#[test]
fn text_messages_are_frozen() {
    for (name, text) in crate::samples::text() {
        compare(name, "txt", &(text.trim_end().to_owned() + "\n"));
    }
}

fn round_trip<M: Message>(bytes: &[u8]) {
    let message = M::from_cbor(bytes).unwrap();
    assert_eq!(
        message.to_cbor(),
        bytes,
        "{} does not survive a round trip",
        M::WORD
    );
}

#[test]
fn reading_inverts_writing() {
    let samples = crate::samples::cbor();
    round_trip::<Desired>(&samples["desired"]);
    round_trip::<Envelope>(&samples["desired-envelope"]);
    round_trip::<SiteDesired>(&samples["site-desired"]);
    round_trip::<Batch<Answer>>(&samples["results"]);
    round_trip::<Batch<Event>>(&samples["events"]);
    round_trip::<Reported>(&samples["reported"]);
    round_trip::<Ack>(&samples["ack"]);
    round_trip::<Choice>(&samples["choice"]);
    round_trip::<Command>(&samples["command"]);
    round_trip::<Command>(&samples["command-explain"]);
    round_trip::<Command>(&samples["command-label"]);
    round_trip::<Command>(&samples["command-states"]);
    round_trip::<Command>(&samples["command-pull-state"]);
    round_trip::<Command>(&samples["command-roll-back"]);
    round_trip::<Reply>(&samples["reply"]);
    round_trip::<EnrolRequest>(&samples["enrol-request"]);
    round_trip::<EnrolAnswer>(&samples["enrol-answer"]);
    round_trip::<Anchor>(&samples["anchor"]);
    round_trip::<TimeRequest>(&samples["time-request"]);
    round_trip::<TimeAnswer>(&samples["time-answer"]);
    round_trip::<Grant>(&samples["grant"]);
}

#[test]
fn a_site_plan_from_before_there_were_revocations_is_read_and_written_as_it_was() {
    let golden = fs::read_to_string(path("site-desired-without-revoked", "hex")).unwrap();
    let bytes = data_encoding::HEXLOWER
        .decode(golden.replace('\n', "").as_bytes())
        .unwrap();
    let desired = SiteDesired::from_cbor(&bytes).unwrap();
    assert_eq!((desired.plans.len(), desired.revoked.len()), (1, 0));
    assert_eq!(desired.to_cbor(), bytes);
}

#[test]
fn a_site_plan_with_too_many_revocations_is_refused() {
    let mut desired = SiteDesired::from_cbor(&crate::samples::cbor()["site-desired"]).unwrap();
    let serial = desired.revoked.remove(0);
    desired.revoked = vec![serial; limits::REVOKED];
    assert!(SiteDesired::from_cbor(&desired.to_cbor()).is_ok());
    desired.revoked.push(desired.revoked[0].clone());
    let error = SiteDesired::from_cbor(&desired.to_cbor()).unwrap_err();
    assert!(
        error.to_string().contains("revoked certificates"),
        "{error}"
    );
}

#[test]
fn batches_stay_small() {
    // The wire budget of 250 bytes a result has room for topic, TLS and acknowledgement.
    let bytes = &crate::samples::cbor()["results"];
    let batch = Batch::<Answer>::from_cbor(bytes).unwrap();
    assert!(
        bytes.len() / batch.records.len() <= 250,
        "{} bytes for two",
        bytes.len()
    );
}

#[test]
fn the_head_of_a_command_is_read_whatever_its_kind() {
    /// A command of a version to come.
    #[derive(serde::Serialize)]
    struct Newer<K> {
        org: OrgId,
        device: DeviceId,
        enrolment: u32,
        id: CommandId,
        not_after_ms: u64,
        what: K,
        more: u8,
    }

    fn check<K: serde::Serialize>(what: K) {
        let command = Command::from_cbor(&crate::samples::cbor()["command"]).unwrap();
        let newer = Newer {
            org: command.org.clone(),
            device: command.device.clone(),
            enrolment: command.enrolment,
            id: command.id.clone(),
            not_after_ms: command.not_after_ms,
            what,
            more: 7,
        };
        let bytes = serde_cbor::ser::to_vec_packed(&newer).unwrap();
        let refused = Command::from_cbor(&bytes).unwrap_err();
        assert!(
            matches!(refused, DecodeError::Malformed { .. }),
            "{refused}"
        );
        let head = CommandHead::from_cbor(&bytes).unwrap();
        assert_eq!((head.org, head.device), (command.org, command.device));
        assert_eq!((head.enrolment, head.id), (command.enrolment, command.id));
        assert_eq!(head.not_after_ms, command.not_after_ms);
    }

    check("dance");
    check(std::collections::BTreeMap::from([(99, "waltz")]));
    check((99, ["waltz"]));
}
