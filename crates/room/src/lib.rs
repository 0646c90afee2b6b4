//! Who is in a room and may do what. Knows no WebRTC.
//!
//! [`Room`] is a state machine without I/O: what members' dialogues, the media plane and the server API ask goes in
//! ([`Joiner`], [`Request`], [`AdminRequest`]), what dialogues and the outside are told comes out ([`Output`],
//! [`Notice`], [`RoomEvent`]). Time is an argument, sids come from a seed. "Wire brief" in comments means the project's
//! account of the LiveKit client protocol.

mod admin;
mod agenda;
mod data;
mod data_tracks;
mod demand;
mod dynacast;
mod error;
mod identity;
mod ledger;
mod lifetime;
mod member;
mod notice;
mod packet;
mod permission;
mod publish;
mod quality;
mod request;
mod resume;
mod room;
mod score;
mod settings;
mod sid;
mod speakers;
mod subscribe;
mod target;
mod track;
mod track_request;
mod updates;

pub use admin::AdminReply;
pub use error::{AdminError, JoinError, TooLong};
pub use ledger::OverLimit;
pub use notice::{Notice, Output, RoomEvent, Subscribe, Target};
pub use request::{
    AdminRequest, Delivery, Joiner, Leg, MemberKey, Negotiated, Request, SubscriptionNumber, TrackNumber,
};
pub use room::{Census, Room};
pub use settings::{Limits, Settings};
