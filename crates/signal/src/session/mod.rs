//! The dialogue with one client, from its join to its leave, over any number of sockets.
//!
//! Owns the client's peer connections' descriptions and what it was told. Decides nothing about the room: requests go
//! to the room as values, and what the room decides comes back as [`Notice`]s. The order of what leaves is the order
//! in which it was decided (docs/protocol.md#order-of-messages).
//!
//! [`Session`] takes the inputs and hands them to the part that they concern:
//!
//! | part | owns |
//! |---|---|
//! | [`Outbox`] | what leaves, and whether a socket is there to hear it |
//! | [`Links`] | the peer connections: descriptions, credentials, candidates |
//! | [`Publishing`] | tracks of the client, and the sections that turn up for them |
//! | [`Subscriptions`] | tracks that the client gets |
//! | [`DataDown`] | data packets for the client |
//! | [`MediaWatch`] | what a client is given time for when its media fails |
//! | [`Resuming`] | what the next resume shall be like |

mod candidates;
mod data;
mod leave;
mod link;
mod links;
mod negotiate;
mod outbox;
mod publishing;
mod requests;
mod resume;
mod simulate;
mod start;
mod subscriptions;
mod values;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tutti_room::{Delivery, Notice, Request};
use tutti_rtp::Codec;
use tutti_transport::{Channel, TransportEvent, TransportId};

use crate::Frame;
use crate::negotiation::Peer;
use data::DataDown;
pub use link::{member_of, transports_of};
use links::Links;
use negotiate::HeldOffer;
use outbox::Outbox;
use publishing::Publishing;
use resume::Resuming;
use subscriptions::Subscriptions;
pub use values::{Facts, Mode, Output, Placement, Start};
use watch::{Due, MediaWatch};

/// A fresh token goes out this often (docs/protocol.md#token-refresh).
const TOKEN_REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// The dialogue with one client.
pub struct Session {
    facts: Arc<Facts>,
    start: Start,
    peer: Peer,
    out: Outbox,
    links: Links,
    publishing: Publishing,
    subscriptions: Subscriptions,
    data: DataDown,
    media: MediaWatch,
    resuming: Resuming,
    held_offer: Option<HeldOffer>,
    token_due: Option<Instant>,
    active: bool,
    ended: bool,
}

impl Session {
    /// A dialogue that has said nothing yet; call [`Session::begin`] next.
    pub fn new(facts: Arc<Facts>, start: Start) -> Self {
        let peer = Peer::from_client(&start.client);
        let links = Links::new(&facts, &start, &peer);
        Self {
            out: Outbox::new(&start, peer.clone()),
            publishing: Publishing::new(start.room, links.publisher()),
            subscriptions: Subscriptions::new(start.room, peer.takes_sync_streams()),
            data: DataDown::new(links.primary()),
            media: MediaWatch::default(),
            resuming: Resuming::new(start.tcp_only),
            facts,
            start,
            peer,
            links,
            held_offer: None,
            token_due: None,
            active: false,
            ended: false,
        }
    }

