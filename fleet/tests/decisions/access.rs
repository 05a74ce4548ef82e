//! The access rule as a whole table, and what holds for everyone.

use noroshi_fleet::access::{
    Action, Broker, Decision, Flow, Principal, admit, admit_grant, decide,
};
use noroshi_protocol::{Channel, Grant, Identity, Kind, OrgId, Stream, Topic, TopicFilter};
use proptest::prelude::*;

use crate::world::{device, org, site, topic};

/// Everything that is allowed: who, at which broker, in which direction, whose topic, which
/// flows. What is not here is denied.
const ALLOWED: &str = "
device    home   publish  own        status state/reported result event metric reply
device    home   receive  own        status state/desired choice command ack
device    home   will     own        status

direct    cloud  publish  own        status state/reported result event metric reply
direct    cloud  receive  own        status state/desired choice command ack
direct    cloud  will     own        status

gateway   home   publish  site       state/desired choice command ack live
gateway   home   publish  gateway    status state/reported result event metric reply
gateway   home   publish  gateway    state/desired choice command ack live
gateway   home   receive  site       all
gateway   home   receive  gateway    all
gateway   home   will     gateway    status

gateway   cloud  publish  site       status state/reported result event metric reply
gateway   cloud  publish  gateway    status state/reported result event metric reply
gateway   cloud  receive  site       state/desired command ack
gateway   cloud  receive  gateway    status state/desired command ack
gateway   cloud  will     gateway    status

cloud     cloud  publish  site       status state/desired command ack live
cloud     cloud  publish  gateway    status state/desired command ack live
cloud     cloud  publish  elsewhere  status state/desired command ack live
cloud     cloud  publish  direct     status state/desired command ack live choice
cloud     cloud  receive  site       all
cloud     cloud  receive  gateway    all
cloud     cloud  receive  elsewhere  all
cloud     cloud  receive  direct     all

everyone  home   receive  site       live status metric
everyone  home   receive  gateway    live status metric
everyone  home   receive  elsewhere  live status metric
everyone  home   receive  direct     live status metric
everyone  cloud  receive  site       live status metric
everyone  cloud  receive  gateway    live status metric
everyone  cloud  receive  elsewhere  live status metric
everyone  cloud  receive  direct     live status metric
by-site   home   receive  site       live status metric
by-site   home   receive  gateway    live status metric
by-site   cloud  receive  site       live status metric
by-site   cloud  receive  gateway    live status metric
by-device home   receive  own        live status metric
by-device cloud  receive  own        live status metric
";

const ROLES: [&str; 8] = [
    "device",
    "stranger",
    "direct",
    "gateway",
    "cloud",
    "everyone",
    "by-site",
    "by-device",
];
const PLACES: [&str; 6] = ["own", "site", "gateway", "elsewhere", "direct", "foreign"];
const DIRECTIONS: [&str; 3] = ["publish", "receive", "will"];

fn principal(role: &str) -> Principal {
    let of = |id: &str, at: &str| Principal::Device {
        org: org(),
        device: device(id),
        site: site(at),
    };
    let grant = |sites: &[&str], devices: &[&str]| {
        Principal::Dashboard(Grant {
            org: org(),
            sites: sites.iter().map(|id| site(id)).collect(),
            devices: devices.iter().map(|id| device(id)).collect(),
            expires_ms: 1,
        })
    };
    match role {
        "device" => of("d1", "s1"),
        "direct" => of("d9", "direct"),
        // Not a device's name, whatever a certificate says.
        "stranger" => of("gateway", "s1"),
        "gateway" => Principal::Gateway {
            org: org(),
            site: site("s1"),
        },
        "cloud" => Principal::Cloud { org: org() },
        "everyone" => grant(&[], &[]),
        "by-site" => grant(&["s1"], &[]),
        "by-device" => grant(&[], &["d1", "gateway"]),
        _ => unreachable!("{role}"),
    }
}

/// Site and device of a place, seen from the role.
fn place(role: &str, place: &str) -> (&'static str, &'static str, &'static str) {
    match (place, role) {
        ("own", "direct") => ("acme", "direct", "d9"),
        ("own", "stranger") | ("gateway", _) => ("acme", "s1", "gateway"),
        ("own", _) => ("acme", "s1", "d1"),
        ("site", _) => ("acme", "s1", "d2"),
        ("elsewhere", _) => ("acme", "s2", "d3"),
        ("direct", _) => ("acme", "direct", "d8"),
        ("foreign", _) => ("other", "s1", "d1"),
        _ => unreachable!("{place}"),
    }
}

