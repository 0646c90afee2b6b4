//! Which stream of the track the subscriber gets, and which it should get.
//!
//! A switch happens with a key frame of a stream nearer to the wanted one, from its first packet on; until then the
//! current stream goes on. Streams that stopped are left for the best one that lives.

use std::time::{Duration, Instant};

use tutti_rtp::MediaKind;

use super::{CatchUp, SendTrack, Source};
use crate::layers::{KeyFrame, Layers};
use crate::{ForwardEvent, LayerIndex, LayerMask, LayerMode, LayerTarget, PacketAt};

/// A key frame in the ring that is not older than this starts a subscription at once.
pub(crate) const KEY_FRAME_AGE_MAX: Duration = Duration::from_secs(1);

/// Packets that may follow it there.
const CATCH_UP_MAX: u64 = 256;

/// A key frame that did not come is asked for again after this time. The publisher's side repeats sooner; this is for
/// requests lost between shards.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(2);

/// The most of a track that a subscriber's bandwidth allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerLimit {
    /// Not even the smallest layer fits.
    pub paused: bool,
    /// Highest spatial layer.
    pub spatial: u8,
    /// Highest temporal layer.
    pub temporal: u8,
}

impl LayerLimit {
    /// No limit.
    pub const NONE: Self = Self { paused: false, spatial: u8::MAX, temporal: u8::MAX };
}

impl Default for LayerLimit {
    fn default() -> Self {
        Self::NONE
    }
}

/// What is wanted and what is asked for.
#[derive(Debug)]
pub(super) struct Layering {
    pub target: LayerTarget,
    pub limit: LayerLimit,
    /// The transport is ready.
    started: bool,
    wanted: Option<LayerIndex>,
    pub interest: LayerMask,
    /// A key frame to be asked for.
    pub request: Option<LayerIndex>,
    asked: Option<(LayerIndex, Instant)>,
    mismatch_told: bool,
}

impl Layering {
    pub(super) const fn new(target: LayerTarget) -> Self {
        Self {
            target,
            limit: LayerLimit::NONE,
            started: false,
            wanted: None,
            interest: LayerMask::NONE,
            request: None,
            asked: None,
            mismatch_told: false,
        }
    }

    pub(super) const fn has_started(&self) -> bool {
        self.started
    }

    /// What may be sent, by wish and by bandwidth.
    fn effective(&self) -> LayerTarget {
        LayerTarget {
            paused: self.target.paused || self.limit.paused,
            spatial: self.target.spatial.min(self.limit.spatial),
            temporal: self.target.temporal.min(self.limit.temporal),
        }
    }

    pub(super) fn switched(&mut self, layer: LayerIndex) {
        if self.wanted == Some(layer) {
            self.asked = None;
        }
    }

    /// What is wanted changed: it is asked for anew.
    pub(super) const fn forget_asked(&mut self) {
        self.asked = None;
    }

    /// When to ask again for a key frame that did not come.
    pub(super) fn ask_again(&self) -> Option<Instant> {
        self.asked.map(|(_, at)| at + ASK_AGAIN)
    }
}

impl SendTrack {
    /// Brings the subscription up to date with its track: new sections, streams that began or stopped. The first call
    /// starts it: the subscriber's transport is ready. To be called again whenever [`Layers::version`] changed.
    pub fn refresh(&mut self, now: Instant, layers: &Layers) {
        if !self.layering.started {
            self.layering.started = true;
            self.timers.start(now, self.needs_padding);
        }
        self.reconsider(now, layers);
    }

    /// The subscriber cannot decode what it has (PLI, RFC 4585; FIR, RFC 5104).
    pub fn handle_key_frame_request(&mut self, _now: Instant, _layers: &Layers) {
        if self.kind == MediaKind::Video
            && let Some(layer) = self.current.or(self.layering.wanted)
        {
            self.ask(layer);
        }
    }

