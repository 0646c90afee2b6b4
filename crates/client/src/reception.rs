//! Everything that one peer connection receives: finds the track of a packet, and writes the feedback.
//!
//! Owns the tracks on their way in. Sends nothing itself.

use std::collections::BTreeMap;
use std::time::Instant;

use tutti_rtp::rtcp::twcc::TransportFeedbackBuilder;
use tutti_rtp::rtcp::{self, Writer};
use tutti_rtp::{Error, Extension, ExtensionMap, HeaderExtensions, MediaKind, RtpPacket, SequenceNumber, Ssrc, rtx};

use crate::description::Incoming;
use crate::figures::Figures;
use crate::incoming::IncomingTrack;

/// Report blocks in one report, RFC 3550, section 6.4.1.
const BLOCKS_MAX: usize = 31;
/// Sequence numbers in one NACK: with the rest of the compound packet below any MTU.
const NACK_MAX: usize = 128;

/// What a source carries.
#[derive(Clone, Copy)]
struct Carried {
    track: usize,
    repairs: bool,
}

/// The tracks of a peer connection.
pub(crate) struct Reception {
    /// Of our reports.
    ssrc: Ssrc,
    joined_at: Instant,
    tracks: Vec<IncomingTrack>,
    by_ssrc: BTreeMap<u32, Carried>,
    ids: ExtensionMap,
    feedback: TransportFeedbackBuilder,
    newest: Ssrc,
    /// What is to be asked for at once, by track.
    lost: Vec<(usize, SequenceNumber)>,
    numbers: Vec<SequenceNumber>,
    next_report: usize,
}

impl Reception {
    pub(crate) fn new(joined_at: Instant) -> Self {
        let ssrc = Ssrc(rand::random());
        Self {
            ssrc,
            joined_at,
            tracks: Vec::new(),
            by_ssrc: BTreeMap::new(),
            ids: ExtensionMap::default(),
            feedback: TransportFeedbackBuilder::new(ssrc, joined_at),
            newest: Ssrc(0),
            lost: Vec::new(),
            numbers: Vec::new(),
            next_report: 0,
        }
    }

    /// Takes the sections in which the server sends by now. `sid` gives the track of a mid.
    pub(crate) fn update(&mut self, told: Vec<Incoming>, sids: &BTreeMap<String, String>, figures: &mut Figures) {
        self.settle(figures);
        let mut before = std::mem::take(&mut self.tracks);
        self.by_ssrc.clear();
        self.lost.clear();
        for told in told {
            let sid = sids.get(&told.mid).unwrap_or(&told.track).clone();
            for extension in Extension::ALL {
                if let Some(id) = told.ids.id(extension) {
                    self.ids.set(extension, id);
                }
            }
            figures.expects_video |= told.kind == MediaKind::Video;
            let index = self.tracks.len();
            let track = match before.iter().position(|track| track.is(&told, &sid)) {
                Some(known) => before.swap_remove(known),
                None => IncomingTrack::new(told, sid),
            };
            figures.tracks.entry(track.sid.clone()).or_default();
            for (ssrc, repairs) in [(track.told.ssrc, false), (track.told.rtx_ssrc, true)] {
                if let Some(ssrc) = ssrc {
                    self.by_ssrc.insert(ssrc, Carried { track: index, repairs });
                }
            }
            self.tracks.push(track);
        }
    }