    /// Whether the dialogue is over.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// What to do next, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.poll()
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let held = self.held_offer.as_ref().map(HeldOffer::due);
        [self.token_due, self.media.poll_timeout(), held].into_iter().flatten().min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.token_due.is_some_and(|due| due <= now) {
            self.refresh_token(now);
        }
        if self.held_offer.as_ref().is_some_and(|held| held.due() <= now) {
            self.answer_held();
        }
        while let Some(due) = self.media.take_due(now) {
            match due {
                Due::AskToResume => self.ask_to_resume(),
                Due::GiveUp => self.give_up_on_media(),
            }
        }
    }

    /// The room decided something.
    pub fn handle_notice(&mut self, now: Instant, notice: Notice) {
        if self.ended {
            return;
        }
        let Self { out, links, publishing, subscriptions, .. } = self;
        match notice {
            Notice::Send(message) => out.respond(*message),
            Notice::TrackAccepted { track, cid, info, request } => {
                let answer = livekit_protocol::TrackPublishedResponse { cid, track: Some(*info) };
                publishing.accept(links, out, track, answer, *request);
            }
            Notice::TrackRemoved { track, .. } => publishing.remove(links, out, track),
            Notice::TrackMuted { track, muted } => publishing.set_muted(out, track, muted),
            Notice::Subscribe(subscribe) => subscriptions.add(links, *subscribe),
            Notice::Unsubscribe(subscription) => subscriptions.remove(links, out, subscription),
            Notice::SetTarget(subscription, target) => subscriptions.set_target(links, out, subscription, target),
            Notice::IdentityChanged(_) => self.refresh_token(now),
            Notice::Leave { reason, action } => self.leave(reason, action),
        }
    }

    /// Passes on a message of the room that other members get too.
    pub fn pass_on(&mut self, frame: &Arc<Frame>) {
        self.out.pass_on(frame);
    }

    /// Sends an encoded `DataPacket` to the client. Reliable ones wait a little for the client's channels.
    pub fn send_data(&mut self, now: Instant, delivery: Delivery, payload: Bytes) {
        if !self.ended {
            self.data.send(&mut self.out, now, delivery, payload);
        }
    }

    /// Sends a data-track packet to the client; lost if its channel is not open.
    pub fn send_data_track(&mut self, payload: Bytes) {
        if !self.ended {
            self.data.send_track(&mut self.out, payload);
        }
    }

    /// A transport of this client reported.
    pub fn handle_transport(&mut self, now: Instant, id: TransportId, event: TransportEvent) {
        if self.ended {
            return;
        }
        let Some(link) = self.links.get_mut(id) else { return };
        match event {
            TransportEvent::Connected { .. } => {
                link.failed = false;
                self.connected(id);
            }
            TransportEvent::Disconnected => {}
            TransportEvent::Failed { reason } => {
                link.failed = true;
                self.out.put(Output::MediaFailed(reason));
                self.media.failed(now);
            }
            TransportEvent::ChannelOpen(channel) => self.data.channel_open(&mut self.out, now, id, channel),
            TransportEvent::Message { channel, payload } => self.out.room(match channel {
                Channel::Reliable => Request::Data { delivery: Delivery::Reliable, payload },
                Channel::Lossy => Request::Data { delivery: Delivery::Lossy, payload },
                Channel::DataTrack => Request::DataTrackPacket(payload),
                Channel::Application => Request::ApplicationData(payload),
            }),
            TransportEvent::DataStalled => {
                // The client takes nothing any more. It cannot have what it missed, so it shall join anew.
                let why = "nothing was acknowledged for 15 s; the client is told to join anew".to_owned();
                self.out.refused("reliable data", why);
                self.give_up_on_state();
            }
            TransportEvent::DataUndelivered { bytes } => {
                let why = format!("the client takes none of {bytes} bytes, or has closed its channel");
                self.out.refused("reliable message", why);
            }
            // Who may send how fast is the room's owner's matter.
            TransportEvent::DataProgress { .. } => {}
        }
    }

    fn connected(&mut self, id: TransportId) {
        // One connection that works does not make up for another that is gone.
        if !self.links.any_failed() {
            self.media.stop();
        }
        if id == self.links.primary() && !std::mem::replace(&mut self.active, true) {
            self.out.room(Request::Active);
        }
    }

    /// Everything that one round of inputs wanted negotiated goes out as one description. Call it when the inputs of
    /// a round are handled, the outputs drained, and the room's answers handed back: a description may name only what
    /// the client was told of before.
    pub fn flush(&mut self) {
        if !self.ended {
            self.catch_up();
            if self.out.is_attached() {
                self.links.negotiate(&mut self.out, !self.subscriptions.is_empty());
            }
        }
    }

    fn refresh_token(&mut self, now: Instant) {
        self.token_due = Some(now + TOKEN_REFRESH_INTERVAL);
        if self.out.is_attached() {
            self.out.put(Output::RefreshToken);
        }
    }
}

/// The codec of a MIME type such as `video/VP8`.
fn codec_of(mime: &str) -> Option<Codec> {
    Codec::from_name(mime.split_once('/').map_or(mime, |(_, name)| name))
}
