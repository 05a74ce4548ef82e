//! Networks become source: what is imported, what is refused, and that the source answers as the
//! reference does.

mod common;
mod cortex;
mod refusals;
mod sources;
