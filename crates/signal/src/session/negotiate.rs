//! Descriptions of the client: what they mean for its connections, its tracks and those that it gets.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_response::Message;

use super::Session;
use crate::negotiation::{Answered, NegotiationError};

/// An offer that came inside the join is answered after this long even to a client that gave no sign of readiness.
const HELD_OFFER_MAX: Duration = Duration::from_millis(250);

/// An offer that is answered when the client can take the answer, at the latest when it is due.
pub(super) struct HeldOffer {
    due: Instant,
    offer: proto::SessionDescription,
}

impl HeldOffer {
    pub(super) fn due(&self) -> Instant {
        self.due
    }
}

impl Session {
    /// The offer that came inside the join request; call it after [`Session::begin`] or [`Session::resume`].
    pub fn handle_embedded_offer(&mut self, now: Instant, offer: proto::SessionDescription) {
        if self.ended {
            return;
        }
        if self.peer.applies_embedded_offer_late() {
            self.held_offer = Some(HeldOffer { due: now + HELD_OFFER_MAX, offer });
        } else {
            self.client_offered(&offer);
        }
    }

    /// The client is ready for the answer to the offer that came with its join: its candidates are on their way.
    pub(super) fn answer_held(&mut self) {
        if let Some(held) = self.held_offer.take() {
            self.client_offered(&held.offer);
        }
    }

    /// The client offers its publishing connection, or its only one.
    pub(super) fn client_offered(&mut self, offer: &proto::SessionDescription) {
        match self.answer(offer) {
            Ok(answered) => self.answered(answered),
            Err(error) => self.bad_description("offer", &error),
        }
    }

    fn answer(&mut self, offer: &proto::SessionDescription) -> Result<Answered, NegotiationError> {
        let offered = self.links.read_offer(&mut self.out, offer)?;
        for ended in &offered.ended {
            self.publishing.ended(&mut self.out, &ended.mid, ended.track);
        }
        let new = offered.sections.into_iter().filter(|section| section.track.is_none());
        let policies = self.publishing.claim_all(new);
        self.links.answer(&policies)
    }

    fn answered(&mut self, mut answered: Answered) {
        let Self { out, links, publishing, subscriptions, .. } = self;
        publishing.keep_waiting(&answered.waiting);
        out.respond(Message::Answer(std::mem::take(&mut answered.description)));
        links.answered(out, &mut answered);
        for refused in answered.refused {
            publishing.refused(out, &refused.cid);
        }
        for published in answered.published {
            publishing.published(out, published);
        }
        subscriptions.settle(out, links.publisher(), answered.sends);
    }

    /// The client answers the connection that we offered.
    pub(super) fn client_answered(&mut self, answer: &proto::SessionDescription) {
        match self.links.read_answer(&mut self.out, answer) {
            Ok(Some((id, sends))) => self.subscriptions.settle(&mut self.out, id, sends),
            Ok(None) => {}
            Err(error) => self.bad_description("answer", &error),
        }
    }

    /// A description that breaks the rules leaves both sides in different states: the client begins anew.
    fn bad_description(&mut self, what: &'static str, error: &NegotiationError) {
        self.out.refused(what, error.to_string());
        self.give_up_on_state();
    }
}
