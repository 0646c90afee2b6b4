//! What the media plane reports, as requests of the members it concerns.

use std::time::Instant;

use livekit_protocol as proto;
use tutti_forward::{ForwardEvent, LegQuality};
use tutti_media::{MediaCommand, MediaEvent};
use tutti_room::{Leg, Request, SubscriptionNumber, TrackNumber};
use tutti_transport::{Reliability, TransportCommand, TransportEvent, TransportId, data_weight};

use super::RoomCore;
use crate::input::RoomOutput;

impl RoomCore {
    pub(super) fn media(&mut self, now: Instant, event: MediaEvent) {
        match event {
            MediaEvent::Transport { id, event } => self.transport(now, id, event),
            MediaEvent::Forward(event) => self.forwarded(now, event),
        }
    }

    fn transport(&mut self, now: Instant, id: TransportId, event: TransportEvent) {
        let key = tutti_signal::member_of(id);
        let Some(member) = self.members.get_mut(&key) else { return };
        let mut holds_window = false;
        match &event {
            TransportEvent::Message { channel, payload } if channel.reliability() == Reliability::Reliable => {
                self.flow.arrives(data_weight(payload.len()));
                holds_window = true;
            }
            TransportEvent::DataProgress { sent, backlog_max } => {
                return self.flow.progress(now, id, *sent, *backlog_max);
            }
            _ => {}
        }
        member.session.handle_transport(now, id, event);
        self.touched.insert(key);
        if holds_window {
            self.settle(now);
            let not_before = self.room.data_ready_at(now, key);
            self.flow.arrived(now, id, not_before);
            if !self.members.contains_key(&key) {
                self.flow.forget(now, id);
            }
        }
    }

    /// Tells transports how much of what they sent was passed on.
    pub(super) fn tell_senders(&mut self) {
        while let Some((id, total)) = self.flow.poll_taken() {
            if let Some(member) = self.members.get(&tutti_signal::member_of(id)) {
                let command = TransportCommand::DataTaken(total);
                self.outputs.push_back(RoomOutput::Media(MediaCommand::Transport { shard: member.shard, id, command }));
            }
        }
    }

    fn forwarded(&mut self, now: Instant, event: ForwardEvent) {
        let request = match event {
            ForwardEvent::Speaker { track, level, active } => {
                let track = TrackNumber(track.index());
                (self.publishers.get(&track), Request::Speaker { track, level, active })
            }
            ForwardEvent::Upstream { track, quality, layers } => {
                let track = TrackNumber(track.index());
                (self.publishers.get(&track), Request::Upstream(track, leg(&quality, layers)))
            }
            ForwardEvent::Downstream { subscription, quality, spatial } => {
                let subscription = SubscriptionNumber(subscription.index());
                let layers = spatial.map_or(0, |layer| 1_u8.checked_shl(layer.into()).unwrap_or(0));
                (self.subscribers.get(&subscription), Request::Downstream(subscription, leg(&quality, layers)))
            }
            ForwardEvent::CodecMismatch { subscription } => {
                let subscription = SubscriptionNumber(subscription.index());
                let why = proto::SubscriptionError::SeCodecUnsupported;
                (self.subscribers.get(&subscription), Request::SubscriptionFailed(subscription, why))
            }
            ForwardEvent::TrackStarted { .. } => return,
        };
        if let (Some(&member), request) = request {
            self.room.handle(now, member, request);
        }
    }
}

fn leg(quality: &LegQuality, layers: u8) -> Leg {
    let seconds = f64::from(quality.window_ms.max(1)) / 1000.0;
    Leg {
        loss: if quality.packets_expected == 0 {
            0.0
        } else {
            (quality.packets_lost as f32 / quality.packets_expected as f32).clamp(0.0, 1.0)
        },
        jitter_ms: quality.jitter_ms,
        rtt_ms: quality.rtt_ms,
        bitrate: (quality.bytes as f64 * 8.0 / seconds) as u64,
        layers,
    }
}
