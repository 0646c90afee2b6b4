//! The send side of a subscription: from the packets in [`Layers`] to those of one subscriber.
//!
//! Owns the subscriber's sequence, clock and running numbers, which layer it gets and when that may change, what it
//! was sent and may ask for again. Knows neither rooms nor transports; seals and sends nothing itself.
//!
//! **One index, one packet.** Under AES-GCM two packets sealed with the same SSRC and index give the authentication key
//! away (RFC 7714, section 9.1). So an index is used once, or, where the subscriber asks without RTX, for the very same
//! bits again: such streams carry neither transport-cc nor abs-send-time, which would differ. For the same reason a new
//! `SendTrack` needs an SSRC that was never used on its transport.

mod build;
mod copies;
mod feedback;
mod frame_number;
mod history;
pub(crate) mod layering;
mod packet;
mod rewrite;
mod routes;
mod runs;
mod select;
#[cfg(test)]
mod tests;
mod timeline;
pub(crate) mod timers;
mod vp8;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use feedback::ReceiverView;
use frame_number::FrameNumbers;
pub use history::ResendConfig;
use history::{History, SentAs};
pub use layering::LayerLimit;
use layering::Layering;
pub use packet::{SCRATCH_LEN, SendKind, SendPacket};
use routes::Routes;
use runs::{Rewrite, Runs};
use select::Selector;
use timeline::{Origin, Timeline};
use timers::Timers;
use tutti_rtp::{Extension, ExtensionMap, MediaKind, Ssrc};
use vp8::Vp8Numbers;

use crate::layers::Layers;
use crate::ring::PacketSlot;
use crate::{
    ForwardEvent, LayerIndex, LayerMask, LayerTarget, PayloadFormat, SubscribeTrack, SubscriptionKey, TrackKey,
};

/// How long packets of the layer before a switch are still forwarded when they come late.
const LINGER: Duration = Duration::from_millis(500);

/// What was counted since the subscription began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendCounters {
    /// Media packets forwarded for the first time.
    pub packets: u64,
    /// Their payload bytes.
    pub octets: u64,
    /// Those among them that were lost on the publisher's way and taken out of the copies of later ones (RFC 2198).
    pub recovered: u64,
    /// Packets sent again.
    pub resent: u64,
    /// Packets of padding.
    pub padding: u64,
    /// Packets of the current stream that were not part of what the subscriber gets.
    pub filtered: u64,
    /// Packets that came too late to be forwarded.
    pub late: u64,
    /// Packets whose format the subscriber cannot take, or that could not be rewritten.
    pub unusable: u64,
    /// Requests for packets that were never sent or are no longer kept.
    pub resend_unknown: u64,
    /// Requests ignored because the packet was sent a moment ago.
    pub resend_too_soon: u64,
    /// Requests ignored because the packet was sent too often.
    pub resend_too_often: u64,
    /// Switches between layers, the first one included.
    pub switches: u64,
    /// Key frames asked for.
    pub key_frame_requests: u64,
}

/// A packet of the track.
#[derive(Debug, Clone, Copy)]
struct Source<'a> {
    layers: &'a Layers,
    layer: LayerIndex,
    slot: &'a PacketSlot,
}

/// A stream that was switched away from.
#[derive(Debug, Clone, Copy)]
struct Left {
    layer: LayerIndex,
    until: Instant,
}

/// Packets that are to be taken from the ring.
#[derive(Debug, Clone, Copy)]
struct CatchUp {
    /// The first of them.
    first: u64,
    since: Instant,
}

/// One subscription.
#[derive(Debug)]
pub struct SendTrack {
    subscription: SubscriptionKey,
    track: TrackKey,
    kind: MediaKind,
    encrypted: bool,
    mid: String,
    cname: Box<str>,
    ssrc: Ssrc,
    rtx_ssrc: Option<Ssrc>,
    /// The number that the sequence began with.
    first: u64,
    formats: Vec<PayloadFormat>,
    /// Ids for packets that are sent once, and for those that may be sent again as they are.
    extensions: ExtensionMap,
    extensions_repeatable: ExtensionMap,
    needs_padding: bool,

