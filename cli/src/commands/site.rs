//! `noroshi site …`.

use serde_json::json;

use crate::api::Api;
use crate::args::Site;
use crate::error::Failure;
use crate::output::{self, Column, field};

pub(super) async fn run(api: &Api, command: Site, as_json: bool) -> Result<(), Failure> {
    match command {
        Site::List => {
            let columns: &[Column] = &[
                ("SITE", |site| field(site, "id")),
                ("NAME", |site| field(site, "name")),
                ("DEVICES", |site| field(site, "devices")),
                ("GATEWAY", |site| field(&site["gateway"], "status")),
            ];
            output::items(as_json, &api.list("/sites", &[]).await?, columns)
        }
        Site::Create { name, id } => {
            let site = api
                .post("/sites", &json!({ "name": name, "id": id }))
                .await?;
            if as_json {
                return output::json(&site);
            }
            println!(
                "site {} is there; next: noroshi enrol-token create --site {} --gateway",
                field(&site, "id"),
                field(&site, "id")
            );
            Ok(())
        }
    }
}
