//! Which stream of the track a packet with an unknown SSRC belongs to (RFC 8843, section 9.2; RFC 8852).

use std::time::Instant;

use tutti_rtp::{Ssrc, rtcp};

use super::ReceiveTrack;
use crate::{LayerIndex, StreamMatch};

/// What a packet says of where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketId<'a> {
    /// MID of its section.
    pub mid: Option<&'a str>,
    /// Its stream.
    pub rid: Option<&'a str>,
    /// The stream that it repairs.
    pub repaired_rid: Option<&'a str>,
    /// Its source.
    pub ssrc: Ssrc,
    /// Its payload type.
    pub payload_type: u8,
}

impl ReceiveTrack {
    /// The SSRCs known so far, from the description or from packets.
    pub fn known_ssrcs(&self) -> impl Iterator<Item = (Ssrc, StreamMatch)> {
        self.streams.iter().zip(0u8..).flat_map(|(stream, index)| {
            let layer = LayerIndex(index);
            let media = stream.ssrc.map(|ssrc| (ssrc, StreamMatch { layer, repair: false }));
            let repair = stream.rtx_ssrc.map(|ssrc| (ssrc, StreamMatch { layer, repair: true }));
            media.into_iter().chain(repair)
        })
    }

    /// The stream of a packet, by its SSRC or else by MID and RID; then the SSRC is known from now on. `None` if the
    /// packet does not belong to this track, or does not tell.
    pub fn match_packet(&mut self, id: &PacketId<'_>) -> Option<StreamMatch> {
        if let Some((_, known)) = self.known_ssrcs().find(|(ssrc, _)| *ssrc == id.ssrc) {
            return Some(known);
        }
        let mid = id.mid?;
        let sections = self.layers.sections();
        let section = sections.iter().position(|section| section.mid == mid)?;
        let repair = id.repaired_rid.is_some()
            || sections.get(section)?.carried(id.payload_type).is_some_and(|carried| carried.repair);
        let index = self.stream_of(section as u8, id.repaired_rid.or(id.rid))?;
        let stream = self.streams.get_mut(usize::from(index))?;
        if repair {
            stream.rtx_ssrc = Some(id.ssrc);
        }
        // A media SSRC is taken over with its first packet: a new one means that the stream begins afresh.
        else if stream.ssrc.is_none() {
            stream.ssrc = Some(id.ssrc);
        }
        Some(StreamMatch { layer: LayerIndex(index), repair })
    }

    /// The stream with this RID, or the only one of the section.
    fn stream_of(&self, section: u8, rid: Option<&str>) -> Option<u8> {
        let mut streams = self.streams.iter().zip(0u8..).filter(|(stream, _)| stream.section == section);
        match rid {
            Some(rid) => {
                let named = streams.clone().find(|(stream, _)| stream.rid.as_deref() == Some(rid));
                named.or_else(|| only(streams.filter(|(stream, _)| stream.rid.is_none())))
            }
            None => only(&mut streams),
        }
        .map(|(_, index)| index)
    }

    /// Whether a sender report or goodbye of `ssrc` concerns this track.
    pub(super) fn media_stream(&self, ssrc: Ssrc) -> Option<usize> {
        self.streams.iter().position(|stream| stream.ssrc == Some(ssrc))
    }

    /// The publisher's report on one of its streams: its clock, for lip sync.
    pub fn handle_sender_report(&mut self, now: Instant, ssrc: Ssrc, info: &rtcp::SenderInfo) {
        let Some(index) = self.media_stream(ssrc) else { return };
        if let Some(stream) = self.streams.get_mut(index) {
            stream.reception.sender_report(now, info.ntp.compact());
        }
        // A clock that was never set says nothing (seen from senders before their first media).
        if info.ntp.0 != 0 {
            let clock = crate::clock::SourceClock { ntp: info.ntp, rtp: info.rtp, at: now };
            self.layers.set_clock(LayerIndex(index as u8), clock);
        }
    }

    /// The publisher ended one of its streams.
    pub fn handle_bye(&mut self, _now: Instant, ssrc: Ssrc) {
        if let Some(index) = self.media_stream(ssrc) {
            self.layers.end(LayerIndex(index as u8));
        }
    }
}

fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.next().is_none().then_some(first)
}
