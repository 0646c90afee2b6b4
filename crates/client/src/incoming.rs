//! One track that the client receives: what came, what is missing, which frames are complete.
//!
//! Time comes in; what to ask of the sender goes out. Sends nothing itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tutti_rtp::rtcp::ReportBlock;
use tutti_rtp::{CompactNtp, MediaKind, NtpTime, RtpPacket, SequenceNumber, SequenceUnwrapper, Ssrc};

use crate::description::Incoming;
use crate::figures::Figures;
use crate::stamp::{Stamp, wall_us};
use crate::synthetic;

/// A packet is asked for this often before it counts as lost.
const NACKS_MAX: u8 = 10;
/// Between two requests for the same packet.
const NACK_INTERVAL: Duration = Duration::from_millis(100);
/// A packet that cannot be asked for is lost after this time.
const REORDERING_MAX: Duration = Duration::from_secs(1);
/// A larger gap is a new beginning.
const GAP_MAX: u64 = 1000;
/// Frames whose packets are counted at once.
const FRAMES_OPEN: usize = 8;
/// Video that does not begin after this time needs another key frame.
const KEY_FRAME_PATIENCE: Duration = Duration::from_millis(700);

struct Missing {
    asked: u8,
    since: Instant,
    next_at: Instant,
}

/// A frame that is not complete yet.
#[derive(Clone, Copy)]
struct OpenFrame {
    layer: u8,
    frame: u32,
    parts: u16,
}

/// A track on its way in.
pub(crate) struct IncomingTrack {
    pub(crate) told: Incoming,
    /// Sid by the server's map from mids, else what the msid says.
    pub(crate) sid: String,
    unwrapper: SequenceUnwrapper,
    first: Option<u64>,
    received: u64,
    missing: BTreeMap<u64, Missing>,
    open: Vec<OpenFrame>,
    began_at: Option<Instant>,
    has_key_frame: bool,
    key_asked_at: Option<Instant>,
    sender_report: Option<(CompactNtp, Instant)>,
    /// Expected and received at the last report.
    reported: (u64, u64),
    given_up: u64,
}

impl IncomingTrack {
    pub(crate) fn new(told: Incoming, sid: String) -> Self {
        Self {
            told,
            sid,
            unwrapper: SequenceUnwrapper::new(),
            first: None,
            received: 0,
            missing: BTreeMap::new(),
            open: Vec::new(),
            began_at: None,
            has_key_frame: false,
            key_asked_at: None,
            sender_report: None,
            reported: (0, 0),
            given_up: 0,
        }
    }

    /// Whether this is the same stream as `other`, told again.
    pub(crate) fn is(&self, other: &Incoming, sid: &str) -> bool {
        self.told.mid == other.mid && self.sid == sid && (other.ssrc.is_none() || self.told.ssrc == other.ssrc)
    }

    pub(crate) fn ssrc(&self) -> Option<Ssrc> {
        self.told.ssrc.map(Ssrc)
    }

    /// Takes a packet: itself, or what a retransmission of it held. `lost` gets what shall be asked for at once.
    pub(crate) fn handle_packet(
        &mut self,
        now: Instant,
        joined_at: Instant,
        packet: &RtpPacket<'_>,
        repaired: Option<(SequenceNumber, &[u8])>,
        figures: &mut Figures,
        lost: &mut Vec<SequenceNumber>,
    ) {
        let (number, payload) = repaired.unwrap_or((packet.sequence(), packet.payload()));
        if !self.count(now, number, repaired.is_some(), figures, lost) {
            figures.received.duplicates += 1;
            return;
        }
        let began_at = *self.began_at.get_or_insert(now);
        if payload.is_empty() {
            figures.received.padding += 1;
            return;
        }
        figures.received.packets += 1;
        figures.received.bytes += (packet.header_len() + payload.len()) as u64;
        let track = figures.tracks.entry(self.sid.clone()).or_default();
        track.packets += 1;
        let stamp = match self.told.kind {
            MediaKind::Audio => synthetic::read_opus(payload),
            MediaKind::Video => synthetic::read_vp8(payload),
        };
        let Some(stamp) = stamp else {
            figures.received.unknown += 1;
            return;
        };
        // A server may begin with frames from before; their age says nothing of the way.
        let age = stamp.age(wall_us());
        if age <= now.saturating_duration_since(began_at) {
            figures.delay.record(age);
        }
        if self.told.kind == MediaKind::Audio {
            track.layer = Some(0);
            self.has_key_frame = true;
            if figures.first_frame.is_none() && !figures.expects_video {
                figures.first_frame = Some(now.saturating_duration_since(joined_at));
            }
            return;
        }
        if self.completes(stamp) {
            track.frames += 1;
            track.layer = Some(stamp.layer);
            figures.received.frames += 1;
            if stamp.key {
                track.key_frames += 1;
                self.has_key_frame = true;
                figures.first_frame.get_or_insert(now.saturating_duration_since(joined_at));
            }
        }
    }

