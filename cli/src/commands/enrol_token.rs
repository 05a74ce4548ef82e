//! `noroshi enrol-token …`.

use serde_json::json;

use crate::api::Api;
use crate::args::EnrolToken;
use crate::error::Failure;
use crate::output::{self, Column, field};

pub(super) async fn run(api: &Api, command: EnrolToken, as_json: bool) -> Result<(), Failure> {
    match command {
        EnrolToken::Create {
            site,
            gateway,
            uses,
            ttl_s,
        } => {
            let kind = if gateway { "gateway" } else { "device" };
            let body = json!({ "site": site, "kind": kind, "uses": uses, "ttl_s": ttl_s });
            let token = api.post("/enrolment-tokens", &body).await?;
            if as_json {
                return output::json(&token);
            }
            // The token alone on standard output, so that it can be piped into a file.
            println!("{}", field(&token, "token"));
            let program = if gateway {
                "noroshi-gateway"
            } else {
                "noroshi-agent"
            };
            eprintln!("shown once; on the machine: {program} enrol --config FILE --token-file -");
            Ok(())
        }
        EnrolToken::List => {
            let columns: &[Column] = &[
                ("TOKEN", |token| field(token, "id")),
                ("SITE", |token| field(token, "site")),
                ("FOR", |token| field(token, "kind")),
                ("USED", |token| {
                    format!("{} of {}", field(token, "used"), field(token, "uses"))
                }),
                ("REVOKED", |token| field(token, "revoked")),
            ];
            output::items(as_json, &api.list("/enrolment-tokens", &[]).await?, columns)
        }
    }
}
