//! `noroshi password`.

use crate::api::Api;
use crate::args::{Arguments, Password};
use crate::credentials;
use crate::error::Failure;
use crate::output;

/// Changes the password of whoever knows the one until now. An API token is not enough.
pub(super) async fn run(arguments: &Arguments, wanted: &Password) -> Result<(), Failure> {
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => {
            let usage = || Failure::Usage("give the cloud's address with --url".into());
            credentials::load()?.ok_or_else(usage)?.url
        }
    };
    let current = super::secret(&wanted.current_file)?;
    let password = super::secret(&wanted.password_file)?;
    let api = Api::anonymous(url)?;
    let cookie = api.open_session(&wanted.user, &current).await?;
    api.change_password(&cookie, &wanted.user, &current, &password)
        .await?;
    if arguments.json {
        return output::json(&serde_json::json!({ "user": wanted.user }));
    }
    println!(
        "{} has a new password; every session has ended, API tokens go on",
        wanted.user
    );
    Ok(())
}