fn name(flow: Flow) -> &'static str {
    match flow {
        Flow::Status => "status/agent",
        Flow::Desired => "state/desired",
        Flow::Reported => "state/reported",
        Flow::Choice => "choice/plan",
        Flow::Result => "result/door",
        Flow::Event => "event/worker-failed",
        Flow::Ack => "ack/result",
        Flow::Live => "live/door",
        Flow::Metric => "metric/agent",
        Flow::Command => "command/c1",
        Flow::Reply => "reply/c1",
    }
}

/// Whether the table allows it. Roles without an own place have it as one of the site's.
fn in_table(role: &str, broker: &str, direction: &str, place: &str, flow: Flow) -> bool {
    let own_is_site = !matches!(role, "device" | "direct" | "stranger" | "by-device");
    let place = if place == "own" && own_is_site {
        "site"
    } else {
        place
    };
    ALLOWED.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [r, b, d, p, flows @ ..] = words.as_slice() else {
            return false;
        };
        let named = flows
            .iter()
            .any(|word| *word == "all" || *word == flow.to_string());
        [*r, *b, *d, *p] == [role, broker, direction, place] && named
    })
}

#[test]
fn the_table_is_the_rule() {
    let brokers = [
        ("home", Broker::Site(site("s1"))),
        ("away", Broker::Site(site("s2"))),
        ("cloud", Broker::Cloud),
    ];
    let mut differences = Vec::new();
    for role in ROLES {
        for (broker_word, broker) in &brokers {
            for (direction, where_) in pairs(&DIRECTIONS, &PLACES) {
                for flow in Flow::ALL {
                    let (org, site, device) = place(role, where_);
                    let topic: Topic =
                        topic(&format!("noroshi/v1/{org}/{site}/{device}/{}", name(flow)));
                    let action = match direction {
                        "publish" => Action::Publish(&topic),
                        "receive" => Action::Receive(&topic),
                        _ => Action::Will(&topic),
                    };
                    let decided = decide(&principal(role), broker, action);
                    // A dashboard may be at any broker; what is not there does not flow there.
                    let reader = matches!(role, "everyone" | "by-site" | "by-device");
                    let known = if reader && *broker_word == "away" {
                        "home"
                    } else {
                        broker_word
                    };
                    if decided.is_allowed() != in_table(role, known, direction, where_, flow) {
                        differences.push(format!(
                            "{role} {broker_word} {direction} {where_} {flow}: {decided:?}"
                        ));
                    }
                }
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn pairs<'a>(one: &'a [&'a str], other: &'a [&'a str]) -> Vec<(&'a str, &'a str)> {
    one.iter()
        .flat_map(|a| other.iter().map(move |b| (*a, *b)))
        .collect()
}

fn subscribe(role: &str, broker: &Broker, filter: &str) -> Result<(), String> {
    let filter: TopicFilter = filter.parse().unwrap();
    match decide(&principal(role), broker, Action::Subscribe(&filter)) {
        Decision::Allow => Ok(()),
        Decision::Deny(reason) => Err(reason.to_string()),
    }
}

#[test]
fn filters_are_refused_never_narrowed() {
    let home = Broker::Site(site("s1"));
    let cases = [
        ("device", "s1/d1/state/desired", ""),
        ("device", "s1/d1/ack/+", ""),
        ("device", "s1/d1/command/+", ""),
        (
            "device",
            "s1/d1/state/+",
            "a device may not receive state/reported at this broker",
        ),
        (
            "device",
            "s1/+/status/agent",
            "a device keeps to its own device there, and a filter names it",
        ),
        (
            "device",
            "+/d1/status/agent",
            "a device keeps to its own site, and a filter names it",
        ),
        ("device", "s1/d1/status/other", "no topic has such a name"),
        ("gateway", "s1/+/state/+", ""),
        (
            "gateway",
            "+/+/state/+",
            "a gateway keeps to its own site, and a filter names it",
        ),
        ("by-site", "s1/+/live/+", ""),
        (
            "by-site",
            "+/+/live/+",
            "the dashboard token does not cover all of it: ask for the sites or devices it names",
        ),
        ("by-device", "+/d1/metric/+", ""),
        (
            "by-device",
            "+/gateway/status/+",
            "the dashboard token does not cover all of it: ask for the sites or devices it names",
        ),
        (
            "everyone",
            "+/+/result/+",
            "a dashboard may not receive result at this broker",
        ),
    ];
    for (role, filter, reason) in cases {
        let filter = format!("noroshi/v1/acme/{filter}");
        let expected = if reason.is_empty() {
            Ok(())
        } else {
            Err(reason.to_owned())
        };
        assert_eq!(subscribe(role, &home, &filter), expected, "{role} {filter}");
    }
    assert_eq!(
        subscribe("cloud", &Broker::Cloud, "noroshi/v1/acme/+/+/result/+"),
        Ok(())
    );
    assert_eq!(
        subscribe("gateway", &Broker::Cloud, "noroshi/v1/acme/s1/+/ack/+"),
        Ok(())
    );
    assert_eq!(
        subscribe("gateway", &Broker::Cloud, "noroshi/v1/acme/s1/+/status/+"),
        Err("a gateway keeps to its own device there, and a filter names it".into())
    );
    assert_eq!(
        subscribe(
            "device",
            &Broker::Cloud,
            "noroshi/v1/acme/s1/d1/state/desired"
        ),
        Err("a device of that site has no business at this broker".into())
    );
}

#[test]
fn a_client_id_is_the_certificates() {
    let identity: Identity = "noroshi://acme/device/d1".parse().unwrap();
    assert_eq!(admit(&identity, "acme/device/d1"), Ok(()));
    assert_eq!(
        admit(&identity, "acme/device/d2").unwrap_err().to_string(),
        "the client id must be \"acme/device/d1\", as in the certificate"
    );
    let Principal::Dashboard(grant) = principal("everyone") else {
        unreachable!()
    };
    assert_eq!(admit_grant(&grant, 0), Ok(()));
    assert!(admit_grant(&grant, 1).is_err());
}

fn principals() -> impl Strategy<Value = Principal> {
    prop::sample::select(&ROLES[..]).prop_map(principal)
}

fn brokers() -> impl Strategy<Value = Broker> {
    prop::sample::select(vec![
        Broker::Cloud,
        Broker::Site(site("s1")),
        Broker::Site(site("s2")),
    ])
}

fn channels() -> impl Strategy<Value = Channel> {
    prop::sample::select(vec![
        Channel::Status,
        Channel::Desired,
        Channel::Reported,
        Channel::Choice,
        Channel::Result("door".parse().unwrap()),
        Channel::Event("drop".parse().unwrap()),
        Channel::Ack(Stream::Result),
        Channel::Ack(Stream::Event),
        Channel::Live("door".parse().unwrap()),
        Channel::Metric("agent".parse().unwrap()),
        Channel::Command("c1".parse().unwrap()),
        Channel::Reply("c1".parse().unwrap()),
    ])
}

fn topics() -> impl Strategy<Value = Topic> {
    let orgs = prop::sample::select(vec!["acme", "other"]);
    let sites = prop::sample::select(vec!["s1", "s2", "direct"]);
    let devices = prop::sample::select(vec!["d1", "d2", "d9", "gateway"]);
    (orgs, sites, devices, channels()).prop_map(|(org, at, id, channel)| Topic {
        org: org.parse::<OrgId>().unwrap(),
        site: site(at),
        device: device(id),
        channel,
    })
}

/// A filter that matches the topic, with any of its levels open.
fn filters(topic: &Topic, open: [bool; 3]) -> TopicFilter {
    let mut filter = TopicFilter::from(topic);
    filter.site = filter.site.filter(|_| !open[0]);
    filter.device = filter.device.filter(|_| !open[1]);
    filter.name = filter.name.filter(|_| !open[2]);
    filter
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nobody_touches_another_organisation(
        principal in principals(), broker in brokers(), topic in topics(), open: [bool; 3],
    ) {
        let mut topic = topic;
        topic.org = "other".parse().unwrap();
        let filter = filters(&topic, open);
        for action in [
            Action::Publish(&topic),
            Action::Receive(&topic),
            Action::Will(&topic),
            Action::Subscribe(&filter),
        ] {
            prop_assert!(!decide(&principal, &broker, action).is_allowed());
        }
    }

    #[test]
    fn a_device_never_says_what_it_is_to_be_told(
        broker in brokers(), topic in topics(), direct: bool,
    ) {
        let principal = principal(if direct { "direct" } else { "device" });
        let downward = matches!(
            topic.channel.kind(), Kind::Choice | Kind::Ack | Kind::Command | Kind::Live
        ) || topic.channel == Channel::Desired;
        if downward {
            prop_assert!(!decide(&principal, &broker, Action::Publish(&topic)).is_allowed());
            prop_assert!(!decide(&principal, &broker, Action::Will(&topic)).is_allowed());
        }
    }

    #[test]
    fn what_an_allowed_filter_matches_may_be_received(
        principal in principals(), broker in brokers(), seed in topics(), open: [bool; 3],
        others in prop::collection::vec(topics(), 60),
    ) {
        let filter = filters(&seed, open);
        if decide(&principal, &broker, Action::Subscribe(&filter)).is_allowed() {
            for topic in others.iter().chain([&seed]).filter(|topic| filter.matches(topic)) {
                let decided = decide(&principal, &broker, Action::Receive(topic));
                prop_assert!(decided.is_allowed(), "{filter} {topic} {decided:?}");
            }
        }
        // A filter of one topic is that topic.
        let one = TopicFilter::from(&seed);
        prop_assert_eq!(
            decide(&principal, &broker, Action::Subscribe(&one)),
            decide(&principal, &broker, Action::Receive(&seed))
        );
    }
}
