//! Users and API tokens.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use noroshi_protocol::ApiToken;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::caller::{Admin, Caller, Credential};
use super::input::{Body, PageQuery, Query, list, name};
use super::problem::ApiResult;
use crate::error::{Error, Result};
use crate::store::{Account, ApiTokenRow, Scope, signed, unsigned};
use crate::{password, random};

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    name: String,
    scope: Scope,
    created_ms: u64,
}

/// A user to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    name: String,
    /// 10 characters or more.
    password: String,
    scope: Scope,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// 10 characters or more.
    password: String,
    /// The password until now: whoever changes its own password shows it.
    #[serde(default)]
    current: Option<String>,
}

/// An API token; its secret is shown only when it is made.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiToken)]
pub(crate) struct TokenView {
    id: String,
    name: String,
    account: String,
    scope: Scope,
    created_ms: u64,
    expires_ms: Option<u64>,
}

/// A token to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewToken {
    /// What it is for.
    name: String,
    /// At most the caller's own.
    scope: Scope,
    /// Seconds until it expires; left out means never. A token that expires makes none that
    /// lives longer than itself.
    #[serde(default)]
    ttl_s: Option<u64>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiTokenCreated {
    id: String,
    name: String,
    account: String,
    scope: Scope,
    created_ms: u64,
    expires_ms: Option<u64>,
    /// The secret; it is shown this once.
    token: String,
}

list! {
    /// A page of a list.
    UserList, User
}
list! {
    /// A page of a list.
    ApiTokenList, TokenView
}

fn user(row: Account) -> Result<User> {
    Ok(User {
        scope: Scope::from_word(&row.scope)?,
        name: row.name,
        created_ms: unsigned(row.created_ms),
    })
}

fn token(row: ApiTokenRow) -> Result<TokenView> {
    Ok(TokenView {
        scope: Scope::from_word(&row.scope)?,
        id: row.id,
        name: row.name,
        account: row.account,
        created_ms: unsigned(row.created_ms),
        expires_ms: row.expires_ms.map(unsigned),
    })
}

/// Users.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", params(PageQuery),
    responses((status = 200, body = UserList)))]
pub(crate) async fn users(
    State(api): State<Arc<Api>>,
    _: Admin,
    Query(page): Query<PageQuery>,
) -> ApiResult<axum::Json<UserList>> {
    let page = api
        .cloud
        .store
        .accounts(&page.request()?)
        .await?
        .try_map(user)?;
    Ok(axum::Json(page.into()))
}

/// Makes a user.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = NewUser,
    responses((status = 201, body = User)))]
pub(crate) async fn create_user(
    State(api): State<Arc<Api>>,
    _: Admin,
    Body(new): Body<NewUser>,
) -> ApiResult<(StatusCode, axum::Json<User>)> {
    password::check_name(&new.name)?;
    let hash = password::hash(new.password).await?;
    let created_ms = api.cloud.now_ms();
    api.cloud
        .store
        .create_account(&new.name, &hash, new.scope, created_ms)
        .await?;
    let user = User {
        name: new.name,
        scope: new.scope,
        created_ms,
    };
    Ok((StatusCode::CREATED, axum::Json(user)))
}

/// Gives a user another password: the user itself, who shows the one until now, or an
/// administrator. Its sessions end.
#[utoipa::path(put, path = "/api/v1/users/{name}/password", tag = "users",
    params(("name" = String, Path)), request_body = NewPassword, responses((status = 204)))]