    /// Whether there is anything to receive.
    pub(crate) fn is_idle(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Takes one plain RTP packet.
    pub(crate) fn handle_rtp(&mut self, now: Instant, bytes: &[u8], figures: &mut Figures) {
        let Ok(packet) = RtpPacket::parse(bytes) else {
            figures.received.unknown += 1;
            return;
        };
        let extensions = HeaderExtensions::read(packet.elements(), &self.ids);
        if let Some(number) = extensions.transport_cc {
            self.feedback.record(number, now);
            self.newest = packet.ssrc();
        }
        let Some(carried) = self.carried(&packet, &extensions) else {
            figures.received.unknown += 1;
            return;
        };
        let Some(track) = self.tracks.get_mut(carried.track) else { return };
        let repaired = if carried.repairs {
            let Some(original) = rtx::original(packet.payload()) else {
                figures.received.padding += 1;
                return;
            };
            Some(original)
        } else {
            None
        };
        self.numbers.clear();
        track.handle_packet(now, self.joined_at, &packet, repaired, figures, &mut self.numbers);
        self.lost.extend(self.numbers.drain(..).map(|number| (carried.track, number)));
    }

    /// The track of a packet: by its source, else by its section's name (RFC 9143, section 9.2).
    fn carried(&mut self, packet: &RtpPacket<'_>, extensions: &HeaderExtensions<'_>) -> Option<Carried> {
        let ssrc = packet.ssrc().0;
        if let Some(carried) = self.by_ssrc.get(&ssrc) {
            return Some(*carried);
        }
        let mid = extensions.mid?;
        let index = self.tracks.iter().position(|track| track.told.mid == mid)?;
        let told = &mut self.tracks.get_mut(index)?.told;
        let repairs = told.formats.rtx_payload_type == Some(packet.payload_type());
        let source = if repairs { &mut told.rtx_ssrc } else { &mut told.ssrc };
        *source = Some(ssrc);
        let carried = Carried { track: index, repairs };
        self.by_ssrc.insert(ssrc, carried);
        Some(carried)
    }

    /// Takes one RTCP packet of the server.
    pub(crate) fn handle_rtcp(&mut self, now: Instant, packet: &rtcp::Packet<'_>, figures: &mut Figures) {
        match packet {
            rtcp::Packet::SenderReport(report) => {
                let carried = self.by_ssrc.get(&report.info.ssrc.0);
                if let Some(track) = carried.and_then(|carried| self.tracks.get_mut(carried.track)) {
                    track.handle_sender_report(now, report.info.ntp);
                    figures.received.reports += 1;
                }
            }
            rtcp::Packet::SourceDescription(names) => {
                let known = |chunk: &rtcp::Chunk<'_>| self.by_ssrc.contains_key(&chunk.ssrc.0);
                let named = names.chunks().filter(|chunk| chunk.cname.is_some_and(|name| !name.is_empty()));
                figures.received.names += named.filter(known).count() as u64;
            }
            _ => {}
        }
    }

    /// Asks for what is missing since the last call.
    pub(crate) fn ask(&mut self, writer: &mut Writer<'_>, figures: &mut Figures) -> Result<(), Error> {
        while let Some(&(track, _)) = self.lost.first() {
            self.numbers.clear();
            let numbers = self.lost.iter().take_while(|(other, _)| *other == track).map(|(_, number)| *number);
            self.numbers.extend(numbers.take(NACK_MAX));
            self.lost.drain(..self.numbers.len());
            if let Some(media) = self.tracks.get(track).and_then(IncomingTrack::ssrc) {
                figures.received.nacked += self.numbers.len() as u64;
                writer.nack(self.ssrc, media, &self.numbers)?;
            }
        }
        Ok(())
    }

    /// Whether [`Reception::ask`] has something to write.
    pub(crate) fn has_questions(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Asks again, asks for key frames and tells which packets came. For about ten times a second.
    pub(crate) fn give_feedback(
        &mut self,
        now: Instant,
        writer: &mut Writer<'_>,
        figures: &mut Figures,
    ) -> Result<(), Error> {
        for index in 0..self.tracks.len() {
            let Some(track) = self.tracks.get_mut(index) else { break };
            self.numbers.clear();
            track.handle_timeout(now, &mut self.numbers);
            self.lost.extend(self.numbers.drain(..).map(|number| (index, number)));
            if let Some(media) = track.ssrc()
                && track.wants_key_frame(now)
            {
                figures.received.key_frame_requests += 1;
                writer.pli(self.ssrc, media)?;
            }
        }
        self.ask(writer, figures)?;
        while self.feedback.pending() > 0 && self.feedback.build(self.newest, writer)? {}
        Ok(())
    }

    /// Reports on up to 31 tracks; on the others the next time. For about once a second.
    pub(crate) fn report(&mut self, now: Instant, writer: &mut Writer<'_>) -> Result<(), Error> {
        let mut blocks = Vec::new();
        for _ in 0..self.tracks.len().min(BLOCKS_MAX) {
            self.next_report = (self.next_report + 1) % self.tracks.len();
            let track = self.tracks.get_mut(self.next_report);
            blocks.extend(track.and_then(|track| track.report(now)));
        }
        writer.receiver_report(self.ssrc, &blocks)
    }

    /// Writes down what is known of the losses.
    pub(crate) fn settle(&self, figures: &mut Figures) {
        for track in &self.tracks {
            let entry = figures.tracks.entry(track.sid.clone()).or_default();
            entry.lost = entry.lost.max(track.lost());
        }
        figures.received.lost = figures.tracks.values().map(|track| track.lost).sum();
    }
}