    routes: Routes,
    layering: Layering,
    current: Option<LayerIndex>,
    /// Restart count of the current stream.
    generation: u32,
    left: Option<Left>,
    /// The current stream was taken up with a packet that is not its newest.
    catch_up: Option<CatchUp>,

    runs: Runs,
    timeline: Timeline,
    vp8: Vp8Numbers,
    frame_numbers: FrameNumbers,
    selector: Selector,

    history: History,
    rtx_next: u64,
    /// The receiver has reported: it knows the SSRC, the MID is no longer needed.
    reported: bool,

    receiver: ReceiverView,
    timers: Timers,
    events: VecDeque<ForwardEvent>,
    counters: SendCounters,
}

impl SendTrack {
    /// The send side of `subscribe`, silent until [`SendTrack::refresh`] is called for the first time. `seed` must be
    /// random: sequence numbers and timestamps begin there (RFC 3550, section 5.1).
    pub fn new(now: Instant, subscribe: &SubscribeTrack, kind: MediaKind, encrypted: bool, seed: u64) -> Self {
        let resend = match kind {
            MediaKind::Audio => ResendConfig::AUDIO,
            MediaKind::Video => ResendConfig::VIDEO,
        };
        let section = &subscribe.section;
        let mut extensions_repeatable = section.extensions;
        extensions_repeatable.set(Extension::TransportCc, 0);
        extensions_repeatable.set(Extension::AbsSendTime, 0);
        let [s0, s1, r0, r1, t0, t1, t2, t3] = seed.to_le_bytes();
        // The upper half of the numbers stays free at first, so that the receiver cannot mistake an early wrap for a
        // late packet (RFC 3711, section 3.3.1).
        let first = |low, high| u64::from(u16::from_le_bytes([low, high]) >> 1);
        Self {
            subscription: section.subscription,
            track: subscribe.track,
            kind,
            encrypted,
            mid: section.mid.clone(),
            cname: section.cname.as_str().into(),
            ssrc: Ssrc(section.ssrc),
            rtx_ssrc: section.rtx_ssrc.map(Ssrc),
            first: first(s0, s1),
            formats: section.formats.clone(),
            extensions: section.extensions,
            extensions_repeatable,
            needs_padding: section.needs_padding,
            routes: Routes::default(),
            layering: Layering::new(subscribe.target),
            current: None,
            generation: 0,
            left: None,
            catch_up: None,
            runs: Runs::new(first(s0, s1)),
            timeline: Timeline::new(u32::from_le_bytes([t0, t1, t2, t3])),
            vp8: Vp8Numbers::default(),
            frame_numbers: FrameNumbers::default(),
            selector: Selector::default(),
            history: History::new(now, resend),
            rtx_next: first(r0, r1),
            reported: false,
            receiver: ReceiverView::default(),
            timers: Timers::default(),
            events: VecDeque::new(),
            counters: SendCounters::default(),
        }
    }

    /// Name of the subscription.
    pub const fn subscription(&self) -> SubscriptionKey {
        self.subscription
    }

    /// The track it carries.
    pub const fn track(&self) -> TrackKey {
        self.track
    }

    /// SSRC of its packets.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Name of the publisher's clock, which goes with every sender report.
    pub fn cname(&self) -> &str {
        &self.cname
    }

    /// SSRC of its retransmissions.
    pub const fn rtx_ssrc(&self) -> Option<Ssrc> {
        self.rtx_ssrc
    }

    /// The stream being forwarded.
    pub const fn current(&self) -> Option<LayerIndex> {
        self.current
    }

    /// What was counted.
    pub const fn counters(&self) -> SendCounters {
        self.counters
    }

