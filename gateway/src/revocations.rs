//! Certificates that the site lets in no more, as the site's signed document has them.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use noroshi_protocol::{CertificateSerial, Revocation};

/// The revoked certificates. Cheap to clone; every door asks the same list.
#[derive(Debug, Clone, Default)]
pub struct Revocations(Arc<RwLock<BTreeSet<CertificateSerial>>>);

impl Revocations {
    /// Whether a certificate was revoked.
    pub fn forbids(&self, serial: &CertificateSerial) -> bool {
        self.serials().contains(serial)
    }

    /// As [`forbids`](Self::forbids), by the serial's text; what is none is forbidden.
    pub fn forbids_text(&self, serial: Option<&str>) -> bool {
        serial
            .and_then(|serial| serial.parse().ok())
            .is_none_or(|serial| self.forbids(&serial))
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.serials().is_empty()
    }

    /// Takes the list of a newer document; answers what was not in the one before.
    pub fn replace(&self, revoked: &[Revocation]) -> Vec<Revocation> {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let new = revoked
            .iter()
            .filter(|revocation| !known.contains(&revocation.serial))
            .cloned()
            .collect();
        *known = revoked
            .iter()
            .map(|revocation| revocation.serial.clone())
            .collect();
        new
    }

    fn serials(&self) -> std::sync::RwLockReadGuard<'_, BTreeSet<CertificateSerial>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revocation(serial: &str) -> Revocation {
        Revocation {
            serial: serial.parse().unwrap(),
            device: None,
        }
    }

    #[test]
    fn only_what_is_new_is_answered_and_only_what_is_listed_is_forbidden() {
        let revocations = Revocations::default();
        assert!(revocations.is_empty());
        let (one, two) = (revocation("0a"), revocation("0b"));
        assert_eq!(
            revocations.replace(std::slice::from_ref(&one)),
            std::slice::from_ref(&one)
        );
        assert_eq!(
            revocations.replace(&[one.clone(), two.clone()]),
            std::slice::from_ref(&two)
        );
        assert!(revocations.forbids(&one.serial) && revocations.forbids_text(Some("0A")));
        // It has expired, and is on the list no more.
        assert!(revocations.replace(&[two]).is_empty());
        assert!(!revocations.forbids(&one.serial));
        assert!(revocations.forbids_text(None), "no certificate of ours");
    }
}
