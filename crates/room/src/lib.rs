//! Who is in a room and may do what. Knows no WebRTC.
//!
//! [`Room`] is a state machine without I/O: what members' dialogues, the media plane and the server API ask goes in
//! ([`Joiner`], [`Request`], [`AdminRequest`]), what dialogues and the outside are told comes out ([`Output`],
//! [`Notice`], [`RoomEventKind`]). Time is an argument, sids come from a seed. "Wire brief" in comments means the
//! project's account of the LiveKit client protocol.
//!
//! | modules | what they are |
//! |---|---|
//! | [`request`], [`notice`], [`event`], [`error`], [`settings`], [`preset`] | what passes through the doors: plain values |
//! | [`member`], [`track`], [`data_track`], [`pending`], [`departures`], [`nonces`], [`numbers`], [`clock`], [`agenda`], [`ledger`] | state; knows nothing of [`Room`] |
//! | [`dynacast`], [`permission`], [`score`], [`target`], [`packet`], [`sid`], [`track_request`] | rules; pure functions and small machines, know nothing of [`Room`] |
//! | [`room`] | the books, the doors, and what is put out |
//! | all others | one behaviour each, as methods of [`Room`]; nothing above imports them |
//!
//! One verb brings things into line after a change: **reconcile** makes what is (a subscription, a data handle, a
//! publisher's demand, a voice that was told) what wishes and rights say it should be, and tells those concerned.

mod admin;
mod agenda;
mod clock;
mod data;
mod data_blobs;
mod data_track;
mod data_tracks;
mod demand;
mod departures;
mod dynacast;
mod error;
mod event;
mod identity;
mod ledger;
mod lifetime;
mod member;
mod nonces;
mod notice;
mod numbers;
mod packet;
mod pending;
mod permission;
mod preset;
mod publish;
mod quality;
mod request;
mod resume;
mod room;
mod rpc;
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
pub use error::{AdminError, BadText, JoinError, SettingsError};
pub use event::{Chronicle, RoomEvent, RoomEventKind};
pub use ledger::OverLimit;
pub use notice::{Notice, Output, Subscribe, Target};
pub use preset::Presets;
pub use request::{
    AdminRequest, Delivery, Joiner, Leg, MemberKey, Negotiated, Request, SubscriptionNumber, TrackNumber,
};
pub use room::{Census, Room};
pub use rpc::{CallError, CallNumber};
pub use settings::{Limits, Settings};
