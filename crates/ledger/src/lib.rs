//! What happened, told to those outside. The store's outbox says what; this says it to whoever wants to know.
//!
//! | module | owns |
//! |---|---|
//! | [`webhook`] | endpoints that are called: in order for each session, at least once, with signatures |
//! | [`webhook::body`] | what is sent, in the protocol's form and in ours |
//! | [`webhook::address`] | which addresses may be called |
//! | [`webhook::schedule`] | when what failed is tried again, and when it is given up |
//! | [`webhook::round`] | one batch of events: who is asked, and what follows from the answers |
//!
//! Must not: hold up a room, or show a secret.

pub mod webhook;

pub use webhook::{Endpoint, EndpointError, Format, WebhookCounter, WebhookCounts, Webhooks};
