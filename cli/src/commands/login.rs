//! `noroshi login`.

use std::io::Read;

use crate::api::Api;
use crate::args::{Arguments, Login};
use crate::credentials::{self, Credentials};
use crate::error::{Failure, Tried};
use crate::output;

const PASSWORD_LIMIT: u64 = 4096;

pub(super) async fn run(arguments: &Arguments, login: &Login) -> Result<(), Failure> {
    let url = arguments
        .url
        .clone()
        .ok_or_else(|| Failure::Usage("give the cloud's address with --url".into()))?;
    let password = password(login)?;
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

fn password(login: &Login) -> Result<String, Failure> {
    let mut text = String::new();
    let path = &login.password_file;
    if path.as_os_str() == "-" {
        std::io::stdin()
            .take(PASSWORD_LIMIT)
            .read_to_string(&mut text)
            .tried("standard input")?;
    } else {
        std::fs::File::open(path)
            .tried(path.display())?
            .take(PASSWORD_LIMIT)
            .read_to_string(&mut text)
            .tried(path.display())?;
    }
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
