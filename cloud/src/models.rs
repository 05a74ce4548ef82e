//! Publishing a model version: every file is here, the files say what the manifest says, and
//! then the manifest becomes a signed target.

use noroshi_model::{Digest, Manifest, ModelId};
use noroshi_service::files;

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::releases::ReleaseFile;
use crate::store::VersionRow;

/// What became of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// It is a new version.
    New(VersionRow),
    /// Exactly these bytes are that version already.
    Known(VersionRow),
}

impl Cloud {
    /// Publishes a manifest's bytes as they are.
    pub async fn publish(&self, bytes: &[u8], by: &str) -> Result<Published> {
        let manifest = Manifest::from_json(bytes).map_err(|error| Error::Invalid {
            code: "bad_manifest",
            detail: error.to_string(),
        })?;
        if let Some(known) = self.same_version(&manifest, bytes).await? {
            let _one_at_a_time = self.publishing.lock().await;
            return self.known(known).await;
        }
        self.check_files(&manifest).await?;
        // Not under the lock: a file may take minutes.
        self.inspect(&manifest, bytes).await?;
        let _one_at_a_time = self.publishing.lock().await;
        if let Some(known) = self.same_version(&manifest, bytes).await? {
            return self.known(known).await;
        }
        self.check_next(&manifest).await?;
        let now_ms = self.signing_time()?;
        self.artifacts.put(bytes.to_vec()).await?;
        let mut files = self.release_files().await?;
        files.push(ReleaseFile {
            name: Manifest::target_name(&manifest.model, manifest.version),
            sha256: Digest::of(bytes),
            length: bytes.len() as u64,
        });
        self.releases
            .publish(&files, now_ms, || {
                self.store.publish_version(&manifest, bytes, by, now_ms)
            })
            .await?;
        tracing::info!(model.id = %manifest.model, model.version = manifest.version, "published");
        self.store
            .version(&manifest.model, manifest.version)
            .await
            .map(Published::New)
    }

    /// A version of the store, released again if the publication that made it did not come to
    /// its end.
    async fn known(&self, known: VersionRow) -> Result<Published> {
        if !self.releases.holds(&release_file(&known)?)? {
            self.release_all().await?;
        }
        Ok(Published::Known(known))
    }

    async fn same_version(&self, manifest: &Manifest, bytes: &[u8]) -> Result<Option<VersionRow>> {
        match self.store.version(&manifest.model, manifest.version).await {
            Ok(known) if known.manifest == bytes => Ok(Some(known)),
            Ok(_) => {
                let (model, version) = (&manifest.model, manifest.version);
                let detail = format!(
                    "{model} has a version {version} with another manifest, and a version never \
                     changes; give this one the next number"
                );
                Err(Error::Conflict {
                    code: "version_exists",
                    detail,
                })
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn check_next(&self, manifest: &Manifest) -> Result<()> {
        let latest = self.store.latest_version(&manifest.model).await?;
        let latest = latest.map_or(0, |row| row.version);
        if i64::from(manifest.version) > latest {
            return Ok(());
        }
        let detail = format!(
            "the newest version of {} is {latest}; give this one a higher number",
            manifest.model
        );
        Err(Error::Conflict {
            code: "version_not_next",
            detail,
        })
    }

    async fn check_files(&self, manifest: &Manifest) -> Result<()> {
        let mut missing = Vec::new();
        for blob in manifest
            .variants
            .iter()
            .flat_map(|v| [v.blob, v.golden.blob])
        {
            match self.store.blob_length(&blob.sha256).await? {
                None => missing.push(blob.sha256.to_string()),
                Some(length) if length != blob.length => {
                    return Err(Error::ModelRefused(format!(
                        "the manifest says that {} has {} bytes, it has {length}",
                        blob.sha256.short(),
                        blob.length
                    )));
                }
                Some(_) => {}
            }
        }
        missing.sort();
        missing.dedup();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Error::BlobsMissing { missing })
        }
    }

    async fn inspect(&self, manifest: &Manifest, bytes: &[u8]) -> Result<()> {
        let folder = self.config.state_dir.join("inspect");
        files::create_private_folder(&folder)?;
        let path = folder.join(format!("{}.json", Digest::of(bytes)));
        files::write_atomic(&path, bytes)?;
        let mut outcome = Ok(());
        for variant in &manifest.variants {
            let blob = self.artifacts.path(&variant.blob.sha256)?;
            outcome = self
                .inspector
                .check(&path, &blob)
                .await
                .map_err(|error| match error {
                    Error::ModelRefused(text) => {
                        Error::ModelRefused(format!("variant {}: {text}", variant.name))
                    }
                    error => error,
                });
            if outcome.is_err() {
                break;
            }
        }
        // What stays is overwritten by the next push of the same manifest.
        let _ = std::fs::remove_file(&path);
        outcome
    }

    async fn release_files(&self) -> Result<Vec<ReleaseFile>> {
        let rows = self.store.every_version().await?;
        rows.iter().map(release_file).collect()
    }

    /// Signs the repository anew, with the same releases: at the start and before its metadata
    /// grows old.
    pub async fn renew_releases(&self) -> Result<()> {
        let _one_at_a_time = self.publishing.lock().await;
        self.release_all().await
    }

    /// Releases what the store says; under the lock of publications.
    async fn release_all(&self) -> Result<()> {
        let now_ms = self.signing_time()?;
        let files = self.release_files().await?;
        self.releases
            .publish(&files, now_ms, || async { Ok(()) })
            .await
    }
}

fn release_file(row: &VersionRow) -> Result<ReleaseFile> {
    let model: ModelId = row
        .model
        .parse()
        .map_err(|error| Error::corrupt("model id", error))?;
    let version = u32::try_from(row.version).map_err(|error| Error::corrupt("version", error))?;
    Ok(ReleaseFile {
        name: Manifest::target_name(&model, version),
        sha256: row.digest()?,
        length: row.manifest.len() as u64,
    })
}