    /// How much of the track to send from now on. Resuming and going up take a key frame.
    pub fn set_target(&mut self, now: Instant, layers: &Layers, target: LayerTarget) {
        if self.layering.target != target {
            self.layering.target = target;
            self.layering.forget_asked();
            self.reconsider(now, layers);
        }
    }

    /// The most that the subscriber's bandwidth allows, beside its target. None at first.
    pub fn set_limit(&mut self, now: Instant, layers: &Layers, limit: LayerLimit) {
        if self.layering.limit != limit {
            self.layering.limit = limit;
            self.layering.forget_asked();
            self.reconsider(now, layers);
        }
    }

    /// Offers a packet of `layer`. What comes back is to be sent; `None` = nothing, by choice or because it cannot be
    /// used, which is counted. Ask [`SendTrack::has_catch_up`] and [`SendTrack::take_key_frame_request`] afterwards.
    pub fn forward(
        &mut self,
        now: Instant,
        layers: &Layers,
        layer: LayerIndex,
        slot: &PacketSlot,
    ) -> Option<SendPacket> {
        if !self.layering.interest.contains(layer) {
            return None;
        }
        if slot.format.is_some() && self.routes.get(slot.format).is_none() {
            self.tell_mismatch();
        }
        let source = Source { layers, layer, slot };
        if self.current == Some(layer) && self.generation == layers.generation(layer).number {
            if self.catch_up.is_some() {
                // It follows from the ring, in its order.
                return None;
            }
            if self.may_recover(source) {
                self.catch_up = Some(CatchUp { first: slot.index, since: now });
                return None;
            }
            return self.forward_current(now, source);
        }
        if let Some(first) = self.opening(source) {
            self.switch(now, first);
            if layers.newest(layer).is_some_and(|newest| newest > first.slot.index) {
                self.catch_up = Some(CatchUp { first: first.slot.index, since: now });
                return None;
            }
            return self.forward_current(now, first);
        }
        if self.left.is_some_and(|left| left.layer == layer) {
            return self.forward_late(now, source);
        }
        None
    }

    /// Whether packets that are in the ring already are to be sent: [`SendTrack::catch_up`] gives them.
    pub const fn has_catch_up(&self) -> bool {
        self.catch_up.is_some()
    }

    /// Sends what the ring holds from a key frame on, or a packet behind a gap with what it tells of the gap. The rest of
    /// the stream follows through [`SendTrack::forward`].
    pub fn catch_up(&mut self, now: Instant, layers: &Layers, mut emit: impl FnMut(SendPacket)) {
        let (Some(CatchUp { first, .. }), Some(layer)) = (self.catch_up.take(), self.current) else { return };
        let Some(newest) = layers.newest(layer) else { return };
        for index in first..=newest {
            let Some(slot) = layers.slot(crate::PacketAt { layer, index }) else { continue };
            let source = Source { layers, layer, slot };
            if self.may_recover(source) {
                self.recover(now, source, &mut emit);
            }
            if let Some(packet) = self.forward_current(now, source) {
                emit(packet);
            }
        }
    }

    fn forward_current(&mut self, now: Instant, source: Source<'_>) -> Option<SendPacket> {
        let Source { layers, layer, slot } = source;
        if !self.runs.is_newer(slot.index) {
            return self.forward_late(now, source);
        }
        let missing = self.runs.gap_before(slot.index);
        if slot.is_padding() || self.routes.get(slot.format).is_none() {
            self.runs.keep_gap(layer, slot.index, &self.rewrite());
            self.note_missing(source, missing);
            self.runs.skip(slot.index);
            self.counters.unusable += u64::from(!slot.is_padding());
            return None;
        }
        self.timeline.advance(self.origin(source), slot.timestamp, slot.arrival);
        let before = self.selector.selection();
        let admitted = self.selector.decide(layers, layer, slot);
        let rewrite = self.rewrite();
        if missing > 0 {
            // Of a frame that has its numbers already, be it left out or forwarded, nothing may come in another way.
            let selection = rewrite.selection.lower(before);
            self.runs.keep_gap(layer, slot.index, &Rewrite { selection, ..rewrite });
        }
        if !admitted {
            self.runs.skip(slot.index);
            if let Some((descriptor, _)) = &slot.frame.vp8 {
                self.vp8.dropped(descriptor);
            }
            self.counters.filtered += 1;
            return None;
        }
        let out = self.runs.take(layer, slot.index, &rewrite);
        if let Some((descriptor, _)) = &slot.frame.vp8 {
            self.vp8.forwarded(descriptor);
        }
        if let Some(targets) = &slot.targets {
            self.frame_numbers.forwarded(targets.frame_number);
        }
        self.send_first(now, source, out, &rewrite)
    }