    pub(super) fn reconsider(&mut self, now: Instant, layers: &Layers) {
        if !self.layering.started {
            return;
        }
        if self.routes.len() != layers.formats().len() {
            self.routes.match_all(layers.formats(), &self.formats, self.encrypted);
            self.layering.mismatch_told = false;
        }
        let effective = self.layering.effective();
        if effective.paused {
            self.pause();
            return;
        }
        let wanted = self.choose(layers, effective.spatial);
        self.layering.wanted = wanted;
        let Some(wanted) = wanted else {
            self.pause();
            if !layers.live().is_empty() {
                self.tell_mismatch();
            }
            return;
        };
        match layers.mode(layers.section(wanted)) {
            LayerMode::Simulcast => self.selector.want(LayerTarget::ALL.spatial, effective.temporal),
            LayerMode::Svc => self.selector.want(effective.spatial, effective.temporal),
        }
        self.update_interest(layers);
        if self.kind == MediaKind::Video {
            self.start_from_ring(now, layers, wanted);
            self.ask_if_needed(now, layers, wanted);
        }
    }

    fn pause(&mut self) {
        self.current = None;
        self.left = None;
        self.catch_up = None;
        self.layering.wanted = None;
        self.layering.asked = None;
        self.layering.request = None;
        self.layering.interest = LayerMask::NONE;
    }

    /// The stream that fits `spatial` best: of the first section that the subscriber can take, preferably one that
    /// lives; in it the highest stream up to `spatial`, else the lowest.
    fn choose(&self, layers: &Layers, spatial: u8) -> Option<LayerIndex> {
        let takes = |section: u8| {
            let formats = layers.formats().iter().zip(0u8..);
            formats.into_iter().any(|(source, at)| source.section == section && self.routes.get(Some(at)).is_some())
        };
        let live = layers.live();
        let possible = || layers.all().filter(|&layer| takes(layers.section(layer)));
        let chosen = possible().find(|&layer| live.contains(layer)).or_else(|| possible().next())?;
        let section = layers.section(chosen);
        let streams = || possible().filter(move |&layer| layers.section(layer) == section);
        let any_live = live.contains(chosen);
        let streams = || streams().filter(move |&layer| !any_live || live.contains(layer));
        let within = streams().filter(|&layer| layers.spatial(layer) <= spatial);
        within
            .max_by_key(|&layer| layers.spatial(layer))
            .or_else(|| streams().min_by_key(|&layer| layers.spatial(layer)))
    }

    /// The current stream, unless the publisher began it afresh since.
    fn current_valid(&self, layers: &Layers) -> Option<LayerIndex> {
        self.current.filter(|&layer| layers.generation(layer).number == self.generation)
    }

