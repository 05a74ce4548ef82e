//! What holds for every message and every byte: inverses, bounds, no panics.

use noroshi_protocol::*;
use proptest::prelude::*;

fn decode_all(bytes: &[u8]) {
    let _ = Desired::from_cbor(bytes);
    let _ = SiteDesired::from_cbor(bytes);
    let _ = Envelope::from_cbor(bytes);
    let _ = Batch::<Answer>::from_cbor(bytes);
    let _ = Batch::<Event>::from_cbor(bytes);
    let _ = Reported::from_cbor(bytes);
    let _ = Ack::from_cbor(bytes);
    let _ = Choice::from_cbor(bytes);
    let _ = Command::from_cbor(bytes);
    let _ = Reply::from_cbor(bytes);
    let _ = EnrolRequest::from_cbor(bytes);
    let _ = EnrolAnswer::from_cbor(bytes);
    let _ = Anchor::from_cbor(bytes);
    let _ = TimeRequest::from_cbor(bytes);
    let _ = TimeAnswer::from_cbor(bytes);
    let _ = Grant::from_cbor(bytes);
    let _ = Status::from_json(bytes);
}

fn id() -> impl Strategy<Value = String> {
    "[a-z0-9-]{1,40}"
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        decode_all(&bytes);
    }

    #[test]
    fn a_changed_byte_never_panics(which in 0usize..18, at in any::<usize>(), with in any::<u8>()) {
        let samples = crate::samples::cbor();
        let (_, bytes) = samples.iter().nth(which % samples.len()).unwrap();
        let mut bytes = bytes.clone();
        let at = at % bytes.len();
        bytes[at] = with;
        decode_all(&bytes);
        decode_all(&bytes[..at]);
    }

    #[test]
    fn topics_parse_back(org in id(), site in id(), device in id(), which in 0usize..12, name in id()) {
        let mut topic = crate::samples::topics().remove(which);
        topic.org = org.parse().unwrap();
        topic.site = site.parse().unwrap();
        topic.device = device.parse().unwrap();
        if let Channel::Result(pipeline) = &mut topic.channel {
            *pipeline = name.parse().unwrap();
        }
        let text = topic.to_string();
        prop_assert!(text.len() <= limits::TOPIC);
        prop_assert_eq!(text.parse::<Topic>(), Ok(topic.clone()));
        let filter = TopicFilter::from(&topic);
        prop_assert!(filter.matches(&topic));
        prop_assert_eq!(filter.to_string().parse::<TopicFilter>(), Ok(filter));
    }

    #[test]
    fn any_text_is_no_panic(text in "\\PC{0,300}") {
        let _ = text.parse::<Topic>();
        let _ = text.parse::<TopicFilter>();
        let _ = text.parse::<EnrolToken>();
        let _ = text.parse::<ApiToken>();
        let _ = text.parse::<DashboardToken>();
        let _ = text.parse::<Identity>();
    }

    #[test]
    fn a_filter_parses_back(site in proptest::option::of(id()), device in proptest::option::of(id()), kind in 0usize..10, name in proptest::option::of(id())) {
        let filter = TopicFilter {
            org: "demo".parse().unwrap(),
            site: site.map(|s| s.parse().unwrap()),
            device: device.map(|d| d.parse().unwrap()),
            kind: Kind::ALL[kind],
            name,
        };
        prop_assert_eq!(filter.to_string().parse::<TopicFilter>(), Ok(filter));
    }

    #[test]
    fn tokens_parse_back(seed in any::<[u8; 32]>(), pin in any::<[u8; 32]>(), id in id(), development: bool) {
        let pin = noroshi_model::Digest::from_bytes(pin);
        let token = EnrolToken { id: id.parse().unwrap(), seed, pin, development };
        prop_assert_eq!(token.to_string().parse::<EnrolToken>(), Ok(token));
        let token = ApiToken { id: id.parse().unwrap(), secret: seed };
        prop_assert_eq!(token.to_string().parse::<ApiToken>(), Ok(token));
    }
}