pub(crate) async fn change_password(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    Body(new): Body<NewPassword>,
) -> ApiResult<StatusCode> {
    let is_own = caller.account == name && matches!(caller.credential, Credential::Session(_));
    if !is_own && caller.scope < Scope::Admin {
        let text = "only the user itself, signed in, or an administrator changes a password";
        return Err(Error::Forbidden(text.to_owned()).into());
    }
    if caller.account == name {
        // A session or token left open somewhere is not enough to take an account over.
        check_current(&api, &name, new.current).await?;
    }
    let hash = password::hash(new.password).await?;
    api.cloud.store.change_password(&name, &hash).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn check_current(api: &Api, name: &str, current: Option<String>) -> Result<()> {
    let Some(current) = current else {
        return Err(Error::invalid(
            "send your password until now too, as `current`",
        ));
    };
    let now_ms = api.cloud.now_ms();
    api.logins.check(name, now_ms)?;
    let account = api.cloud.store.account(name).await?;
    if password::verify(current, account.map(|account| account.password)).await? {
        api.logins.succeeded(name);
        return Ok(());
    }
    api.logins.failed(name, now_ms);
    Err(Error::Forbidden(
        "`current` is not your password until now".to_owned(),
    ))
}

/// Removes a user with its sessions and tokens.
#[utoipa::path(delete, path = "/api/v1/users/{name}", tag = "users",
    params(("name" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete_user(
    State(api): State<Arc<Api>>,
    _: Admin,
    Path(name): Path<String>,
) -> ApiResult<StatusCode> {
    api.cloud.store.delete_account(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// API tokens: the caller's own, all of them for an administrator.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "tokens", params(PageQuery),
    responses((status = 200, body = ApiTokenList)))]
pub(crate) async fn tokens(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> ApiResult<axum::Json<ApiTokenList>> {
    let page = api
        .cloud
        .store
        .api_tokens(whose(&caller), &page.request()?)
        .await?;
    Ok(axum::Json(page.try_map(token)?.into()))
}

fn whose(caller: &Caller) -> Option<&str> {
    (caller.scope < Scope::Admin).then_some(&caller.account)
}

/// Makes an API token of the caller.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = ApiTokenCreated)))]
pub(crate) async fn create_token(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Body(new): Body<NewToken>,
) -> ApiResult<(StatusCode, axum::Json<ApiTokenCreated>)> {
    if new.scope > caller.scope {
        let text = format!(
            "your scope is {}; a token can't have more",
            caller.scope.word()
        );
        return Err(Error::Forbidden(text).into());
    }
    let secret = ApiToken {
        id: random::id(),
        secret: random::bytes(),
    };
    let now_ms = api.cloud.now_ms();
    let wanted_ms = new
        .ttl_s
        .map(|seconds| now_ms.saturating_add(seconds.saturating_mul(1000)));
    // Neither outlives the token that it was made with.
    let expires_ms = wanted_ms.into_iter().chain(caller.expires_ms).min();
    let row = ApiTokenRow {
        id: secret.id.as_str().to_owned(),
        hash: secret.hash().to_string(),
        account: caller.account,
        name: name(&new.name)?,
        scope: new.scope.word().to_owned(),
        created_ms: signed(now_ms),
        expires_ms: expires_ms.map(signed),
    };
    api.cloud.store.create_api_token(&row).await?;
    let created = ApiTokenCreated {
        id: row.id,
        name: row.name,
        account: row.account,
        scope: new.scope,
        created_ms: now_ms,
        expires_ms,
        token: secret.to_string(),
    };
    Ok((StatusCode::CREATED, axum::Json(created)))
}

/// Removes an API token. With a token: itself, or, with the scope `operate`, one of its user's
/// that may not do more than itself.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "tokens",
    params(("id" = String, Path)), responses((status = 204)))]
pub(crate) async fn delete_token(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let whose = whose(&caller).map(str::to_owned);
    if let Credential::Token(own) = &caller.credential
        && *own != id
    {
        check_other(&api, caller, &id).await?;
    }
    api.cloud
        .store
        .delete_api_token(&id, whose.as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a token may remove another one.
async fn check_other(api: &Api, caller: Caller, id: &str) -> Result<()> {
    let caller = caller.demand(Scope::Operate)?;
    let Some(other) = api.cloud.store.api_token(id).await? else {
        return Err(Error::not_found("token", id));
    };
    if Scope::from_word(&other.scope)? > caller.scope {
        let text = format!(
            "a token of scope {} does not remove one of scope {}; sign in to do it",
            caller.scope.word(),
            other.scope
        );
        return Err(Error::Forbidden(text));
    }
    Ok(())
}
