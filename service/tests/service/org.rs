//! An organisation with a CA, and clocks that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use noroshi_protocol::{Anchor, Identity as Peer, Message as _, SigningKey};
use noroshi_service::clock::{ClockOptions, Readings, SessionClock};
use noroshi_service::tls::{
    CertificateAuthority, Identity, Leaf, TrustAnchors, install_provider, new_device_key,
};
use rustls::pki_types::CertificateDer;
use serde_bytes::ByteBuf;

pub(crate) const NOW_MS: u64 = 1_795_000_000_000;
pub(crate) const DAY: Duration = Duration::from_hours(24);

pub(crate) struct Org {
    authority: CertificateAuthority,
    pub(crate) anchor: Anchor,
}

impl Org {
    pub(crate) fn new(name: &str) -> Self {
        install_provider();
        let org = name.parse().unwrap();
        let (key, certificate) = CertificateAuthority::create(&org, NOW_MS).unwrap();
        let answer_key = SigningKey::from_pkcs8(&new_device_key().unwrap()).unwrap();
        let anchor = Anchor {
            format: 1,
            org: org.clone(),
            ca: vec![ByteBuf::from(certificate.to_vec())],
            root: b"{}".to_vec(),
            answer_key: answer_key.public().clone(),
            development: true,
        };
        let authority = CertificateAuthority::open(org, &key, certificate).unwrap();
        Self { authority, anchor }
    }

    pub(crate) fn peer(&self, path: &str) -> Peer {
        format!("noroshi://{}/{path}", self.anchor.org)
            .parse()
            .unwrap()
    }

    pub(crate) fn certify(&self, path: &str, key: &[u8]) -> CertificateDer<'static> {
        let leaf = Leaf {
            peer: self.peer(path),
            public_key: SigningKey::from_pkcs8(key).unwrap().public().clone(),
            issued_ms: NOW_MS,
            lifetime: DAY * 90,
        };
        self.authority.issue(&leaf).unwrap()
    }

    pub(crate) fn identity(&self, path: &str) -> Identity {
        let key = new_device_key().unwrap();
        let certificate = self.certify(path, &key);
        Identity::new(key, vec![certificate], self.anchor.clone()).unwrap()
    }

    pub(crate) fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_anchor(&self.anchor).unwrap()
    }

    pub(crate) fn anchor_bytes(&self) -> Vec<u8> {
        self.anchor.to_cbor()
    }
}

/// What the operating system says in a test.
#[derive(Debug, Default)]
pub(crate) struct Machine {
    pub(crate) wall_ms: AtomicU64,
    pub(crate) synchronized: AtomicBool,
}

struct ReadMachine(Arc<Machine>);

impl Readings for ReadMachine {
    fn monotonic_ms(&self) -> u64 {
        1_000
    }

    fn wall_ms(&self) -> u64 {
        self.0.wall_ms.load(Ordering::Relaxed)
    }

    fn is_synchronized(&self) -> bool {
        self.0.synchronized.load(Ordering::Relaxed)
    }
}

/// A clock whose system says `wall_ms`, with a floor shortly after the certificates began.
pub(crate) fn clock_at(wall_ms: u64) -> Arc<SessionClock> {
    let machine = Arc::new(Machine {
        wall_ms: wall_ms.into(),
        synchronized: false.into(),
    });
    let options = ClockOptions {
        floor_ms: NOW_MS + 60_000,
        trust_system_clock: false,
    };
    Arc::new(SessionClock::new(Box::new(ReadMachine(machine)), options))
}

pub(crate) fn right_clock() -> Arc<SessionClock> {
    clock_at(NOW_MS + 120_000)
}
