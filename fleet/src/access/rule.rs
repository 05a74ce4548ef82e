//! The rule itself: one function on principal, broker, direction and what is asked for.

use noroshi_protocol::{DeviceId, Grant, OrgId, SiteId, Topic};

use super::{Action, Broker, Flow, Principal, Reason, Role};

/// Which way a message goes, seen from the principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// From the principal.
    Publish,
    /// To the principal.
    Receive,
    /// From the broker in the principal's name.
    Will,
}

impl Direction {
    const fn word(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Receive => "receive",
            Self::Will => "leave a will on",
        }
    }
}

/// The topics asked for: one, or all those of an open filter with one flow.
struct Asked<'a> {
    org: &'a OrgId,
    site: Option<&'a SiteId>,
    device: Option<&'a DeviceId>,
    flow: Flow,
}

impl<'a> Asked<'a> {
    fn topic(topic: &'a Topic) -> Self {
        Self {
            org: &topic.org,
            site: Some(&topic.site),
            device: Some(&topic.device),
            flow: Flow::of(&topic.channel),
        }
    }

    fn keep_site(&self, role: Role, site: &SiteId) -> Result<(), Reason> {
        if self.site == Some(site) {
            Ok(())
        } else {
            Err(Reason::OtherSite(role))
        }
    }

    fn keep_device(&self, role: Role, device: &DeviceId) -> Result<(), Reason> {
        if self.device == Some(device) {
            Ok(())
        } else {
            Err(Reason::OtherDevice(role))
        }
    }
}

pub(super) fn check(
    principal: &Principal,
    broker: &Broker,
    action: Action<'_>,
) -> Result<(), Reason> {
    let one = |topic, direction| may(principal, broker, direction, &Asked::topic(topic));
    match action {
        Action::Publish(topic) => one(topic, Direction::Publish),
        Action::Receive(topic) => one(topic, Direction::Receive),
        Action::Will(topic) => one(topic, Direction::Will),
        Action::Subscribe(filter) => {
            let flows = Flow::covered(filter);
            if flows.is_empty() {
                return Err(Reason::NamesNothing);
            }
            flows.into_iter().try_for_each(|flow| {
                let asked = Asked {
                    org: &filter.org,
                    site: filter.site.as_ref(),
                    device: filter.device.as_ref(),
                    flow,
                };
                may(principal, broker, Direction::Receive, &asked)
            })
        }
    }
}

fn may(
    principal: &Principal,
    broker: &Broker,
    direction: Direction,
    asked: &Asked<'_>,
) -> Result<(), Reason> {
    if principal.org() != asked.org {
        return Err(Reason::OtherOrganisation);
    }
    match (principal, broker) {
        (Principal::Device { device, site, .. }, _) => {
            device_may(device, site, broker, direction, asked)
        }
        (Principal::Gateway { site, .. }, Broker::Site(own)) if site == own => {
            gateway_at_home(site, direction, asked)
        }
        (Principal::Gateway { site, .. }, Broker::Cloud) if *site != SiteId::direct() => {
            gateway_at_cloud(site, direction, asked)
        }
        (Principal::Cloud { .. }, Broker::Cloud) => cloud_may(direction, asked),
        (Principal::Dashboard(grant), _) => dashboard_may(grant, direction, asked),
        (Principal::Gateway { .. } | Principal::Cloud { .. }, _) => {
            Err(Reason::NotHere(principal.role()))
        }
    }
}

