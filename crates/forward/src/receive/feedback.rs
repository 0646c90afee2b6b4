//! What goes back to the publisher and up to the control plane: requests, reports, events, and when they are due.

use std::time::{Duration, Instant};

use tutti_rtp::rtcp::{ReportBlock, Writer};
use tutti_rtp::{ExtendedSequence, MediaKind, SequenceNumber, Ssrc};

use super::ReceiveTrack;
use crate::{ForwardEvent, LayerIndex, LegQuality};

/// Missing packets told in one message; each takes 4 bytes at most.
const NACKS_PER_MESSAGE: usize = 64;

/// Bytes of a PLI.
const PLI_LEN: usize = 12;

/// Bytes that a message about missing packets may take.
const NACK_LEN_MAX: usize = 12 + 4 * NACKS_PER_MESSAGE;

/// Whether feedback found room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedbackWritten {
    /// All that was due was written, be it nothing.
    All,
    /// The writer is full: send it and call again with a new one.
    More,
}

impl ReceiveTrack {
    /// Someone cannot go on without a key frame of `layer`. It is asked for at once, unless that happened a moment ago,
    /// and again until it arrives. Ask [`ReceiveTrack::poll_timeout`] afterwards.
    pub fn request_key_frame(&mut self, now: Instant, layer: LayerIndex) {
        if self.layers.kind() == MediaKind::Video
            && let Some(stream) = self.streams.get_mut(usize::from(layer.0))
        {
            stream.key_frame.want(now);
        }
    }

    /// A report block for each stream that carried packets. The caller puts them into a receiver report, about once a
    /// second while anything flows.
    pub fn report_blocks(&mut self, now: Instant) -> impl Iterator<Item = ReportBlock> {
        self.streams.iter_mut().filter_map(move |stream| {
            let ssrc = stream.ssrc?;
            stream.reception.report(now, ssrc)
        })
    }

    /// Writes what is due at `now`: requests for key frames and for missing packets. `sender` is our SSRC in RTCP.
    pub fn write_feedback(&mut self, now: Instant, sender: Ssrc, out: &mut Writer<'_>) -> FeedbackWritten {
        for at in 0..self.streams.len() {
            if self.write_stream_feedback(now, at, sender, out) == FeedbackWritten::More {
                return FeedbackWritten::More;
            }
        }
        FeedbackWritten::All
    }

    fn write_stream_feedback(
        &mut self,
        now: Instant,
        at: usize,
        sender: Ssrc,
        out: &mut Writer<'_>,
    ) -> FeedbackWritten {
        let rtt = self.rtt;
        let Some(stream) = self.streams.get_mut(at) else { return FeedbackWritten::All };
        let Some(media) = stream.ssrc else { return FeedbackWritten::All };
        if stream.key_frame.due().is_some_and(|due| due <= now) {
            if out.room() < PLI_LEN {
                return FeedbackWritten::More;
            }
            if stream.key_frame.take_due(now) && out.pli(sender, media).is_ok() {
                self.counters.key_frame_requests += 1;
            }
        }
        while stream.nack.due().is_some_and(|due| due <= now) {
            if out.room() < NACK_LEN_MAX {
                return FeedbackWritten::More;
            }
            let mut missing = [0u64; NACKS_PER_MESSAGE];
            let count = stream.nack.take_due(now, rtt, &mut missing);
            let numbers = missing.map(|index| ExtendedSequence(index).sequence());
            let numbers: &[SequenceNumber] = numbers.get(..count).unwrap_or_default();
            if !numbers.is_empty() && out.nack(sender, media, numbers).is_ok() {
                self.counters.nacked += count as u64;
            }
            if count < NACKS_PER_MESSAGE {
                break;
            }
        }
        FeedbackWritten::All
    }

    /// When [`ReceiveTrack::handle_timeout`] and [`ReceiveTrack::write_feedback`] are wanted next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let streams = self.streams.iter().filter(|stream| stream.ssrc.is_some());
        let feedback = streams.flat_map(|stream| [stream.nack.due(), stream.key_frame.due()]).flatten();
        let window = self.window_began.map(|began| began + self.config.quality_window);
        feedback.chain(self.speaker.due()).chain(window).min()
    }

    /// Ends windows that are over.
    pub fn handle_timeout(&mut self, now: Instant) {
        let change = self.speaker.tick(now);
        self.tell_speaker(change);
        let Some(began) = self.window_began else { return };
        let length = now.saturating_duration_since(began);
        if length >= self.config.quality_window {
            self.tell_quality(length);
            self.window_began = Some(now);
        }
    }

    /// The next thing to tell the control plane.
    pub fn poll_event(&mut self) -> Option<ForwardEvent> {
        self.events.pop_front()
    }

    fn tell_quality(&mut self, length: Duration) {
        let mut all = LegQuality {
            window_ms: u32::try_from(length.as_millis()).unwrap_or(u32::MAX),
            rtt_ms: Some(self.rtt.as_secs_f32() * 1_000.0),
            ..LegQuality::default()
        };
        for stream in &mut self.streams {
            let one = stream.reception.quality(length, stream.rate_hz);
            all.packets_expected = all.packets_expected.saturating_add(one.packets_expected);
            all.packets_lost = all.packets_lost.saturating_add(one.packets_lost);
            all.bytes += one.bytes;
            all.jitter_ms = all.jitter_ms.max(one.jitter_ms);
        }
        let layers = std::mem::take(&mut self.heard);
        self.events.push_back(ForwardEvent::Upstream { track: self.layers.track(), quality: all, layers });
    }
}
