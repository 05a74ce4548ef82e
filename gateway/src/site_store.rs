//! The desired documents of a site, on disk: what the broker retains is rebuilt from them at a
//! start without the cloud, and devices that ask by HTTPS get them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use noroshi_protocol::{DeviceId, limits};
use noroshi_service::files;
use tracing::warn;

use crate::GatewayError;

/// Devices of one site.
const DEVICES: usize = 4_096;

/// Documents by device; the plans of the site are `gateway`'s. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SiteStore {
    folder: PathBuf,
    documents: Arc<Mutex<BTreeMap<DeviceId, Bytes>>>,
}

impl SiteStore {
    /// Reads the folder, which is made if it is not there.
    pub fn open(folder: PathBuf) -> Result<Self, GatewayError> {
        files::create_private_folder(&folder)?;
        let mut documents = BTreeMap::new();
        let entries = std::fs::read_dir(&folder).map_err(GatewayError::io("read", &folder))?;
        for entry in entries {
            let path = entry.map_err(GatewayError::io("read", &folder))?.path();
            let device = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            let is_document = path
                .extension()
                .is_some_and(|extension| extension == "cbor");
            let (Some(device), true) = (device, is_document) else {
                continue;
            };
            match files::read_bounded(&path, limits::STATE as u64) {
                Ok(bytes) => drop(documents.insert(device, Bytes::from(bytes))),
                Err(error) => warn!(%error, "a desired document is left out"),
            }
        }
        Ok(Self {
            folder,
            documents: Arc::new(Mutex::new(documents)),
        })
    }

    fn documents(&self) -> std::sync::MutexGuard<'_, BTreeMap<DeviceId, Bytes>> {
        self.documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// All documents.
    pub fn all(&self) -> Vec<(DeviceId, Bytes)> {
        self.documents()
            .iter()
            .map(|(device, bytes)| (device.clone(), bytes.clone()))
            .collect()
    }

    /// A device's document.
    pub fn get(&self, device: &DeviceId) -> Option<Bytes> {
        self.documents().get(device).cloned()
    }

    /// Keeps a document, durably; an empty one is deleted. Answers whether it is another one
    /// than before.
    pub fn put(&self, device: &DeviceId, document: Bytes) -> Result<bool, GatewayError> {
        let known = self.get(device);
        if known.as_ref() == Some(&document) || (known.is_none() && document.is_empty()) {
            return Ok(false);
        }
        let path = self.folder.join(format!("{device}.cbor"));
        if document.is_empty() {
            std::fs::remove_file(&path).map_err(GatewayError::io("remove", &path))?;
            self.documents().remove(device);
            return Ok(true);
        }
        if known.is_none() && self.documents().len() >= DEVICES {
            return Err(GatewayError::Invalid(format!(
                "a site has at most {DEVICES} devices"
            )));
        }
        files::write_atomic(&path, &document)?;
        self.documents().insert(device.clone(), document);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_survive_and_empty_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = SiteStore::open(folder.path().join("desired")).unwrap();
        let (one, two) = ("one".parse().unwrap(), "two".parse().unwrap());
        assert!(store.put(&one, "a".into()).unwrap());
        assert!(!store.put(&one, "a".into()).unwrap());
        assert!(store.put(&two, "b".into()).unwrap());
        assert!(store.put(&two, Bytes::new()).unwrap());
        assert!(!store.put(&two, Bytes::new()).unwrap());
        let store = SiteStore::open(folder.path().join("desired")).unwrap();
        assert_eq!(store.all(), [(one, Bytes::from("a"))]);
    }
}