/// The same at a site's broker and, for the site `direct`, at the cloud's.
fn device_may(
    device: &DeviceId,
    site: &SiteId,
    broker: &Broker,
    direction: Direction,
    asked: &Asked<'_>,
) -> Result<(), Reason> {
    let role = Role::Device;
    if *device == DeviceId::gateway() {
        return Err(Reason::Reserved);
    }
    let here = match broker {
        Broker::Cloud => *site == SiteId::direct(),
        Broker::Site(own) => site == own,
    };
    if !here {
        return Err(Reason::NotHere(role));
    }
    asked.keep_site(role, site)?;
    asked.keep_device(role, device)?;
    flows(role, direction, asked.flow, |direction, flow| {
        match direction {
            Direction::Publish => flow.is_upward(),
            // Its own status: an agent that sees itself *lost* says otherwise.
            Direction::Receive => matches!(
                flow,
                Flow::Desired | Flow::Choice | Flow::Command | Flow::Ack | Flow::Status
            ),
            Direction::Will => flow == Flow::Status,
        }
    })
}

/// At its own broker: it says downward what the cloud and itself decide, and hears everything.
fn gateway_at_home(site: &SiteId, direction: Direction, asked: &Asked<'_>) -> Result<(), Reason> {
    let role = Role::Gateway;
    asked.keep_site(role, site)?;
    if direction == Direction::Receive {
        return Ok(());
    }
    if asked.flow.is_upward() {
        // In a device's name it says nothing at home; the device itself is there.
        asked.keep_device(role, &DeviceId::gateway())?;
    }
    flows(role, direction, asked.flow, |direction, flow| {
        direction == Direction::Publish || flow == Flow::Status
    })
}

/// At the cloud: it brings up what its devices say, and fetches what is meant for them.
fn gateway_at_cloud(site: &SiteId, direction: Direction, asked: &Asked<'_>) -> Result<(), Reason> {
    let role = Role::Gateway;
    asked.keep_site(role, site)?;
    flows(
        role,
        direction,
        asked.flow,
        |direction, flow| match direction {
            Direction::Publish => flow.is_upward(),
            Direction::Receive => matches!(
                flow,
                Flow::Desired | Flow::Command | Flow::Ack | Flow::Status
            ),
            Direction::Will => flow == Flow::Status,
        },
    )?;
    let own_only = direction == Direction::Will
        || (direction == Direction::Receive && asked.flow == Flow::Status);
    if own_only {
        asked.keep_device(role, &DeviceId::gateway())?;
    }
    Ok(())
}

fn cloud_may(direction: Direction, asked: &Asked<'_>) -> Result<(), Reason> {
    let role = Role::Cloud;
    flows(role, direction, asked.flow, |direction, flow| {
        match direction {
            Direction::Publish => matches!(
                flow,
                Flow::Desired
                    | Flow::Choice
                    | Flow::Command
                    | Flow::Ack
                    | Flow::Live
                    // Marks: a device whose gateway is away is unknown.
                    | Flow::Status
            ),
            Direction::Receive => true,
            Direction::Will => false,
        }
    })?;
    if direction == Direction::Publish && asked.flow == Flow::Choice {
        // Elsewhere the site's gateway chooses, from the plan that the cloud signed.
        asked.keep_site(role, &SiteId::direct())?;
    }
    Ok(())
}

fn dashboard_may(grant: &Grant, direction: Direction, asked: &Asked<'_>) -> Result<(), Reason> {
    flows(Role::Dashboard, direction, asked.flow, |direction, flow| {
        direction == Direction::Receive && matches!(flow, Flow::Live | Flow::Status | Flow::Metric)
    })?;
    let every_site = grant.sites.is_empty() && grant.devices.is_empty();
    let by_site = asked.site.is_some_and(|site| grant.sites.contains(site));
    // Every site has a `gateway`, so as a single device it would mean all of them.
    let by_device = asked
        .device
        .is_some_and(|device| *device != DeviceId::gateway() && grant.devices.contains(device));
    if every_site || by_site || by_device {
        Ok(())
    } else {
        Err(Reason::NotGranted)
    }
}

fn flows(
    role: Role,
    direction: Direction,
    flow: Flow,
    allowed: impl Fn(Direction, Flow) -> bool,
) -> Result<(), Reason> {
    if allowed(direction, flow) {
        Ok(())
    } else {
        Err(Reason::Direction {
            role,
            verb: direction.word(),
            flow,
        })
    }
}
