//! What `tough` asks for, answered from a caller's closure or from the mirror.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::stream;
use noroshi_protocol::limits;
use reqwest::Url;
use tough::{Bytes, Transport, TransportError, TransportErrorKind, TransportStream, async_trait};

use super::mirror::{Mirror, has_fixed_version};

type Answer = BoxFuture<'static, Result<Option<Vec<u8>>, String>>;
type Fetch = dyn Fn(String) -> Answer + Send + Sync;

/// Where metadata files come from.
#[derive(Clone)]
pub(super) struct Source {
    remote: Option<Arc<Fetch>>,
    mirror: Option<Mirror>,
}

impl Source {
    pub(super) fn remote<F, Fut>(fetch: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Vec<u8>>, String>> + Send + 'static,
    {
        Self {
            remote: Some(Arc::new(move |name| Box::pin(fetch(name)))),
            mirror: None,
        }
    }

    pub(super) fn mirror(mirror: Mirror) -> Self {
        Self {
            remote: None,
            mirror: Some(mirror),
        }
    }

    /// Takes files whose names fix their version from `mirror` if they are there.
    pub(super) fn preferring(mut self, mirror: Mirror) -> Self {
        self.mirror = Some(mirror);
        self
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, String> {
        let mirrored = match &self.mirror {
            Some(mirror) if self.remote.is_none() || has_fixed_version(name) => {
                mirror.read(name).map_err(|error| error.to_string())?
            }
            _ => None,
        };
        match (mirrored, &self.remote) {
            (Some(bytes), _) => Ok(Some(bytes)),
            (None, None) => Ok(None),
            (None, Some(fetch)) => fetch(name.to_owned()).await,
        }
    }
}

/// A transport that remembers what it brought.
#[derive(Clone)]
pub(super) struct Fetched {
    source: Source,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    files: HashMap<String, Vec<u8>>,
    failure: Option<String>,
}

impl Fetched {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            memory: Arc::default(),
        }
    }

    /// The files brought, by name.
    pub(super) fn take(&self) -> HashMap<String, Vec<u8>> {
        std::mem::take(&mut self.memory().files)
    }

    /// Why a file could not be had, if that happened.
    pub(super) fn failure(&self) -> Option<String> {
        self.memory().failure.clone()
    }

    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Fetched")
    }
}

#[async_trait]
impl Transport for Fetched {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let name = url
            .path_segments()
            .and_then(Iterator::last)
            .unwrap_or_default()
            .to_owned();
        let failed = |kind, reason: String| {
            TransportError::new_with_cause(kind, name.clone(), std::io::Error::other(reason))
        };
        match self.source.get(&name).await {
            Ok(Some(bytes)) if bytes.len() > limits::METADATA => Err(failed(
                TransportErrorKind::Other,
                "the file is too large".to_owned(),
            )),
            Ok(Some(bytes)) => {
                self.memory().files.insert(name, bytes.clone());
                Ok(Box::pin(stream::iter([Ok(Bytes::from(bytes))])))
            }
            Ok(None) => Err(failed(
                TransportErrorKind::FileNotFound,
                "not there".to_owned(),
            )),
            Err(reason) => {
                self.memory().failure = Some(reason.clone());
                Err(failed(TransportErrorKind::Other, reason))
            }
        }
    }
}
