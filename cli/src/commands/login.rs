//! `noroshi login`.

use crate::api::Api;
use crate::args::{Arguments, Login};
use crate::credentials::{self, Credentials};
use crate::error::Failure;
use crate::output;

pub(super) async fn run(arguments: &Arguments, login: &Login) -> Result<(), Failure> {
    let url = arguments
        .url
        .clone()
        .ok_or_else(|| Failure::Usage("give the cloud's address with --url".into()))?;
    let password = super::secret(&login.password_file)?;
    let api = Api::anonymous(url)?;
    let cookie = api.open_session(&login.user, &password).await?;
    let token = api
        .create_token(&cookie, "noroshi command", login.scope.word())
        .await?;
    let path = credentials::save(&Credentials {
        url: api.url().to_owned(),
        token,
    })?;
    if arguments.json {
        return output::json(&serde_json::json!({ "url": api.url(), "credentials": path }));
    }
    println!(
        "signed in to {} as {}; kept in {}",
        api.url(),
        login.user,
        path.display()
    );
    Ok(())
}
