//! Which packets of a stream are missing, and when to ask for each of them again (RFC 4585, section 6.2.1).
//!
//! Owns the list of missing packets and its bounds. How often and how soon to ask are parameters, so that a bad network
//! can be answered with more requests. Writes no RTCP.

use std::time::{Duration, Instant};

/// When and how often to ask for a missing packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NackConfig {
    /// A packet counts as missing once this many later ones arrived …
    pub reorder_packets: u64,
    /// … or once it is this late.
    pub reorder_time: Duration,
    /// Ask again after this part of the round trip, percent …
    pub repeat_rtt_percent: u32,
    /// … but not sooner than this …
    pub repeat_min: Duration,
    /// … nor later than this.
    pub repeat_max: Duration,
    /// Requests for one packet; 0 = missing packets are not even noted.
    pub tries_max: u8,
    /// Give a packet up after this time.
    pub keep: Duration,
    /// Packets missing at once; beyond that all are given up and a key frame is wanted instead.
    pub missing_max: usize,
}

impl Default for NackConfig {
    fn default() -> Self {
        Self {
            reorder_packets: 3,
            reorder_time: Duration::from_millis(8),
            repeat_rtt_percent: 100,
            repeat_min: Duration::from_millis(20),
            repeat_max: Duration::from_millis(250),
            tries_max: 10,
            keep: Duration::from_millis(1_200),
            missing_max: 256,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    index: u64,
    since: Instant,
    sent: Option<Instant>,
    tries: u8,
}

/// What an arriving packet meant for the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// In order, or the first one.
    Ordered,
    /// Later packets are missing before it; they are on the list now.
    Gap,
    /// So many are missing before it that all were given up.
    GaveUp,
    /// It was missing and came after `tries` requests, the last of them `waited` ago.
    Found {
        /// Requests sent for it.
        tries: u8,
        /// Time since the last request, if there was one.
        waited: Option<Duration>,
    },
    /// It was not on the list: a duplicate, or given up before.
    Unexpected,
}

/// The missing packets of one stream.
#[derive(Debug)]
pub(super) struct NackList {
    config: NackConfig,
    newest: Option<u64>,
    /// In ascending order of `index`.
    missing: Vec<Missing>,
    due: Option<Instant>,
    /// Time between requests for one packet, from the round trip last told.
    repeat: Duration,
    given_up: u64,
}

impl NackList {
    /// A list that allocates with the first gap.
    pub(super) const fn new(config: NackConfig) -> Self {
        Self { config, newest: None, missing: Vec::new(), due: None, repeat: config.repeat_min, given_up: 0 }
    }

    /// Changes how to ask from now on.
    pub(super) const fn configure(&mut self, config: NackConfig) {
        self.config = config;
    }

    /// Packets that were given up.
    pub(super) const fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Forgets everything: the stream started afresh.
    pub(super) fn clear(&mut self) {
        self.given_up += self.missing.len() as u64;
        self.missing.clear();
        self.newest = None;
        self.due = None;
    }

    /// Packet `index` arrived.
    pub(super) fn arrived(&mut self, now: Instant, index: u64) -> Arrival {
        let Some(newest) = self.newest else {
            self.newest = Some(index);
            return Arrival::Ordered;
        };
        if index <= newest {
            return self.found(now, index);
        }
        self.newest = Some(index);
        let gap = index - newest - 1;
        if gap == 0 || self.config.tries_max == 0 {
            // Cheap on the common path: a packet in order changes nothing unless a gap not yet asked for waits for it.
            if self.missing.last().is_some_and(|missing| missing.sent.is_none()) {
                self.schedule();
            }
            return Arrival::Ordered;
        }
        if gap as usize + self.missing.len() > self.config.missing_max {
            self.given_up += gap + self.missing.len() as u64;
            self.missing.clear();
            self.due = None;
            return Arrival::GaveUp;
        }
        self.missing.extend((newest + 1..index).map(|index| Missing { index, since: now, sent: None, tries: 0 }));
        self.schedule();
        Arrival::Gap
    }

    fn found(&mut self, now: Instant, index: u64) -> Arrival {
        let Ok(at) = self.missing.binary_search_by_key(&index, |missing| missing.index) else {
            return Arrival::Unexpected;
        };
        let found = self.missing.remove(at);
        self.schedule();
        Arrival::Found { tries: found.tries, waited: found.sent.map(|sent| now.saturating_duration_since(sent)) }
    }

    /// When [`NackList::take_due`] has something to tell.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Fills `out` with what to ask for at `now`, in ascending order, and returns how many there are. Call again until
    /// fewer than `out` holds come back.
    pub(super) fn take_due(&mut self, now: Instant, rtt: Duration, out: &mut [u64]) -> usize {
        let config = self.config;
        let repeat = (rtt * config.repeat_rtt_percent / 100).clamp(config.repeat_min, config.repeat_max);
        self.repeat = repeat;
        let newest = self.newest.unwrap_or(0);
        let before = self.missing.len();
        self.missing.retain(|missing| {
            let spent = missing.tries >= config.tries_max
                && missing.sent.is_some_and(|sent| now.saturating_duration_since(sent) >= repeat);
            !spent && now.saturating_duration_since(missing.since) < config.keep
        });
        self.given_up += (before - self.missing.len()) as u64;
        let mut count = 0;
        for missing in &mut self.missing {
            let Some(place) = out.get_mut(count) else { break };
            if missing.tries < config.tries_max && due_at(missing, &config, newest, repeat) <= now {
                *place = missing.index;
                missing.sent = Some(now);
                missing.tries += 1;
                count += 1;
            }
        }
        self.schedule();
        count
    }

    fn schedule(&mut self) {
        let newest = self.newest.unwrap_or(0);
        self.due = self.missing.iter().map(|missing| due_at(missing, &self.config, newest, self.repeat)).min();
    }
}

/// When to ask for `missing`, again or at first; after the last try, when to give it up.
fn due_at(missing: &Missing, config: &NackConfig, newest: u64, repeat: Duration) -> Instant {
    match missing.sent {
        Some(sent) => sent + repeat,
        None if newest - missing.index >= config.reorder_packets => missing.since,
        None => missing.since + config.reorder_time,
    }
}
