//! Desired documents and site plans: composed from the store, signed, kept, then published.
//!
//! What a document says is derived each time from assignments and open rollouts, so issuing is
//! idempotent: a lost effect is made up for by issuing again. The store is the truth; retained
//! MQTT is only the wake-up.

use bytes::Bytes;
use noroshi_fleet::assignment::next_sequence;
use noroshi_fleet::rollout::{DesiredOf, Rollout};
use noroshi_protocol::{
    Channel, Desired, DeviceId, Domain, Envelope, Message, Plan, SiteDesired, SiteId, SitePlan,
    Topic, limits,
};

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::store::{DesiredRow, PeerRow, RolloutRow, peer_key};

/// A device's document format.
const FORMAT: u32 = 1;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

impl Cloud {
    /// Issues a device's document if it should say something new, or has lived half of its life.
    /// Whether it was issued.
    pub async fn issue_device(&self, device: &str) -> Result<bool> {
        let _one_at_a_time = self.issuing.lock().await;
        let Some(peer) = self.store.peer(device).await?.filter(is_live_device) else {
            return Ok(false);
        };
        let id = peer.device_id()?;
        let (pipelines, plan) = self.wanted(&id).await?;
        let current = self.store.desired(device).await?;
        let now_ms = self.signing_time()?;
        if let Some(current) = &current
            && !is_half_over(current, now_ms)
        {
            let said = Desired::from_cbor(&current.payload)
                .map_err(|error| Error::corrupt("desired document", error))?;
            if said.pipelines == pipelines && said.plan == plan {
                return Ok(false);
            }
        } else if current.is_none() && pipelines.is_empty() && plan.is_none() {
            return Ok(false);
        }
        let desired = Desired {
            format: FORMAT,
            org: self.org.clone(),
            device: id.clone(),
            sequence: self.next(device, now_ms).await?,
            issued_ms: now_ms,
            expires_ms: self.expiry(now_ms),
            pipelines,
            plan,
        };
        let envelope = Envelope::seal(Domain::Desired, &desired, &self.online_key);
        let site = peer.site_id()?;
        let times = (desired.sequence, now_ms, desired.expires_ms);
        self.send(device, &site, &id, times, envelope).await
    }

    /// Issues the document of a site (its plans, and revoked certificates) if it should say
    /// something new. Whether it was.
    pub async fn issue_site(&self, site: &SiteId) -> Result<bool> {
        let _one_at_a_time = self.issuing.lock().await;
        let key = peer_key(site, &DeviceId::gateway());
        let plans = self.plans_of(site).await?;
        let current = self.store.desired(&key).await?;
        let now_ms = self.signing_time()?;
        let revoked = self.store.revocations(site, now_ms).await?;
        if let Some(current) = &current
            && !is_half_over(current, now_ms)
        {
            let said = SiteDesired::from_cbor(&current.payload)
                .map_err(|error| Error::corrupt("site plan", error))?;
            if said.plans == plans && said.revoked == revoked {
                return Ok(false);
            }
        } else if current.is_none() && plans.is_empty() && revoked.is_empty() {
            return Ok(false);
        }
        let desired = SiteDesired {
            format: FORMAT,
            org: self.org.clone(),
            site: site.clone(),
            sequence: self.next(&key, now_ms).await?,
            issued_ms: now_ms,
            expires_ms: self.expiry(now_ms),
            plans,
            revoked,
        };
        let envelope = Envelope::seal(Domain::SitePlan, &desired, &self.online_key);
        let times = (desired.sequence, now_ms, desired.expires_ms);
        let sent = self
            .send(&key, site, &DeviceId::gateway(), times, envelope)
            .await?;
        if let Some(plans) = self.plans().filter(|_| *site == self.direct()) {
            plans.desired(desired);
        }
        Ok(sent)
    }

    async fn next(&self, key: &str, now_ms: u64) -> Result<u64> {
        Ok(next_sequence(
            self.store.desired_sequence(key).await?,
            now_ms,
        ))
    }

    fn expiry(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add(self.config.desired_days.saturating_mul(DAY_MS))
    }

    // Kept first: what was published is in the store, whatever happens in between.
    async fn send(
        &self,
        key: &str,
        site: &SiteId,
        device: &DeviceId,
        (sequence, issued_ms, expires_ms): (u64, u64, u64),
        envelope: Envelope,
    ) -> Result<bool> {
        let bytes = envelope.to_cbor();
        if bytes.len() > limits::STATE {
            let detail = format!(
                "the document of {key} would have {} bytes, {} at most: give it fewer pipelines",
                bytes.len(),
                limits::STATE
            );
            return Err(Error::invalid(detail));
        }
        let row = DesiredRow {
            peer: key.to_owned(),
            sequence: crate::store::signed(sequence),
            issued_ms: crate::store::signed(issued_ms),
            expires_ms: crate::store::signed(expires_ms),
            payload: envelope.payload,
            envelope: bytes.clone(),
        };
        if !self.store.keep_desired(&row).await? {
            return Ok(false);
        }
        tracing::info!(device.id = %key, desired.sequence = sequence, "issued");
        self.outlet()
            .publish(&self.desired_topic(site, device), bytes.into())
            .await;
        Ok(true)
    }

    fn desired_topic(&self, site: &SiteId, device: &DeviceId) -> Topic {
        Topic {
            org: self.org.clone(),
            site: site.clone(),
            device: device.clone(),
            channel: Channel::Desired,
        }
    }

