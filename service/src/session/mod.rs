//! The MQTT 5 session: one task that keeps a connection to a broker, over `rumqttc`.
//!
//! [`open`] gives a [`SessionHandle`] to publish with, a [`SessionEvents`] to listen to, and a
//! [`SessionDriver`] whose `run` is spawned as a part. Delivery is at least once by the *caller's*
//! store: a [`PublishTicket`] says what became of one publish in one connection, and everything
//! that is [`PublishOutcome::Lost`] is the caller's to send again.
//!
//! The traps of `rumqttc` 0.25, and where each is closed:
//!
//! 1. *Awaiting a publish in the polling task deadlocks.* Only [`connection`] holds a [`client`],
//!    which only uses the `try_` calls, and everybody else goes through a bounded queue.
//! 2. *Livelock after a session loss with a stashed collision.* A client and an event loop live
//!    for one connection; any error drops both ([`driver`]).
//! 3. *Queued publishes vanish with `session_present = false`.* Nothing is left in the library's
//!    queues across connections: every open ticket ends as lost, and every connection subscribes
//!    again before it is reported.
//! 4. *No delay between reconnects.* [`crate::backoff`], with one log line a change ([`driver`]).
//! 5. *A packet limit of 10 KiB, and a larger retained message reconnects for ever.* The limit is
//!    an option with the protocol's value as the default, sent to the broker as well
//!    ([`connection`]); a publish that the broker would refuse for its size is refused here
//!    ([`handle`]).
//! 6. *A full channel blocks.* [`SessionHandle::publish`] never waits, it answers `Full`.
//! 7. *A denied subscription is only a code in the SUBACK.* Each code is read and the denied
//!    filters are an event ([`connection`]).
//! 8. *Maintenance is slow.* Nothing of the library shows in this module's public types.
//! 9. *A failing PUBACK is only logged, and a publish stashed behind it stays stuck.* The reason
//!    of every PUBACK resolves its ticket, and [`window`] never lets a packet id come round to
//!    one that is still open, so nothing is ever stashed.
//!
//! Beyond those: the future of a poll is kept, never dropped half done, since a cancelled poll
//! can lose a packet it has taken; and a write that blocks stops the library's keep-alive, so a
//! connection without any event for two and a half keep-alives is ended here ([`connection`]).
//!
//! **Back-pressure.** Incoming messages go to a bounded queue. While it is full they wait in a
//! stash; a QoS 1 message is acknowledged only when it is in the queue, so the broker's own
//! window (`receive_maximum`) bounds the stash, and QoS 0 messages beyond it are dropped and
//! counted. The polling goes on all the while: publishes, acknowledgements and pings still flow.

mod client;
mod connection;
mod driver;
mod handle;
mod options;
mod patience;
mod stash;
mod types;
mod window;

pub use driver::{SessionDriver, open};
pub use handle::{PublishError, PublishTicket, SessionHandle};
pub use options::{Address, Connect, Credentials, SessionOptions, Subscription, Will};
pub use types::{
    DeniedSubscription, DisconnectReason, Message, Properties, PublishOutcome, Qos, Refusal,
    SessionEvent, SessionEvents,
};