    /// The packet with which to take up the stream of `source`, if that one shows a key frame of a stream that is wanted.
    pub(super) fn opening<'a>(&self, source: Source<'a>) -> Option<Source<'a>> {
        let Source { layers, layer, slot } = source;
        let usable = !slot.is_padding() && self.routes.get(slot.format).is_some();
        let opens = match self.kind {
            MediaKind::Audio => true,
            MediaKind::Video => slot.frame.key && slot.frame.spatial == 0,
        };
        if !usable || !opens || !self.is_nearer(layers, layer) {
            return None;
        }
        let first = slot.index - u64::from(slot.frame.lead);
        layers.slot(PacketAt { layer, index: first }).map(|slot| Source { layers, layer, slot })
    }

    /// Whether `layer` is nearer to the wanted stream than the current one.
    fn is_nearer(&self, layers: &Layers, layer: LayerIndex) -> bool {
        let Some(wanted) = self.layering.wanted else { return false };
        let Some(distance) = distance(layers, wanted, layer) else { return false };
        match self.current_valid(layers) {
            Some(current) => distance < self::distance(layers, wanted, current).unwrap_or(u8::MAX),
            // The first picture comes from whatever stream up to the wanted one has a key frame first.
            None => layers.spatial(layer) <= layers.spatial(wanted),
        }
    }

    pub(super) fn update_interest(&mut self, layers: &Layers) {
        let mut interest = self.current.map_or(LayerMask::NONE, LayerMask::of);
        if let Some(left) = self.left {
            interest = interest.with(left.layer);
        }
        if self.current_valid(layers).is_none() || self.current != self.layering.wanted {
            interest = layers.all().filter(|&layer| self.is_nearer(layers, layer)).fold(interest, LayerMask::with);
        }
        self.layering.interest = interest;
    }

    /// Nothing is forwarded yet, but the ring holds a young key frame: begin there instead of waiting for the next.
    fn start_from_ring(&mut self, now: Instant, layers: &Layers, wanted: LayerIndex) {
        if self.current_valid(layers).is_some() {
            return;
        }
        let candidates = layers.all().filter(|&layer| self.is_nearer(layers, layer));
        let nearest = candidates
            .filter(|&layer| self.young_key_frame(now, layers, layer).is_some())
            .min_by_key(|&layer| distance(layers, wanted, layer));
        if let Some(layer) = nearest
            && let Some(key_frame) = self.young_key_frame(now, layers, layer)
            && let Some(slot) = layers.slot(PacketAt { layer, index: key_frame.shown })
            && let Some(first) = self.opening(Source { layers, layer, slot })
        {
            self.switch(now, first);
            self.catch_up = Some(CatchUp { first: key_frame.first, since: now });
        }
    }

    /// The newest key frame of `layer`, if it is young, later than all that was sent, and everything behind its first
    /// packet is there.
    fn young_key_frame(&self, now: Instant, layers: &Layers, layer: LayerIndex) -> Option<KeyFrame> {
        let key_frame = layers.generation(layer).key_frame?;
        let index = key_frame.first;
        let newest = layers.newest(layer)?;
        let slot = layers.slot(PacketAt { layer, index })?;
        let young = now.saturating_duration_since(slot.arrival) <= KEY_FRAME_AGE_MAX && newest - index <= CATCH_UP_MAX;
        let later = match self.timeline.newest() {
            Some((last, _)) if last == layer => self.runs.is_newer(index),
            Some((_, arrival)) => arrival < slot.arrival,
            None => true,
        };
        let whole = || (index..=newest).all(|index| layers.slot(PacketAt { layer, index }).is_some());
        (young && later && whole()).then_some(key_frame)
    }

    /// Asks for the key frame that the next switch takes, unless that was done.
    pub(super) fn ask_if_needed(&mut self, now: Instant, layers: &Layers, wanted: LayerIndex) {
        let there = self.current_valid(layers) == Some(wanted);
        if there && !self.selector.wants_key_frame(layers, wanted) {
            self.layering.asked = None;
            return;
        }
        let asked = self
            .layering
            .asked
            .is_some_and(|(layer, at)| layer == wanted && now.saturating_duration_since(at) < ASK_AGAIN);
        if !asked {
            self.layering.asked = Some((wanted, now));
            if !is_arriving(now, layers, wanted) {
                self.ask(wanted);
            }
        }
    }

    fn ask(&mut self, layer: LayerIndex) {
        self.layering.request = Some(layer);
        self.counters.key_frame_requests += 1;
    }

    /// The key frame asked for did not come.
    pub(super) fn ask_again(&mut self, now: Instant, layers: &Layers) {
        if self.layering.ask_again().is_some_and(|at| at <= now) {
            match self.layering.wanted.filter(|&wanted| layers.live().contains(wanted)) {
                Some(wanted) => self.ask_if_needed(now, layers, wanted),
                // It is asked for when the stream begins to live.
                None => self.layering.asked = None,
            }
        }
    }

    pub(super) fn tell_mismatch(&mut self) {
        if !std::mem::replace(&mut self.layering.mismatch_told, true) {
            self.events.push_back(ForwardEvent::CodecMismatch { subscription: self.subscription });
        }
    }
}

/// How far `layer` is from `wanted`: streams below are nearer than streams above. `None` = in another section.
fn distance(layers: &Layers, wanted: LayerIndex, layer: LayerIndex) -> Option<u8> {
    if layers.section(wanted) != layers.section(layer) {
        return None;
    }
    let (wanted, spatial) = (layers.spatial(wanted), layers.spatial(layer));
    Some(wanted.checked_sub(spatial).unwrap_or_else(|| (spatial - wanted).saturating_add(16)))
}

/// Whether a key frame of `layer` is just arriving: the packet that shows it is about to be offered.
fn is_arriving(now: Instant, layers: &Layers, layer: LayerIndex) -> bool {
    let shown = layers.generation(layer).key_frame.map(|key_frame| key_frame.shown);
    let shown = shown.filter(|&shown| layers.newest(layer) == Some(shown));
    shown.and_then(|index| layers.slot(PacketAt { layer, index })).is_some_and(|slot| slot.arrival == now)
}
