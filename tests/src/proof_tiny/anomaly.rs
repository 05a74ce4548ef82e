//! Anomalies: shuttle's rows in 8 KB against scikit-learn, and a hundred series with spikes,
//! shifts, drifts and flat lines.

mod series;
mod shuttle;

use anyhow::Result;

use crate::claims::Claim;
use crate::rows::Context;

pub(super) fn run(_: &Context) -> Result<Vec<Claim>> {
    let mut claims = shuttle::claims()?;
    claims.extend(series::claims()?);
    Ok(claims)
}
