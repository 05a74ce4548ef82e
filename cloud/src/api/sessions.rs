//! Signing in to the console.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use noroshi_model::Digest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::{COOKIE, Caller, Credential};
use super::input::Body;
use super::problem::ApiResult;
use crate::error::{Error, Result};
use crate::store::Scope;
use crate::{password, random};

/// How long a session lasts.
const LIFETIME_MS: u64 = 12 * 60 * 60 * 1000;
/// Failures within [`WINDOW_MS`] after which a name has to wait.
const MOST_FAILURES: u32 = 10;
const WINDOW_MS: u64 = 5 * 60 * 1000;
/// Names that are remembered; guessing more of them at once makes everybody wait.
const MOST_NAMES: usize = 10_000;

/// Failed sign-ins by name.
#[derive(Debug, Default)]
pub(crate) struct Logins {
    failures: Mutex<HashMap<String, (u64, u32)>>,
}

impl Logins {
    pub(crate) fn check(&self, name: &str, now_ms: u64) -> Result<()> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (since_ms, _)| now_ms.saturating_sub(*since_ms) < WINDOW_MS);
        let blocked = failures
            .get(name)
            .is_some_and(|(_, count)| *count >= MOST_FAILURES)
            || failures.len() >= MOST_NAMES;
        if blocked {
            let text = "too many failed sign-ins; wait five minutes and try again";
            return Err(Error::RateLimited(text.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn failed(&self, name: &str, now_ms: u64) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let name: String = name.chars().take(64).collect();
        failures.entry(name).or_insert((now_ms, 0)).1 += 1;
    }

    pub(crate) fn succeeded(&self, name: &str) {
        self.failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}

/// Name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    username: String,
    password: String,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Caller)]
pub(crate) struct CallerView {
    /// `user` for a session, `token` for an API token.
    kind: &'static str,
    /// The user.
    name: String,
    scope: Scope,
    /// Whether the organisation has a development root.
    development: bool,
}

/// Opens a session; its cookie comes with the answer.
#[utoipa::path(post, path = "/api/v1/sessions", tag = "sessions", request_body = SignIn,
    responses((status = 201, body = CallerView)))]
pub(crate) async fn create(
    State(api): State<Arc<Api>>,
    Body(SignIn { username, password }): Body<SignIn>,
) -> ApiResult<impl IntoResponse> {
    let now_ms = api.cloud.now_ms();
    api.logins.check(&username, now_ms)?;
    let account = api.cloud.store.account(&username).await?;
    let hash = account.as_ref().map(|account| account.password.clone());
    let right = password::verify(password, hash).await?;
    let Some(account) = account.filter(|_| right) else {
        api.logins.failed(&username, now_ms);
        return Err(wrong().into());
    };
    api.logins.succeeded(&username);
    let secret = random::secret();
    let id = Digest::of(secret.as_bytes());
    let expires_ms = now_ms + LIFETIME_MS;
    api.cloud
        .store
        .open_session(&id, &account.name, now_ms, expires_ms)
        .await?;
    let view = CallerView {
        kind: "user",
        scope: Scope::from_word(&account.scope)?,
        name: account.name,
        development: api.cloud.development,
    };
    let cookie = cookie(&api, &secret, LIFETIME_MS / 1000);
    let headers = AppendHeaders([(header::SET_COOKIE, cookie)]);
    Ok((StatusCode::CREATED, headers, axum::Json(view)))
}

const fn wrong() -> Error {
    Error::Unauthorized("the name or the password is wrong")
}

fn cookie(api: &Api, value: &str, seconds: u64) -> String {
    // In production a proxy adds TLS, and the cookie must never go without it.
    let secure = if api.cloud.config.production {
        "; Secure"
    } else {
        ""
    };
    format!("{COOKIE}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
}

/// Who the caller is.
#[utoipa::path(get, path = "/api/v1/sessions/current", tag = "sessions",
    responses((status = 200, body = CallerView)))]
pub(crate) async fn current(State(api): State<Arc<Api>>, caller: Caller) -> axum::Json<CallerView> {
    axum::Json(CallerView {
        kind: match caller.credential {
            Credential::Session(_) => "user",
            Credential::Token(_) => "token",
        },
        name: caller.account,
        scope: caller.scope,
        development: api.cloud.development,
    })
}

/// Ends the session.
#[utoipa::path(delete, path = "/api/v1/sessions/current", tag = "sessions",
    responses((status = 204)))]
pub(crate) async fn end(
    State(api): State<Arc<Api>>,
    caller: Caller,
) -> ApiResult<impl IntoResponse> {
    if let Credential::Session(id) = &caller.credential {
        api.cloud.store.close_session(id).await?;
    }
    let headers = AppendHeaders([(header::SET_COOKIE, cookie(&api, "", 0))]);
    Ok((StatusCode::NO_CONTENT, headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_slowed_down_and_forgotten() {
        let logins = Logins::default();
        for _ in 0..MOST_FAILURES {
            logins.check("ann", 0).unwrap();
            logins.failed("ann", 0);
        }
        assert!(logins.check("ann", 1).is_err());
        logins.check("bob", 1).unwrap();
        logins.check("ann", WINDOW_MS + 1).unwrap();
    }
}
