//! Users, their sessions and their API tokens. Secrets are kept as hashes only.

use noroshi_model::Digest;
use serde::{Deserialize, Serialize};

use super::{Page, PageRequest, Store, signed};
use crate::error::{Error, Result};

/// What a caller may do; each includes those before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look.
    Read,
    /// Push models, apply pipelines, roll out, send commands.
    Operate,
    /// Enrol, revoke, manage users and tokens.
    Admin,
}

impl Scope {
    /// The word in rows and the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn from_word(word: &str) -> Result<Self> {
        [Self::Read, Self::Operate, Self::Admin]
            .into_iter()
            .find(|scope| scope.word() == word)
            .ok_or_else(|| Error::corrupt("scope", word))
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Account {
    /// The name to sign in with.
    pub name: String,
    /// The argon2 hash of the password, in PHC form.
    pub password: String,
    /// A scope's word.
    pub scope: String,
    /// Unix milliseconds.
    pub created_ms: i64,
}

/// An API token.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ApiTokenRow {
    /// Its public half.
    pub id: String,
    /// SHA-256 of its secret, hexadecimal.
    pub hash: String,
    /// Whose it is.
    pub account: String,
    /// What it is for.
    pub name: String,
    /// A scope's word.
    pub scope: String,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds; none means it does not expire.
    pub expires_ms: Option<i64>,
}

impl Store {
    /// Makes a user.
    pub async fn create_account(
        &self,
        name: &str,
        password_hash: &str,
        scope: Scope,
        now_ms: u64,
    ) -> Result<()> {
        let done = sqlx::query(
            "INSERT INTO account (name, password, scope, created_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(name)
        .bind(password_hash)
        .bind(scope.word())
        .bind(signed(now_ms))
        .execute(&self.writer)
        .await?;
        if done.rows_affected() == 0 {
            let detail = format!("there is a user {name} already; choose another name");
            return Err(Error::Conflict {
                code: "user_exists",
                detail,
            });
        }
        Ok(())
    }

    /// One user.
    pub async fn account(&self, name: &str) -> Result<Option<Account>> {
        let row = sqlx::query_as("SELECT * FROM account WHERE name = ?1")
            .bind(name)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row)
    }

    /// Users by name.
    pub async fn accounts(&self, request: &PageRequest) -> Result<Page<Account>> {
        let rows = sqlx::query_as(
            "SELECT * FROM account WHERE name > coalesce(?1, '') ORDER BY name LIMIT ?2",
        )
        .bind(request.after())
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(request.page(rows, |row: &Account| row.name.clone()))
    }

    /// Gives a user another password, and ends its sessions.
    pub async fn change_password(&self, name: &str, password_hash: &str) -> Result<()> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query("UPDATE account SET password = ?2 WHERE name = ?1")
            .bind(name)
            .bind(password_hash)
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(Error::not_found("user", name));
        }
        sqlx::query("DELETE FROM session WHERE account = ?1")
            .bind(name)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Removes a user with its sessions and tokens; the last administrator stays.
    pub async fn delete_account(&self, name: &str) -> Result<()> {
        let done = sqlx::query(
            "DELETE FROM account WHERE name = ?1 AND (scope <> 'admin'
                OR (SELECT count(*) FROM account WHERE scope = 'admin') > 1)",
        )
        .bind(name)
        .execute(&self.writer)
        .await?;
        if done.rows_affected() > 0 {
            return Ok(());
        }
        if self.account(name).await?.is_none() {
            return Err(Error::not_found("user", name));
        }
        let detail = "this is the last administrator; make another one first".to_owned();
        Err(Error::Conflict {
            code: "last_admin",
            detail,
        })
    }

    /// Opens a session; only the hash of its id is kept.
    pub async fn open_session(
        &self,
        id: &Digest,
        account: &str,
        now_ms: u64,
        expires_ms: u64,
    ) -> Result<()> {
        sqlx::query("DELETE FROM session WHERE expires_ms < ?1")
            .bind(signed(now_ms))
            .execute(&self.writer)
            .await?;
        sqlx::query(
            "INSERT INTO session (id_hash, account, created_ms, expires_ms)
             VALUES (?1, ?2, ?3, ?4)",
        )
        .bind(id.to_string())
        .bind(account)
        .bind(signed(now_ms))
        .bind(signed(expires_ms))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Whose session it is, if it has not expired.
    pub async fn session_account(&self, id: &Digest, now_ms: u64) -> Result<Option<Account>> {
        let row = sqlx::query_as(
            "SELECT account.* FROM session JOIN account ON account.name = session.account
             WHERE session.id_hash = ?1 AND session.expires_ms > ?2",
        )
        .bind(id.to_string())
        .bind(signed(now_ms))
        .fetch_optional(&self.reader)
        .await?;
        Ok(row)
    }

    /// Ends a session.
    pub async fn close_session(&self, id: &Digest) -> Result<()> {
        sqlx::query("DELETE FROM session WHERE id_hash = ?1")
            .bind(id.to_string())
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Keeps an API token.
    pub async fn create_api_token(&self, row: &ApiTokenRow) -> Result<()> {
        sqlx::query(
            "INSERT INTO api_token (id, hash, account, name, scope, created_ms, expires_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(&row.id)
        .bind(&row.hash)
        .bind(&row.account)
        .bind(&row.name)
        .bind(&row.scope)
        .bind(row.created_ms)
        .bind(row.expires_ms)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// One API token.
    pub async fn api_token(&self, id: &str) -> Result<Option<ApiTokenRow>> {
        let row = sqlx::query_as("SELECT * FROM api_token WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row)
    }

    /// API tokens by id: of one user, or of all.
    pub async fn api_tokens(
        &self,
        account: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<ApiTokenRow>> {
        let rows = sqlx::query_as(
            "SELECT * FROM api_token
             WHERE (?1 IS NULL OR account = ?1) AND id > coalesce(?2, '') ORDER BY id LIMIT ?3",
        )
        .bind(account)
        .bind(request.after())
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(request.page(rows, |row: &ApiTokenRow| row.id.clone()))
    }

    /// Removes an API token: of one user, or of any.
    pub async fn delete_api_token(&self, id: &str, account: Option<&str>) -> Result<()> {
        let done =
            sqlx::query("DELETE FROM api_token WHERE id = ?1 AND (?2 IS NULL OR account = ?2)")
                .bind(id)
                .bind(account)
                .execute(&self.writer)
                .await?;
        if done.rows_affected() == 0 {
            return Err(Error::not_found("token", id));
        }
        Ok(())
    }
}
