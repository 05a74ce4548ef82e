//! Which devices are meant, and what each of them would run.

use std::collections::BTreeMap;

use noroshi_model::{Manifest, Variant, choose_variant};
use noroshi_protocol::{DeviceId, PipelineId, SiteId};
use serde::{Deserialize, Serialize};

use crate::cloud::Cloud;
use crate::error::{Error, Result};
use crate::store::PeerRow;

/// A union of devices; it must not be empty.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Single devices.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub devices: Vec<DeviceId>,
    /// Every device of these sites.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub sites: Vec<SiteId>,
    /// Every device that should run these pipelines.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub pipelines: Vec<PipelineId>,
    /// Every device.
    #[serde(default)]
    pub all: bool,
}

impl Cloud {
    /// The devices that are meant, by id. One that is not there is an error, not left out.
    pub async fn select(&self, selection: &Selection) -> Result<Vec<PeerRow>> {
        let mut chosen: BTreeMap<String, PeerRow> = BTreeMap::new();
        let mut add = |row: PeerRow| chosen.insert(row.id.clone(), row);
        if selection.all {
            for row in self.store.all_devices(None).await? {
                add(row);
            }
        }
        for site in &selection.sites {
            self.store.site(site).await?;
            for row in self.store.all_devices(Some(site.as_str())).await? {
                add(row);
            }
        }
        for pipeline in &selection.pipelines {
            self.store.pipeline(pipeline).await?;
            for assigned in self.store.assigned_to(pipeline).await? {
                add(self.store.device(&assigned.device).await?);
            }
        }
        for device in &selection.devices {
            add(self.store.device(device.as_str()).await?);
        }
        Ok(chosen.into_values().collect())
    }
}

/// The variant that a device would run, or in words why it can run none.
pub(crate) fn choose<'a>(
    manifest: &'a Manifest,
    device: &PeerRow,
) -> Result<std::result::Result<&'a Variant, Vec<String>>> {
    let Some(capabilities) = device.capabilities()? else {
        return Ok(Err(vec![
            "it has not said yet what it can run: start its agent once".to_owned(),
        ]));
    };
    Ok(choose_variant(manifest, &capabilities).map_err(|refused| {
        refused
            .into_iter()
            .flat_map(|(variant, obstacles)| {
                obstacles
                    .into_iter()
                    .map(move |obstacle| format!("{}: {obstacle}", variant.name))
            })
            .collect()
    }))
}

impl Selection {
    /// An error if nothing is selected.
    pub fn check(&self) -> Result<()> {
        let empty = self.devices.is_empty()
            && self.sites.is_empty()
            && self.pipelines.is_empty()
            && !self.all;
        if empty {
            return Err(Error::invalid(
                "nothing is selected: name devices, sites or pipelines, or say all = true",
            ));
        }
        Ok(())
    }
}
