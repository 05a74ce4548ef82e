//! Devices that never come back after a restart of the gateway: their will died with the old
//! broker, so the gateway says *lost* for them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use noroshi_protocol::{Channel, DeviceId, Presence, Status};
use noroshi_service::files;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::GatewayError;
use crate::bridge::Uplink;
use crate::start::Start;

/// Devices have this long to connect again.
const GRACE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_secs(5);
const FILE_BYTES: u64 = 8 << 20;

type Statuses = BTreeMap<DeviceId, Status>;

/// Remembers who was there.
pub(crate) struct Attendance {
    pub(crate) file: PathBuf,
    pub(crate) uplink: Uplink,
    pub(crate) start: Start,
    /// How long to wait for devices after the start.
    pub(crate) grace: Duration,
}

impl Attendance {
    pub(crate) fn new(file: PathBuf, uplink: Uplink, start: Start) -> Self {
        let grace = GRACE;
        Self {
            file,
            uplink,
            start,
            grace,
        }
    }

    /// Runs until `stop` is cancelled.
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), GatewayError> {
        let mut before = self.read()?;
        let mut written = before.clone();
        let over = Instant::now() + self.grace;
        let mut look = tokio::time::interval(LOOK.min(self.grace));
        loop {
            let stopping = tokio::select! {
                () = stop.cancelled() => true,
                _ = look.tick() => false,
            };
            if Instant::now() >= over {
                self.miss(&std::mem::take(&mut before));
            }
            let mut now = before.clone();
            now.extend(self.uplink.statuses());
            if now != written {
                self.write(&now)?;
                written = now;
            }
            if stopping {
                return Ok(());
            }
        }
    }

    /// Says *lost* for devices that were there and have not been heard of since.
    fn miss(&self, before: &Statuses) {
        let heard = self.uplink.statuses();
        for (device, status) in before {
            if status.status != Presence::Online || heard.contains_key(device) {
                continue;
            }
            info!(device.id = %device, "it has not come back since the gateway's restart");
            let lost = Status {
                status: Presence::Lost,
                ..status.clone()
            };
            let topic = self.start.topic_of(device.clone(), Channel::Status);
            self.uplink.offer(topic, lost.to_json().into());
        }
    }

    fn read(&self) -> Result<Statuses, GatewayError> {
        match files::read_bounded(&self.file, FILE_BYTES) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                warn!(%error, "who was there before can't be read back");
                Statuses::new()
            })),
            Err(error) if error.is_not_found() => Ok(Statuses::new()),
            Err(error) => Err(error.into()),
        }
    }

    fn write(&self, statuses: &Statuses) -> Result<(), GatewayError> {
        let bytes = serde_json::to_vec(statuses).expect("statuses by id are JSON");
        Ok(files::write_atomic(&self.file, &bytes)?)
    }
}

#[cfg(test)]
mod tests {
    use noroshi_protocol::{BootId, OsBoot};

    use super::*;

    fn online(connection: u64) -> Status {
        Status {
            status: Presence::Online,
            start: 1,
            connection,
            boot: BootId::from_bytes([1; 16]),
            since_ms: 0,
            version: "1".into(),
        }
    }

    #[tokio::test]
    async fn who_does_not_come_back_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let start = Start {
            org: "o".parse().unwrap(),
            site: "s".parse().unwrap(),
            number: 1,
            boot: BootId::from_bytes([2; 16]),
            os_boot: OsBoot::from_bytes([3; 16]),
        };
        let one = |uplink: &Uplink| {
            Attendance::new(
                folder.path().join("presence.json"),
                uplink.clone(),
                start.clone(),
            )
        };
        let say = |uplink: &Uplink, device: &str, connection| {
            let topic = start.topic_of(device.parse().unwrap(), Channel::Status);
            uplink.offer(topic, online(connection).to_json().into());
        };
        let uplink = Uplink::default();
        say(&uplink, "back", 1);
        say(&uplink, "gone", 1);
        let stop = CancellationToken::new();
        stop.cancel();
        one(&uplink).run(stop).await.unwrap();

        let uplink = Uplink::default();
        say(&uplink, "back", 2);
        let stop = CancellationToken::new();
        let running = Attendance {
            grace: Duration::from_millis(20),
            ..one(&uplink)
        };
        let running = running.run(stop.clone());
        let of = |device: &str| {
            uplink
                .statuses()
                .get(&device.parse().unwrap())
                .map(|s| s.status)
        };
        let gone = async {
            let mut pace = tokio::time::interval(Duration::from_millis(2));
            while of("gone").is_none() {
                pace.tick().await;
            }
        };
        tokio::select! {
            _ = running => unreachable!("it is not stopped"),
            _ = tokio::time::timeout(GRACE, gone) => {}
        }
        assert_eq!(of("gone"), Some(Presence::Lost));
        assert_eq!(of("back"), Some(Presence::Online));
    }
}
