//! Which outgoing numbers were sent, and how often again: what bounds retransmission.
//!
//! Four small fields for each number; what a packet was is told by its run. Grows with the rate of the stream, up to
//! its bound.

use std::time::{Duration, Instant};

/// How often a packet is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendConfig {
    /// Times that one packet is sent again.
    pub tries_max: u8,
    /// A request is ignored for this long after the packet was last sent, at least …
    pub quiet_min: Duration,
    /// … and at most; in between it is the measured round trip.
    pub quiet_max: Duration,
    /// Time that sent packets are remembered, within [`ResendConfig::numbers_max`].
    pub keep: Duration,
    /// Numbers remembered at first; a power of two.
    pub numbers_first: usize,
    /// Numbers remembered at most; a power of two.
    pub numbers_max: usize,
}

impl ResendConfig {
    /// Bounds for audio.
    pub const AUDIO: Self = Self {
        tries_max: 6,
        quiet_min: Duration::from_millis(10),
        quiet_max: Duration::from_millis(100),
        keep: Duration::from_millis(1_200),
        numbers_first: 64,
        numbers_max: 256,
    };

    /// Bounds for video.
    pub const VIDEO: Self = Self { numbers_max: 1024, ..Self::AUDIO };
}

/// How a number was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SentAs {
    /// With the MID in its header.
    pub mid: bool,
    /// As padding, because its packet was not wanted when it came late.
    pub filler: bool,
    /// With a mask of the decode targets being sent in its dependency descriptor.
    pub target_mask: bool,
    /// From the copy in the packet that is this many after it; 0 = from the packet itself.
    pub copy: u8,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Lowest bits of the number.
    number: u16,
    /// When it was last sent, ms, modulo 2^16.
    sent_ms: u16,
    resent: u8,
    taken: bool,
    sent_as: SentAs,
}

/// What became of a request for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// Send it again.
    Resend(SentAs),
    /// It was never sent, or too long ago.
    Unknown,
    /// It was sent a moment ago.
    TooSoon,
    /// It was sent too often.
    TooOften,
}

/// The numbers sent lately.
#[derive(Debug)]
pub(super) struct History {
    config: ResendConfig,
    began: Instant,
    entries: Vec<Entry>,
    newest: u64,
    /// Of numbers below this nothing is known: they were forgotten before the history grew.
    floor: u64,
}

impl History {
    /// A history that allocates with the first packet. `config` may forbid it by `numbers_max` 0.
    pub(super) const fn new(now: Instant, config: ResendConfig) -> Self {
        Self { config, began: now, entries: Vec::new(), newest: 0, floor: 0 }
    }

    /// Whether `out` was sent lately.
    pub(super) fn was_sent(&self, out: u64) -> bool {
        self.entry(out).is_some()
    }

    /// Whether it is known of `out` that it was sent or not.
    pub(super) fn remembers(&self, out: u64) -> bool {
        out >= self.floor && out + self.entries.len() as u64 > self.newest
    }

    /// Number `out` is being sent for the first time.
    pub(super) fn sent(&mut self, now: Instant, out: u64, sent_as: SentAs) {
        let now_ms = self.ms(now);
        self.make_room(out, now_ms);
        let at = self.at(out);
        self.newest = self.newest.max(out);
        if let Some(entry) = self.entries.get_mut(at) {
            *entry = Entry { number: out as u16, sent_ms: now_ms, resent: 0, taken: true, sent_as };
        }
    }

    /// The subscriber misses `out`. `Resend` counts as sent.
    pub(super) fn request(&mut self, now: Instant, out: u64, rtt: Option<Duration>) -> Request {
        let quiet = rtt.unwrap_or(self.config.quiet_min).clamp(self.config.quiet_min, self.config.quiet_max);
        let now_ms = self.ms(now);
        let tries_max = self.config.tries_max;
        let at = self.at(out);
        let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.taken && entry.number == out as u16) else {
            return Request::Unknown;
        };
        if entry.resent >= tries_max {
            return Request::TooOften;
        }
        if u128::from(now_ms.wrapping_sub(entry.sent_ms)) < quiet.as_millis() {
            return Request::TooSoon;
        }
        entry.resent += 1;
        entry.sent_ms = now_ms;
        Request::Resend(entry.sent_as)
    }

    fn entry(&self, out: u64) -> Option<&Entry> {
        self.entries.get(self.at(out)).filter(|entry| entry.taken && entry.number == out as u16)
    }

    fn at(&self, out: u64) -> usize {
        out as usize & self.entries.len().wrapping_sub(1)
    }

    fn ms(&self, now: Instant) -> u16 {
        now.saturating_duration_since(self.began).as_millis() as u16
    }

    fn make_room(&mut self, out: u64, now_ms: u16) {
        let len = self.entries.len();
        if len == 0 {
            self.entries.resize(self.config.numbers_first.min(self.config.numbers_max), Entry::default());
            return;
        }
        let Some(evicted) = self.entries.get(self.at(out)).filter(|entry| entry.taken) else { return };
        let age_ms = u128::from(now_ms.wrapping_sub(evicted.sent_ms));
        if age_ms >= self.config.keep.as_millis() || len * 2 > self.config.numbers_max {
            return;
        }
        // After a jump it may grow twice at once: what was forgotten stays so.
        self.floor = self.floor.max((self.newest + 1).saturating_sub(len as u64));
        let old = std::mem::replace(&mut self.entries, vec![Entry::default(); len * 2]);
        for entry in old.into_iter().filter(|entry| entry.taken) {
            let at = usize::from(entry.number) & (self.entries.len() - 1);
            if let Some(place) = self.entries.get_mut(at) {
                *place = entry;
            }
        }
    }
}
