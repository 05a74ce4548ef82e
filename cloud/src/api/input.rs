//! What comes in: bodies, ids, pages.

use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::problem::ApiError;
use crate::error::{Error, Result};
use crate::store::PageRequest;

/// A JSON body. Anything else is a problem that says what is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> std::result::Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        // A form of another site can't send this type, and a browser asks before it does.
        if !kind.starts_with("application/json") {
            return Err(Error::invalid("send JSON, with Content-Type: application/json").into());
        }
        let bytes = whole(request, state).await?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|error| Error::invalid(format!("the body is not right: {error}")).into())
    }
}

/// What an address asks for behind its `?`. Anything else is a problem that says what is wrong: a
/// misspelt `dry_run` must not do for real what was to be tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> std::result::Result<Self, ApiError> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(query)| Self(query))
            .map_err(|error| {
                let text = error.body_text();
                Error::invalid(format!("the address is not right: {text}")).into()
            })
    }
}

/// The whole body, within the route's limit.
pub(crate) async fn whole<S: Send + Sync>(
    request: Request,
    state: &S,
) -> std::result::Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|_| {
        Error::TooLarge {
            what: "a body",
            limit: super::BODY as u64,
        }
        .into()
    })
}

/// An id in an address; one that can't be is not there.
pub(crate) fn id<T: FromStr>(what: &'static str, text: &str) -> Result<T> {
    text.parse().map_err(|_| Error::not_found(what, text))
}

/// Which page of a list.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    /// Items of one page, 1 to 500; 50 if left out.
    pub(crate) limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

impl PageQuery {
    pub(crate) fn request(self) -> Result<PageRequest> {
        PageRequest::new(self.limit, self.cursor)
    }
}

/// Declares the page of a list of one kind of item.
macro_rules! list {
    ($(#[$doc:meta])* $name:ident, $item:ident) => {
        $(#[$doc])*
        #[derive(Debug, serde::Serialize, utoipa::ToSchema)]
        pub(crate) struct $name {
            /// The items.
            items: Vec<$item>,
            /// For the next page; null after the last.
            next_cursor: Option<String>,
        }

        impl From<crate::store::Page<$item>> for $name {
            fn from(page: crate::store::Page<$item>) -> Self {
                Self { items: page.items, next_cursor: page.next_cursor }
            }
        }
    };
}
pub(crate) use list;

/// A name for people: 1 to 100 characters, no control characters.
pub(crate) fn name(text: &str) -> Result<String> {
    let text = text.trim();
    let sound = (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if sound {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid("a name has 1 to 100 characters"))
    }
}
