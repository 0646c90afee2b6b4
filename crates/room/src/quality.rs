//! How well everyone is connected, judged every few seconds and told when it changes
//! (docs/protocol.md#connection-quality).

use std::collections::BTreeSet;
use std::time::Instant;

use livekit_protocol as proto;
use proto::ConnectionQuality;
use proto::signal_response::Message;

use crate::agenda::Duty;
use crate::member::Member;
use crate::room::Room;
use crate::score::{Expected, Media, Quality};
use crate::target::layers;
use crate::track::Track;
use crate::{Leg, MemberKey, SubscriptionNumber, TrackNumber};

/// Clients from this protocol version on know connection quality, and `LOST` (docs/protocol.md#protocol-versions).
const KNOWS_QUALITY: i32 = 5;
const KNOWS_LOST: i32 = 11;

impl Quality {
    /// As a client of this protocol version can read it.
    fn info(self, sid: &str, protocol: i32) -> proto::ConnectionQualityInfo {
        let grade = match self.grade {
            ConnectionQuality::Lost if protocol < KNOWS_LOST => ConnectionQuality::Poor,
            grade => grade,
        };
        proto::ConnectionQualityInfo { participant_sid: sid.to_owned(), quality: grade as i32, score: self.mos }
    }
}

impl Track {
    fn media(&self) -> Media {
        match self.is_audio() {
            true if self.info.mime_type.eq_ignore_ascii_case("audio/red") => Media::RedundantAudio,
            true => Media::Audio,
            false => Media::Video,
        }
    }

    /// What the publisher should send now. `None` = nothing, nobody wants it.
    fn expected(&self) -> Option<Expected> {
        let media = self.media();
        let unknown = Expected { media, bitrate: 0, layers: 0 };
        if self.is_audio() {
            return Some(unknown);
        }
        let best = self.demand.standing(0)?;
        let screen = self.source() == proto::TrackSource::ScreenShare;
        let wanted: Vec<_> = layers(&self.info, 0).iter().filter(|layer| layer.quality <= best as i32).collect();
        if screen || wanted.is_empty() {
            // A still screen needs next to nothing.
            return Some(unknown);
        }
        let shared = self.info.codecs.first().map(proto::SimulcastCodecInfo::video_layer_mode)
            == Some(proto::video_layer::Mode::MultipleSpatialLayersPerStream);
        let rates = wanted.iter().map(|layer| u64::from(layer.bitrate));
        let bitrate = if shared { rates.max() } else { Some(rates.sum()) };
        Some(Expected { media, bitrate: bitrate.unwrap_or(0), layers: u8::try_from(wanted.len()).unwrap_or(u8::MAX) })
    }
}

impl Room {
    pub(crate) fn on_upstream(&mut self, key: MemberKey, number: TrackNumber, leg: Leg) {
        let Some(track) = self.tracks.get_mut(&number).filter(|track| track.publisher == key) else { return };
        match track.expected() {
            Some(expected) if track.visible && !track.info.muted => track.upstream.observe(leg, expected),
            _ => track.upstream.reset(),
        }
    }

    pub(crate) fn on_downstream(&mut self, key: MemberKey, number: SubscriptionNumber, leg: Leg) {
        let Some(subscription) = self.subscriptions.get_mut(&number).filter(|entry| entry.subscriber == key) else {
            return;
        };
        let Some(track) = self.tracks.get(&subscription.track) else { return };
        // That nothing is sent says something about the publisher, not about this leg.
        if leg.layers > 0 && !subscription.target.paused {
            subscription.downstream.observe(leg, Expected { media: track.media(), bitrate: 0, layers: 0 });
        }
    }

