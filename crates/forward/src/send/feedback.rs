//! What the subscriber says: missing packets and reports; and what we report to it.

use std::time::{Duration, Instant};

use tutti_rtp::rtcp::{ReportBlock, SenderInfo};
use tutti_rtp::{CompactNtp, ExtendedSequence, SequenceNumber};

use super::build::Numbers;
use super::history::{Request, SentAs};
use super::{SendKind, SendPacket, SendTrack, Source};
use crate::clock::SourceClock;
use crate::layers::Layers;
use crate::{LegQuality, PacketAt};

/// Sender reports whose time of sending is remembered, to measure the round trip by.
const REPORTS_KEPT: usize = 4;

/// What is known of the receiver.
#[derive(Debug, Default)]
pub(super) struct ReceiverView {
    reports: [Option<(CompactNtp, Instant)>; REPORTS_KEPT],
    reports_sent: usize,
    rtt: Option<Duration>,
    newest: Option<ReportBlock>,
    /// The publisher's clock with our timestamps, as last reported.
    clock: Option<SourceClock>,
    /// The newest block when the quality window began.
    before: Option<ReportBlock>,
}

impl ReceiverView {
    fn report_sent(&mut self, now: Instant, ntp: CompactNtp) {
        if let Some(place) = self.reports.get_mut(self.reports_sent % REPORTS_KEPT) {
            *place = Some((ntp, now));
        }
        self.reports_sent += 1;
    }

    fn measure(&mut self, now: Instant, block: &ReportBlock) {
        let sent = self.reports.iter().flatten().find(|(ntp, _)| *ntp == block.last_sender_report);
        let Some((_, at)) = sent.filter(|_| block.last_sender_report != CompactNtp::default()) else { return };
        let elapsed = now.saturating_duration_since(*at);
        self.rtt = Some(elapsed.saturating_sub(block.delay.to_duration()));
    }

    /// Packets expected and lost since the last call, as reported; `None` without a new report.
    pub(super) fn take_loss(&mut self, first: u32) -> Option<(u32, u32)> {
        let newest = self.newest?;
        let before = self.before.replace(newest);
        let (highest, lost) = match before {
            Some(block) if block.highest_sequence == newest.highest_sequence => return None,
            Some(block) => (block.highest_sequence, block.cumulative_lost),
            None => (first.wrapping_sub(1), 0),
        };
        let expected = newest.highest_sequence.wrapping_sub(highest);
        // A receiver that began afresh counts from there.
        let expected = if expected > u32::MAX / 2 { 0 } else { expected };
        let lost = u32::try_from(newest.cumulative_lost.saturating_sub(lost)).unwrap_or(0);
        Some((expected, lost.min(expected)))
    }

    /// Jitter as last reported, in ticks.
    pub(super) fn jitter(&self) -> u32 {
        self.newest.map_or(0, |block| block.jitter)
    }

    pub(super) const fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}

impl SendTrack {
    /// Round trip to the subscriber, once a report told it.
    pub const fn rtt(&self) -> Option<Duration> {
        self.receiver.rtt()
    }

    /// A report block of the subscriber. Blocks on other sources are ignored.
    pub fn handle_report(&mut self, now: Instant, block: &ReportBlock) {
        if Some(block.ssrc) == self.rtx_ssrc || block.ssrc == self.ssrc {
            self.reported = true;
        }
        if block.ssrc == self.ssrc {
            self.receiver.measure(now, block);
            self.receiver.newest = Some(*block);
        }
    }

    /// The subscriber misses packets of the media SSRC. What is still there is sent again, on the RTX stream where there
    /// is one, else bit for bit under its own number where NACK was agreed on.
    pub fn handle_nack(
        &mut self,
        now: Instant,
        layers: &Layers,
        lost: impl Iterator<Item = SequenceNumber>,
        mut emit: impl FnMut(SendPacket),
    ) {
        for sequence in lost {
            if let Some(packet) = self.resend(now, layers, sequence) {
                emit(packet);
            }
        }
    }