    /// Counts a sequence number; `false` if it was here before.
    fn count(
        &mut self,
        now: Instant,
        number: SequenceNumber,
        repaired: bool,
        figures: &mut Figures,
        lost: &mut Vec<SequenceNumber>,
    ) -> bool {
        let highest = self.unwrapper.highest().map(|highest| highest.0);
        let at = self.unwrapper.unwrap(number).0;
        let Some(highest) = highest else {
            self.first = Some(at);
            self.received = 1;
            return true;
        };
        if at <= highest {
            let expected = self.missing.remove(&at).is_some();
            self.received += u64::from(expected);
            figures.received.recovered += u64::from(expected && repaired);
            return expected;
        }
        if at - highest > GAP_MAX {
            self.given_up += at - highest - 1;
        } else {
            for gone in highest + 1..at {
                let asked = u8::from(self.told.formats.nack);
                self.missing.insert(gone, Missing { asked, since: now, next_at: now + NACK_INTERVAL });
                if self.told.formats.nack {
                    lost.push(SequenceNumber(gone as u16));
                }
            }
        }
        self.received += 1;
        true
    }

    /// Counts a packet of a frame; says whether it was the last one missing.
    fn completes(&mut self, stamp: Stamp) -> bool {
        let same = |open: &OpenFrame| (open.layer, open.frame) == (stamp.layer, stamp.frame);
        let index = self.open.iter().position(same).unwrap_or_else(|| {
            if self.open.len() >= FRAMES_OPEN {
                self.open.remove(0);
            }
            self.open.push(OpenFrame { layer: stamp.layer, frame: stamp.frame, parts: 0 });
            self.open.len() - 1
        });
        let Some(open) = self.open.get_mut(index) else { return false };
        open.parts += 1;
        if open.parts < stamp.parts {
            return false;
        }
        self.open.remove(index);
        true
    }

    /// Asks again, and gives up what was asked for often enough.
    pub(crate) fn handle_timeout(&mut self, now: Instant, lost: &mut Vec<SequenceNumber>) {
        let nack = self.told.formats.nack;
        let given_up = &mut self.given_up;
        self.missing.retain(|number, missing| {
            let over = if nack { missing.asked >= NACKS_MAX } else { now - missing.since > REORDERING_MAX };
            if over && missing.next_at <= now {
                *given_up += 1;
                return false;
            }
            if nack && missing.next_at <= now {
                missing.asked += 1;
                missing.next_at = now + NACK_INTERVAL;
                lost.push(SequenceNumber(*number as u16));
            }
            true
        });
    }

    /// Whether a key frame is to be asked for now.
    pub(crate) fn wants_key_frame(&mut self, now: Instant) -> bool {
        let since = self.key_asked_at.or(self.began_at);
        let wanted = self.told.kind == MediaKind::Video
            && !self.has_key_frame
            && since.is_some_and(|since| now.saturating_duration_since(since) >= KEY_FRAME_PATIENCE);
        if wanted {
            self.key_asked_at = Some(now);
        }
        wanted
    }

    /// Notes a sender report.
    pub(crate) fn handle_sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.sender_report = Some((ntp.compact(), now));
    }

    /// Packets that never came.
    pub(crate) fn lost(&self) -> u64 {
        self.given_up
    }

    /// The next report on this track, once something came.
    pub(crate) fn report(&mut self, now: Instant) -> Option<ReportBlock> {
        let ssrc = self.ssrc()?;
        let (first, highest) = (self.first?, self.unwrapper.highest()?.0);
        let expected = highest + 1 - first;
        let (expected_before, received_before) = std::mem::replace(&mut self.reported, (expected, self.received));
        let (expected_since, received_since) = (expected - expected_before, self.received - received_before);
        let lost_since = expected_since.saturating_sub(received_since);
        let fraction = (lost_since * 256).checked_div(expected_since).unwrap_or(0);
        let (last_sender_report, arrived) = self.sender_report.unwrap_or((CompactNtp(0), now));
        Some(ReportBlock {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            cumulative_lost: (expected as i64 - self.received as i64) as i32,
            highest_sequence: highest as u32,
            jitter: 0,
            last_sender_report,
            delay: if last_sender_report.0 == 0 {
                CompactNtp(0)
            } else {
                CompactNtp::from_duration(now.saturating_duration_since(arrived))
            },
        })
    }
}