    /// Judges everyone, and tells what changed.
    pub(crate) fn on_quality_due(&mut self, now: Instant) {
        let judged: Vec<_> =
            self.members.values().filter(|member| member.is_active()).map(|member| member.key).collect();
        for key in judged {
            let Some(member) = self.members.get(&key) else { continue };
            let quality = self.judge(member);
            let changed = member.quality.is_none_or(|told| told.grade != quality.grade);
            let to = if changed { self.watchers(member) } else { Vec::new() };
            if let Some(member) = self.members.get_mut(&key) {
                member.quality = Some(quality);
                let sid = member.sid.clone();
                self.tell_quality(&sid, quality, to);
            }
        }
        if !self.members.is_empty() {
            self.agenda.set(Duty::Quality, now + self.settings.quality_interval);
        }
    }

    /// The worst of what a member sends and gets.
    fn judge(&self, member: &Member) -> Quality {
        let sent = member.tracks.iter().filter_map(|number| self.tracks.get(number));
        let sent = sent.filter(|track| track.visible && !track.info.muted).map(|track| track.upstream.quality());
        let received = member.subscriptions.values().filter_map(|number| self.subscriptions.get(number));
        let received = received
            .filter(|entry| !entry.target.paused)
            .filter(|entry| self.tracks.get(&entry.track).is_some_and(|track| !track.info.muted));
        let received = received.map(|entry| entry.downstream.quality());
        sent.chain(received).fold(Quality::BEST, Quality::worst)
    }

    /// Those who get any of a member's tracks, and the member.
    fn watchers(&self, member: &Member) -> Vec<MemberKey> {
        let tracks = member.tracks.iter().filter_map(|number| self.tracks.get(number));
        let mut watchers: BTreeSet<_> = tracks.flat_map(|track| track.subscribers.keys().copied()).collect();
        watchers.insert(member.key);
        let takes = |key: &MemberKey| {
            self.members.get(key).is_some_and(|member| member.is_attached() && member.protocol() >= KNOWS_QUALITY)
        };
        watchers.into_iter().filter(takes).collect()
    }

    fn tell_quality(&mut self, sid: &str, quality: Quality, to: Vec<MemberKey>) {
        let knows_lost = |key: &MemberKey| self.members.get(key).is_some_and(|member| member.protocol() >= KNOWS_LOST);
        let (new, old): (Vec<_>, Vec<_>) = to.into_iter().partition(knows_lost);
        for (to, protocol) in [(new, KNOWS_LOST), (old, KNOWS_QUALITY)] {
            let updates = vec![quality.info(sid, protocol)];
            self.broadcast(to, Message::ConnectionQuality(proto::ConnectionQualityUpdate { updates }));
        }
    }

    /// A new subscriber learns how the publisher speaks and how well it is connected.
    pub(crate) fn send_snapshots(&mut self, to: MemberKey, number: TrackNumber) {
        self.send_voice(to, number);
        let publisher = self.tracks.get(&number).and_then(|track| self.members.get(&track.publisher));
        let known = publisher.and_then(|publisher| Some((publisher.sid.clone(), publisher.quality?)));
        let takes =
            self.members.get(&to).is_some_and(|member| member.is_attached() && member.protocol() >= KNOWS_QUALITY);
        if let Some((sid, quality)) = known.filter(|_| takes) {
            self.tell_quality(&sid, quality, vec![to]);
        }
    }

    /// Tells a member with a new socket how well it and those it watches are connected.
    pub(crate) fn send_qualities(&mut self, to: MemberKey) {
        let Some(member) = self.members.get(&to).filter(|member| member.protocol() >= KNOWS_QUALITY) else { return };
        let publishers = member.subscriptions.keys().filter_map(|number| self.tracks.get(number));
        let mut watched: BTreeSet<_> = publishers.map(|track| track.publisher).collect();
        watched.insert(to);
        let known = watched.iter().filter_map(|key| self.members.get(key));
        let known = known.filter_map(|other| Some(other.quality?.info(&other.sid, member.protocol())));
        let updates: Vec<_> = known.collect();
        if !updates.is_empty() {
            self.send(to, Message::ConnectionQuality(proto::ConnectionQualityUpdate { updates }));
        }
    }
}
