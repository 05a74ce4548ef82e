//! Pages of a list: a limit and a cursor.

use crate::error::{Error, Result};

/// Which part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    limit: u32,
    cursor: Option<String>,
}

impl PageRequest {
    /// The most items of one page.
    pub const MAX: u32 = 500;
    /// Items of a page when nobody says how many.
    pub const DEFAULT: u32 = 50;

    /// A request as it came in.
    pub fn new(limit: Option<u32>, cursor: Option<String>) -> Result<Self> {
        let limit = limit.unwrap_or(Self::DEFAULT);
        if !(1..=Self::MAX).contains(&limit) {
            return Err(Error::invalid(format!("limit must be 1 to {}", Self::MAX)));
        }
        if cursor.as_ref().is_some_and(|cursor| cursor.len() > 512) {
            return Err(Self::bad_cursor());
        }
        Ok(Self { limit, cursor })
    }

    /// One more than fits, so that a next page is seen.
    pub(super) fn fetch(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// The cursor as text; empty before the first page.
    pub(super) fn after(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// The cursor as a row number, for lists that run from new to old.
    pub(super) fn before_row(&self) -> Result<i64> {
        match &self.cursor {
            None => Ok(i64::MAX),
            Some(cursor) => cursor.parse().map_err(|_| Self::bad_cursor()),
        }
    }

    /// The cursor as a pair of a sort key and an id.
    pub(super) fn after_pair(&self) -> Result<Option<(String, String)>> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let pair: (String, String) =
            serde_json::from_str(cursor).map_err(|_| Self::bad_cursor())?;
        Ok(Some(pair))
    }

    fn bad_cursor() -> Error {
        Error::invalid("the cursor is not one that this list gave; start without a cursor")
    }

    /// A page of what was fetched, with the cursor that `cursor` reads off its last item.
    pub(super) fn page<T>(&self, mut items: Vec<T>, cursor: impl Fn(&T) -> String) -> Page<T> {
        let more = items.len() > self.limit as usize;
        items.truncate(self.limit as usize);
        let next_cursor = if more { items.last().map(cursor) } else { None };
        Page { items, next_cursor }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page starts; none after the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page of other items.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(make).collect(),
            next_cursor: self.next_cursor,
        }
    }

    /// The same page of other items, if each of them can be made.
    pub fn try_map<U>(self, make: impl FnMut(T) -> Result<U>) -> Result<Page<U>> {
        let items = self.items.into_iter().map(make).collect::<Result<_>>()?;
        Ok(Page {
            items,
            next_cursor: self.next_cursor,
        })
    }
}