    /// A packet that belongs to no frame came in order. What is missing before it may be frames that still come: a
    /// switch leaves room for them.
    fn note_missing(&mut self, source: Source<'_>, missing: u64) {
        let slot = source.slot;
        if missing > 0 {
            self.vp8.missing(missing);
            if self.timeline.is_plausible(slot.timestamp) {
                self.timeline.advance(self.origin(source), slot.timestamp, slot.arrival);
            }
        }
    }

    /// A packet that comes after later ones: it takes the number that was kept for it. If it is not wanted, padding
    /// takes the number, so that the subscriber need not miss it.
    fn forward_late(&mut self, now: Instant, source: Source<'_>) -> Option<SendPacket> {
        let Source { layer, slot, .. } = source;
        let Some(&run) = self.runs.of_packet(layer, slot.index) else {
            self.counters.late += 1;
            return None;
        };
        let out = run.out_of(slot.index);
        if self.history.was_sent(out) || !self.history.remembers(out) {
            self.counters.late += 1;
            return None;
        }
        if slot.is_padding() || self.routes.get(slot.format).is_none() || !run.rewrite.selection.admits(slot) {
            let timestamp = slot.timestamp.add(run.rewrite.timestamp);
            return self.send_padding(now, out, timestamp, SentAs { filler: true, ..SentAs::default() });
        }
        self.send_first(now, source, out, &run.rewrite)
    }

    /// Takes up `layer` with the packet in `slot`.
    fn switch(&mut self, now: Instant, source: Source<'_>) {
        let Source { layers, layer, slot } = source;
        self.left = self
            .current
            .filter(|&current| current != layer)
            .map(|current| Left { layer: current, until: now + LINGER });
        self.current = Some(layer);
        self.generation = layers.generation(layer).number;
        self.catch_up = None;
        self.runs.begin(slot.index);
        self.timeline.switch(self.origin(source), slot.timestamp, slot.arrival);
        self.selector.restart();
        if let Some((descriptor, _)) = &slot.frame.vp8 {
            self.vp8.switch(descriptor);
        }
        if let Some(targets) = &slot.targets {
            self.frame_numbers.switch(targets.frame_number);
        }
        self.counters.switches += 1;
        self.layering.switched(layer);
        self.update_interest(layers);
    }

    fn origin(&self, source: Source<'_>) -> Origin {
        let Source { layers, layer, slot } = source;
        Origin {
            layer,
            generation: self.generation,
            rate_hz: slot.codec.map_or(90_000, |codec| codec.clock_rate()),
            clock: layers.clock(layer),
        }
    }

    fn rewrite(&self) -> Rewrite {
        Rewrite {
            timestamp: self.timeline.offset(),
            vp8: self.vp8.offsets(),
            frame_number: self.frame_numbers.offset(),
            selection: self.selector.selection(),
        }
    }

    /// The layers whose packets are wanted now.
    pub const fn interest(&self) -> LayerMask {
        self.layering.interest
    }

    /// A key frame without which the subscription cannot go on, if one is to be asked for. The publisher's side repeats
    /// the request until it came.
    pub const fn take_key_frame_request(&mut self) -> Option<LayerIndex> {
        self.layering.request.take()
    }
}
