//! Who is in a room and may do what. Knows no WebRTC.

mod notice;
mod request;

pub use notice::{Notice, Output, RoomEvent, Subscribe, Target};
pub use request::{
    AdminRequest, Delivery, Joiner, Leg, MemberKey, Negotiated, Request, SubscriptionNumber, TrackNumber,
};
