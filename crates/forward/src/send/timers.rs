//! What a subscription does by the clock: padding until media flows, reports while it does.

use std::time::{Duration, Instant};

use super::history::SentAs;
use super::{SendCounters, SendPacket, SendTrack};
use crate::ForwardEvent;
use crate::LayerMode;
use crate::layers::Layers;

/// Time between sender reports …
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(3);

/// … and until the first one, or the next try where the publisher's clock is not known yet.
const REPORT_SOON: Duration = Duration::from_millis(300);

/// Length of a quality window.
pub(crate) const QUALITY_WINDOW: Duration = Duration::from_secs(5);

/// Time between packets of padding …
pub(crate) const PADDING_INTERVAL: Duration = Duration::from_millis(100);

/// … and how many there are, unless media comes first.
pub(crate) const PADDING_PACKETS: u8 = 50;

/// When things are due.
#[derive(Debug, Default)]
pub(super) struct Timers {
    report: Option<Instant>,
    /// Media was sent since the last sender report.
    sent_since_report: bool,
    window: Option<Window>,
    padding: Option<Instant>,
    padding_left: u8,
}

/// A quality window and the counters at its beginning.
#[derive(Debug, Clone, Copy)]
struct Window {
    began: Instant,
    counters: SendCounters,
    /// Highest spatial layer inside the stream that was sent in it.
    spatial: u8,
}

impl Timers {
    pub(super) fn start(&mut self, now: Instant, needs_padding: bool) {
        if needs_padding {
            self.padding = Some(now);
            self.padding_left = PADDING_PACKETS;
        }
    }

    /// Media is being sent.
    pub(super) fn note_sent(&mut self, now: Instant, spatial: u8, counters: &SendCounters) {
        self.padding = None;
        self.sent_since_report = true;
        self.report.get_or_insert(now + REPORT_SOON);
        let window = self.window.get_or_insert(Window { began: now, counters: *counters, spatial });
        window.spatial = window.spatial.max(spatial);
    }

    /// Whether a sender report is due; if it cannot be made, it is due again soon.
    pub(super) fn take_report_due(&mut self, now: Instant) -> bool {
        let due = self.report.is_some_and(|at| at <= now);
        if due {
            // While nothing is sent there is nothing to report.
            self.report = self.sent_since_report.then(|| now + REPORT_SOON);
        }
        due && self.sent_since_report
    }

    pub(super) fn report_sent(&mut self, now: Instant) {
        self.report = Some(now + REPORT_INTERVAL);
        self.sent_since_report = false;
    }
}

impl SendTrack {
    /// When [`SendTrack::handle_timeout`] and [`SendTrack::sender_report`] are wanted next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let timers = &self.timers;
        [
            self.catch_up.map(|catch_up| catch_up.since),
            timers.report,
            timers.padding,
            timers.window.map(|window| window.began + QUALITY_WINDOW),
            self.left.map(|left| left.until),
            self.layering.ask_again(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due at `now`. What is emitted is to be sent.
    pub fn handle_timeout(&mut self, now: Instant, layers: &Layers, mut emit: impl FnMut(SendPacket)) {
        if !self.layering.has_started() {
            return;
        }
        self.catch_up(now, layers, &mut emit);
        self.pad(now, &mut emit);
        if self.left.is_some_and(|left| left.until <= now) {
            self.left = None;
            self.update_interest(layers);
        }
        self.ask_again(now, layers);
        self.tell_quality(now, layers);
    }

    /// The next thing to tell the control plane.
    pub fn poll_event(&mut self) -> Option<ForwardEvent> {
        self.events.pop_front()
    }

    fn pad(&mut self, now: Instant, emit: &mut impl FnMut(SendPacket)) {
        if self.timers.padding.is_none_or(|at| at > now) {
            return;
        }
        self.timers.padding_left -= 1;
        self.timers.padding = (self.timers.padding_left > 0).then(|| now + PADDING_INTERVAL);
        let out = self.runs.take_padding();
        let timestamp = self.timeline.idle();
        if let Some(packet) = self.send_padding(now, out, timestamp, SentAs { filler: true, ..SentAs::default() }) {
            emit(packet);
        }
    }

    fn tell_quality(&mut self, now: Instant, layers: &Layers) {
        let Some(window) = self.timers.window else { return };
        let length = now.saturating_duration_since(window.began);
        if length < QUALITY_WINDOW {
            return;
        }
        let counters = self.counters;
        let sent = counters.packets - window.counters.packets;
        // A window without packets ends the series; the next packet begins a new one.
        self.timers.window = (sent > 0).then_some(Window { began: now, counters, spatial: 0 });
        if sent == 0 {
            return;
        }
        let octets = counters.octets - window.counters.octets;
        let quality = self.quality(length, sent, octets, counters.resent - window.counters.resent);
        let spatial = self.current.map(|layer| match layers.mode(layers.section(layer)) {
            LayerMode::Simulcast => layers.spatial(layer),
            LayerMode::Svc => window.spatial,
        });
        self.events.push_back(ForwardEvent::Downstream { subscription: self.subscription, quality, spatial });
    }
}