    fn resend(&mut self, now: Instant, layers: &Layers, sequence: SequenceNumber) -> Option<SendPacket> {
        let out = self.number_of(sequence)?;
        match self.history.request(now, out, self.receiver.rtt()) {
            Request::Resend(sent_as) => {
                let packet = self.rebuild(layers, out, sent_as);
                match packet {
                    Some(_) => self.counters.resent += 1,
                    None => self.counters.resend_unknown += 1,
                }
                packet
            }
            Request::Unknown => {
                self.counters.resend_unknown += 1;
                None
            }
            Request::TooSoon => {
                self.counters.resend_too_soon += 1;
                None
            }
            Request::TooOften => {
                self.counters.resend_too_often += 1;
                None
            }
        }
    }

    fn rebuild(&mut self, layers: &Layers, out: u64, sent_as: SentAs) -> Option<SendPacket> {
        let run = *self.runs.of_number(out)?;
        let index = run.index_of(out) + u64::from(sent_as.copy);
        let slot = layers.slot(PacketAt { layer: run.layer, index })?;
        let source = Source { layers, layer: run.layer, slot };
        let route = self.routes.get(slot.format).or_else(|| sent_as.filler.then(|| self.routes.any()).flatten())?;
        if self.repairs(&route) {
            let sent_as = SentAs { mid: !self.reported, ..sent_as };
            let numbers = Numbers { out, repair: Some(self.rtx_next), sent_as, kind: SendKind::Retransmission };
            let packet = self.build(source, &run.rewrite, numbers)?;
            self.rtx_next += 1;
            Some(packet)
        } else if self.repeats_as_is(&route) && !sent_as.filler {
            let numbers = Numbers { out, repair: None, sent_as, kind: SendKind::Retransmission };
            self.build(source, &run.rewrite, numbers)
        } else {
            None
        }
    }

    /// The number that `sequence` stands for: the newest one sent that ends so.
    fn number_of(&self, sequence: SequenceNumber) -> Option<u64> {
        let newest = ExtendedSequence(self.runs.next().checked_sub(1)?);
        let back = newest.sequence().distance_from(sequence);
        u64::try_from(back).ok().and_then(|back| newest.0.checked_sub(back))
    }

    /// A sender report, if one is due: the publisher's clock, so that all its streams stay in step at the subscriber,
    /// with our timestamps and counts. The same wall clock goes out as came in, so that capture times agree with it.
    pub fn sender_report(&mut self, now: Instant, layers: &Layers) -> Option<SenderInfo> {
        if !self.timers.take_report_due(now) {
            return None;
        }
        let rate_hz = self.timeline.rate_hz()?;
        let offset = self.timeline.offset();
        let told = layers.clock(self.current?).map(|clock| SourceClock { rtp: clock.rtp.add(offset), ..clock });
        // Some publishers report on one layer only: then what was said before a switch goes on.
        let clock = told.or(self.receiver.clock)?;
        let (ntp, rtp) = clock.at(now, rate_hz);
        self.receiver.clock = Some(clock);
        self.timers.report_sent(now);
        self.receiver.report_sent(now, ntp.compact());
        Some(SenderInfo {
            ssrc: self.ssrc,
            ntp,
            rtp,
            packets: (self.counters.packets + self.counters.padding) as u32,
            octets: self.counters.octets as u32,
        })
    }

    /// How the subscriber fared in a window that lasted `length`.
    pub(super) fn quality(&mut self, length: Duration, sent: u64, octets: u64, resent: u64) -> LegQuality {
        let rate_hz = self.timeline.rate_hz().unwrap_or(90_000);
        let (expected, lost) =
            self.receiver.take_loss(self.first as u32).unwrap_or((u32::try_from(sent).unwrap_or(u32::MAX), 0));
        LegQuality {
            window_ms: u32::try_from(length.as_millis()).unwrap_or(u32::MAX),
            packets_expected: expected,
            packets_lost: lost.saturating_sub(u32::try_from(resent).unwrap_or(u32::MAX)),
            bytes: octets,
            jitter_ms: crate::clock::span(self.receiver.jitter(), rate_hz).as_secs_f32() * 1_000.0,
            rtt_ms: self.receiver.rtt().map(|rtt| rtt.as_secs_f32() * 1_000.0),
        }
    }
}
