//! Who calls: a user with a session cookie, or a program with an API token.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, Method, header, request::Parts};
use noroshi_model::Digest;
use noroshi_protocol::ApiToken;

use super::Api;
use super::problem::ApiError;
use crate::error::{Error, Result};
use crate::store::{Scope, unsigned};

/// The session cookie's name.
pub(crate) const COOKIE: &str = "noroshi_session";

/// How a caller showed who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// A session: the hash of its id.
    Session(Digest),
    /// An API token's id.
    Token(String),
}

/// A caller whose credentials are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The user.
    pub(crate) account: String,
    /// What it may do.
    pub(crate) scope: Scope,
    /// How it came in.
    pub(crate) credential: Credential,
    /// When its API token expires; none for a session, or a token that does not.
    pub(crate) expires_ms: Option<u64>,
}

impl Caller {
    pub(crate) fn demand(self, scope: Scope) -> Result<Self> {
        if self.scope >= scope {
            return Ok(self);
        }
        Err(Error::Forbidden(format!(
            "this needs the scope {}, yours is {}; ask an administrator",
            scope.word(),
            self.scope.word()
        )))
    }
}

impl FromRequestParts<Arc<Api>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        api: &Arc<Api>,
    ) -> std::result::Result<Self, ApiError> {
        if let Some(token) = bearer(&parts.headers) {
            return Ok(by_token(api, token).await?);
        }
        let Some(session) = cookie(&parts.headers) else {
            return Err(Error::Unauthorized("sign in, or send an API token").into());
        };
        if !is_same_origin(&parts.method, &parts.headers) {
            let text = "a request with the session cookie must come from the console itself";
            return Err(Error::Forbidden(text.to_owned()).into());
        }
        Ok(by_session(api, session).await?)
    }
}

macro_rules! scoped {
    ($name:ident, $scope:expr, $caller:ident => $value:expr) => {
        impl FromRequestParts<Arc<Api>> for $name {
            type Rejection = ApiError;

            async fn from_request_parts(
                parts: &mut Parts,
                api: &Arc<Api>,
            ) -> std::result::Result<Self, ApiError> {
                let caller =
                    <Caller as FromRequestParts<Arc<Api>>>::from_request_parts(parts, api).await?;
                let $caller = caller.demand($scope)?;
                Ok($value)
            }
        }
    };
}

/// Someone who may look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader;
/// Someone who may change what runs.
#[derive(Debug, Clone)]
pub(crate) struct Operator(pub(crate) Caller);
/// Someone who may change who may.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admin;

scoped!(Reader, Scope::Read, _caller => Self);
scoped!(Operator, Scope::Operate, caller => Self(caller));
scoped!(Admin, Scope::Admin, _caller => Self);

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE).then_some(value))
}

// The cookie is SameSite=Strict; this stands behind it for browsers that do not keep to that.
fn is_same_origin(method: &Method, headers: &HeaderMap) -> bool {
    if method.is_safe() {
        return true;
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_some() && host == text("host")
        }
        (None, None) => true,
    }
}

async fn by_token(api: &Api, text: &str) -> Result<Caller> {
    const WRONG: Error = Error::Unauthorized("the API token is not valid; make a new one");
    let Ok(token) = text.parse::<ApiToken>() else {
        return Err(WRONG);
    };
    let row = api
        .cloud
        .store
        .api_token(token.id.as_str())
        .await?
        .ok_or(WRONG)?;
    let now_ms = api.cloud.now_ms();
    let expired = row
        .expires_ms
        .is_some_and(|expires_ms| unsigned(expires_ms) <= now_ms);
    // Digests of 256 random bits: a comparison that stops early tells nothing of use.
    if expired || row.hash != token.hash().to_string() {
        return Err(WRONG);
    }
    let account = api.cloud.store.account(&row.account).await?.ok_or(WRONG)?;
    // A user who may do less than before takes the tokens along.
    let scope = Scope::from_word(&row.scope)?.min(Scope::from_word(&account.scope)?);
    Ok(Caller {
        account: row.account,
        scope,
        credential: Credential::Token(row.id),
        expires_ms: row.expires_ms.map(unsigned),
    })
}

async fn by_session(api: &Api, secret: &str) -> Result<Caller> {
    let id = Digest::of(secret.as_bytes());
    let account = api
        .cloud
        .store
        .session_account(&id, api.cloud.now_ms())
        .await?;
    let account = account.ok_or(Error::Unauthorized("the session has ended; sign in again"))?;
    let scope = Scope::from_word(&account.scope)?;
    Ok(Caller {
        account: account.name,
        scope,
        credential: Credential::Session(id),
        expires_ms: None,
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(n, v)| (n.parse().unwrap(), HeaderValue::from_static(v)))
            .collect()
    }

    #[test]
    fn only_the_consoles_own_requests_change_anything() {
        let post = |pairs| is_same_origin(&Method::POST, &headers(pairs));
        assert!(post(&[("sec-fetch-site", "same-origin")]));
        assert!(!post(&[("sec-fetch-site", "cross-site")]));
        assert!(post(&[("origin", "http://h:1"), ("host", "h:1")]));
        assert!(!post(&[("origin", "http://evil"), ("host", "h:1")]));
        assert!(!post(&[("origin", "null"), ("host", "h:1")]));
        let evil = headers(&[("sec-fetch-site", "cross-site")]);
        assert!(is_same_origin(&Method::GET, &evil));
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(
            cookie(&headers(&[("cookie", "a=b; noroshi_session=xyz")])),
            Some("xyz")
        );
        assert_eq!(
            cookie(&headers(&[("cookie", "noroshi_sessions=xyz")])),
            None
        );
    }
}