    /// What a device should run, and its plan, from its assignments and its open rollout.
    async fn wanted(
        &self,
        device: &DeviceId,
    ) -> Result<(Vec<noroshi_protocol::Assignment>, Option<Plan>)> {
        let base = self.store.assignments_of(device.as_str()).await?;
        let Some(open) = self.store.open_rollout_of(device.as_str()).await? else {
            return Ok((base, None));
        };
        let id = open
            .parse()
            .map_err(|error| Error::corrupt("rollout id", error))?;
        let rollout = read_rollout(&self.store.rollout(&id).await?)?;
        let wanted = rollout.desired(device);
        if matches!(wanted, DesiredOf::Unchanged | DesiredOf::Return) {
            return Ok((base, None));
        }
        let targets = self.store.rollout_targets(&open).await?;
        let target = targets.into_iter().find(|target| target.device == *device);
        let target = target.ok_or_else(|| Error::corrupt("rollout", "a device has no target"))?;
        let DesiredOf::Plan(plan) = wanted else {
            // Succeeded, whether the assignments have been changed yet or not.
            let pipelines = if base == target.before {
                target.target
            } else {
                base
            };
            return Ok((pipelines, None));
        };
        let spec = rollout.spec();
        let plan = Plan {
            id: plan,
            rollout: id,
            pipelines: target.target,
            prepare_ms: spec.prepare_ms,
            trial_ms: spec.trial_ms,
        };
        Ok((base, Some(plan)))
    }

    async fn plans_of(&self, site: &SiteId) -> Result<Vec<SitePlan>> {
        let mut plans = Vec::new();
        for row in self.store.open_rollouts().await? {
            let all = read_rollout(&row)?.site_plans();
            plans.extend(
                all.into_iter()
                    .filter(|(of, _)| of == site)
                    .map(|(_, plan)| plan),
            );
        }
        Ok(plans)
    }

    /// The plans of the site that the cloud serves itself.
    pub async fn direct_plans(&self) -> Result<Option<SiteDesired>> {
        let key = peer_key(&self.direct(), &DeviceId::gateway());
        let Some(row) = self.store.desired(&key).await? else {
            return Ok(None);
        };
        SiteDesired::from_cbor(&row.payload)
            .map(Some)
            .map_err(|error| Error::corrupt("site plan", error))
    }

    /// Publishes every kept document again: the broker forgets them when it stops.
    pub async fn publish_documents(&self) -> Result<()> {
        for row in self.store.every_desired().await? {
            let (site, device) = match row.peer.split_once('/') {
                Some((site, _)) => {
                    let site = site
                        .parse()
                        .map_err(|error| Error::corrupt("site id", error))?;
                    (site, DeviceId::gateway())
                }
                None => match self.store.peer(&row.peer).await?.filter(is_live_device) {
                    Some(peer) => (peer.site_id()?, peer.device_id()?),
                    None => continue,
                },
            };
            let topic = self.desired_topic(&site, &device);
            self.outlet().publish(&topic, row.envelope.into()).await;
        }
        Ok(())
    }

    /// Issues again whatever has lived half of its life.
    pub async fn renew_documents(&self) -> Result<()> {
        let now_ms = self.signing_time()?;
        let half = self.config.desired_days.saturating_mul(DAY_MS) / 2;
        for key in self
            .store
            .expiring_desired(now_ms.saturating_add(half))
            .await?
        {
            self.issue(&key).await?;
        }
        Ok(())
    }

    /// Issues the document of the peer `key`: a site's for its gateway, or a device's.
    pub(crate) async fn issue(&self, key: &str) -> Result<()> {
        match key.split_once('/') {
            Some((site, _)) => {
                let site = site
                    .parse()
                    .map_err(|error| Error::corrupt("site id", error))?;
                self.issue_site(&site).await?;
            }
            None => {
                self.issue_device(key).await?;
            }
        }
        Ok(())
    }

    /// A peer's newest document as it is sent, for whoever fetches it.
    pub async fn document(&self, key: &str) -> Result<Bytes> {
        let row = self.store.desired(key).await?;
        row.map(|row| row.envelope.into())
            .ok_or_else(|| Error::not_found("desired document", key))
    }

    /// Clears what is retained for a device that was revoked.
    pub async fn clear_topics(&self, peer: &PeerRow) -> Result<()> {
        for channel in [
            Channel::Desired,
            Channel::Choice,
            Channel::Status,
            Channel::Reported,
        ] {
            let topic = Topic {
                org: self.org.clone(),
                site: peer.site_id()?,
                device: peer.device_id()?,
                channel,
            };
            self.outlet().publish(&topic, Bytes::new()).await;
        }
        Ok(())
    }
}

fn is_live_device(peer: &PeerRow) -> bool {
    peer.kind == "device" && peer.revoked_ms.is_none()
}

fn is_half_over(row: &DesiredRow, now_ms: u64) -> bool {
    let half = row.issued_ms + (row.expires_ms - row.issued_ms) / 2;
    crate::store::signed(now_ms) >= half
}

/// The rollout in a row.
pub(crate) fn read_rollout(row: &RolloutRow) -> Result<Rollout> {
    serde_json::from_str(&row.facts).map_err(|error| Error::corrupt("rollout", error))
}
