//! Sizes in bytes that nothing on the wire exceeds: the same on every broker, client and route.

/// One record of a result or event.
pub const RECORD: usize = 16 << 10;
/// A batch of records, and a reply.
pub const BATCH: usize = 32 << 10;
/// A reported or desired document with its signature.
pub const STATE: usize = 64 << 10;
/// A metric's JSON.
pub const METRIC: usize = 8 << 10;
/// A choice, an acknowledgement, a status, a live result.
pub const SMALL: usize = 8 << 10;
/// A whole MQTT packet.
pub const PACKET: usize = 128 << 10;
/// A manifest.
pub const MANIFEST: usize = noroshi_model::MAX_MANIFEST_BYTES;
/// A model file.
pub const MODEL: u64 = noroshi_model::MAX_MODEL_BYTES;
/// One TUF metadata file.
pub const METADATA: usize = 4 << 20;
/// An anchor document, and an enrolment request or answer.
pub const ANCHOR: usize = 256 << 10;
/// A topic or topic filter.
pub const TOPIC: usize = 256;
/// Ranges in one acknowledgement.
pub const ACK_RANGES: usize = 64;
/// Records in one batch.
pub const BATCH_RECORDS: usize = 256;
/// Pipelines of one device.
pub const PIPELINES: usize = 16;
/// Devices in one site plan.
pub const PLAN_DEVICES: usize = 500;
/// Revoked certificates in one site plan.
pub const REVOKED: usize = 512;