#[test]
fn open_organisations_and_kinds_are_refused() {
    for text in [
        "#",
        "noroshi/#",
        "noroshi/v1/+/a/b/status/agent",
        "noroshi/v1/demo/a/b/+/agent",
        "noroshi/v1/demo/a/b/#",
        "noroshi/v1/demo/a/b/status",
        "noroshi/v1/demo/a/b/status/agent/x",
        "/noroshi/v1/demo/a/b/status/agent",
        "noroshi/v2/demo/a/b/status/agent",
        "noroshi/v1/demo/a/b/status/A",
        "noroshi/v1/demo//b/status/agent",
    ] {
        assert!(text.parse::<TopicFilter>().is_err(), "{text} was taken");
    }
}

#[test]
fn a_signature_is_good_for_one_domain_and_one_payload() {
    let key = crate::samples::key(1);
    let envelope = Envelope::seal(Domain::Desired, &crate::samples::desired(), &key);
    assert!(
        envelope
            .open::<Desired>(Domain::Desired, [key.public()])
            .is_ok()
    );
    assert!(matches!(
        envelope.open::<Desired>(Domain::SitePlan, [key.public()]),
        Err(EnvelopeError::BadSignature(_))
    ));
    assert!(matches!(
        envelope.open::<Desired>(Domain::Desired, [crate::samples::key(2).public()]),
        Err(EnvelopeError::UnknownKey(_))
    ));
    for at in 0..envelope.payload.len() {
        let mut forged = envelope.clone();
        forged.payload[at] ^= 1;
        assert!(
            forged
                .open::<Desired>(Domain::Desired, [key.public()])
                .is_err()
        );
    }
}

#[test]
fn unknown_fields_are_skipped_and_survive_in_the_envelope() {
    use serde_cbor::Value;
    let key = crate::samples::key(1);
    let Value::Map(mut map) = serde_cbor::from_slice(&crate::samples::desired().to_cbor()).unwrap()
    else {
        panic!("a document is a map")
    };
    map.insert(Value::Text("from_the_future".into()), Value::Bool(true));
    map.insert(Value::Integer(99), Value::Null);
    let payload = serde_cbor::to_vec(&Value::Map(map)).unwrap();
    let signature = key.sign(&[Domain::Desired.prefix(), &payload].concat());
    let envelope = Envelope {
        payload: payload.clone(),
        key_id: key.public().id(),
        signature,
    };
    let relayed = Envelope::from_cbor(&envelope.to_cbor()).unwrap();
    assert_eq!(relayed.payload, payload);
    assert!(
        relayed
            .open::<Desired>(Domain::Desired, [key.public()])
            .is_ok()
    );
}

#[test]
fn sizes_are_refused_before_reading() {
    let huge = vec![0u8; limits::STATE + 1];
    assert!(matches!(
        Desired::from_cbor(&huge),
        Err(DecodeError::TooLarge { .. })
    ));
    let mut desired = crate::samples::desired();
    desired.pipelines = vec![desired.pipelines[0].clone(); 2];
    assert!(matches!(
        Desired::from_cbor(&desired.to_cbor()),
        Err(DecodeError::Unsound { .. })
    ));
}

#[test]
fn identities_parse_back_and_gateway_is_no_device() {
    for uri in [
        "noroshi://demo/device/d-1",
        "noroshi://demo/site/osaka/gateway",
        "noroshi://demo/cloud",
    ] {
        assert_eq!(uri.parse::<Identity>().unwrap().uri(), uri);
    }
    for uri in [
        "noroshi://demo/device/gateway",
        "noroshi://demo/device/a/b",
        "http://demo/cloud",
    ] {
        assert!(uri.parse::<Identity>().is_err());
    }
}

#[test]
fn status_order() {
    let at = |start, connection| Status {
        status: Presence::Online,
        start,
        connection,
        boot: BootId::from_bytes([0; 16]),
        since_ms: 0,
        version: String::new(),
    };
    assert!(at(2, 0).replaces(&at(1, 9)));
    assert!(at(1, 1).replaces(&at(1, 1)));
    assert!(!at(1, 0).replaces(&at(1, 1)));
}
