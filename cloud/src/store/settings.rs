//! Single values of the organisation, written at init.

use noroshi_protocol::{OrgId, StoreId};

use super::Store;
use crate::error::{Error, Result};

const ORG: &str = "org";
const STORE: &str = "store";
const NAME: &str = "name";
const DEVELOPMENT: &str = "development";

impl Store {
    async fn setting(&self, name: &str) -> Result<Option<String>> {
        let row: Option<(String,)> = sqlx::query_as("SELECT value FROM setting WHERE name = ?1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(|(value,)| value))
    }

    async fn set(&self, name: &str, value: &str) -> Result<()> {
        sqlx::query(
            "INSERT INTO setting (name, value) VALUES (?1, ?2)
                     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Writes who we are; done once, by init.
    pub async fn set_organisation(
        &self,
        org: &OrgId,
        name: &str,
        store: &StoreId,
        development: bool,
    ) -> Result<()> {
        self.set(ORG, org.as_str()).await?;
        self.set(NAME, name).await?;
        self.set(STORE, store.as_str()).await?;
        self.set(DEVELOPMENT, if development { "yes" } else { "no" })
            .await
    }

    /// The organisation's id; none before init.
    pub async fn organisation(&self) -> Result<Option<OrgId>> {
        let parse = |text: String| text.parse().map_err(|error| Error::corrupt("id", error));
        self.setting(ORG).await?.map(parse).transpose()
    }

    /// The organisation's name for people.
    pub async fn organisation_name(&self) -> Result<String> {
        Ok(self.setting(NAME).await?.unwrap_or_default())
    }

    /// The id of this store of results.
    pub async fn store_id(&self) -> Result<StoreId> {
        let text = self.setting(STORE).await?.ok_or_else(|| {
            Error::Setup("the store has no id; run `noroshi-cloud init` first".into())
        })?;
        text.parse()
            .map_err(|error| Error::corrupt("store id", error))
    }
}
