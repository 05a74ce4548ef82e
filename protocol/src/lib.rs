//! What is said on the wire: ids, topics, messages, tokens, signatures and limits.
//!
//! Pure: no network, no files, no clock, no randomness. Machine channels speak CBOR, dashboards
//! flat JSON; the golden vectors in `protocol/golden` freeze both.

mod cbor;
mod choice;
mod command;
mod delivery;
mod desired;
mod enrol;
mod envelope;
mod explanation;
mod filter;
mod identity;
mod ids;
mod key;
mod learning;
pub mod limits;
mod live;
mod ranges;
mod record;
mod reported;
mod serial;
mod status;
mod time;
mod token;
mod topic;
mod trust;

pub use cbor::{DecodeError, Message};
pub use choice::{Choice, Which};
pub use command::{Command, CommandHead, CommandKind, Outcome, Reply, Seen};
pub use delivery::{Ack, Refusal, RefusalReason};
pub use desired::{
    Assignment, Desired, ModelChoice, Plan, PlanState, Revocation, SiteDesired, SitePlan,
};
pub use enrol::{EnrolAnswer, EnrolKind, EnrolRequest};
pub use envelope::{Domain, Envelope, EnvelopeError};
pub use explanation::{Explanation, Part, Rest, TERMS_AT_MOST, Term};
pub use filter::TopicFilter;
pub use identity::{Identity, IdentityError};
pub use ids::{
    BootId, CommandId, DeviceId, EventKind, FrameId, MetricGroup, OrgId, OsBoot, PipelineId,
    PlanId, RolloutId, SiteId, StoreId, TokenId,
};
pub use key::{KeyError, KeyId, PublicKey, SigningKey};
pub use learning::{
    LABELS_AT_MOST, Labelled, Labels, Lessons, PulledState, Skipped, StateEntry, StateList, StateOf,
};
pub use live::Live;
pub use noroshi_model::{NameError, is_id};
pub use ranges::{RangeSet, SequenceRange};
pub use record::{
    Answer, Batch, Body, ClockSource, DropReason, Dropped, Event, Record, Scored, Stream,
};
pub use reported::{
    Figures, LearnedReport, OutboxReport, PipelineReport, PipelineState, RefusedDesired, Reported,
    UpdatePhase, UpdateReport,
};
pub use serial::{CertificateSerial, SerialError};
pub use status::{Presence, Status};
pub use time::{TimeAnswer, TimeRequest};
pub use token::{ApiToken, DashboardToken, EnrolToken, Grant, TokenError};
pub use topic::{Channel, Kind, Topic, TopicError};
pub use trust::{Anchor, OnlineKey, OnlineKeys, Use};
