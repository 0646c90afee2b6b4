//! From a packet in the ring and its rewriting to the packet for the subscriber.
//!
//! The same inputs always give the same packet: retransmissions rest on that.

use std::time::Instant;

use tutti_rtp::{AbsSendTime, HeaderExtensions, RtpHeader, RtpTimestamp, SequenceNumber, WrittenHeader, rtx};

use super::copies::{self, Copied};
use super::history::SentAs;
use super::packet::{Body, HEADER_LEN_MAX, Prefix};
use super::rewrite::{DESCRIPTOR_LEN_MAX, rewrite_descriptor, rewrite_payload};
use super::routes::Route;
use super::runs::Rewrite;
use super::{SendKind, SendPacket, SendTrack, Source};
use crate::PacketAt;
use crate::ring::SlotExtensions;

/// Bytes of padding in a packet without media.
const PADDING_LEN: u8 = 4;

/// Which packet is built.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers {
    /// Index in the subscriber's sequence.
    pub out: u64,
    /// The index of the retransmission, if the packet goes out on the RTX stream.
    pub repair: Option<u64>,
    pub sent_as: SentAs,
    pub kind: SendKind,
}

impl SendTrack {
    /// Sends a packet with number `out`, which it has been given.
    pub(super) fn send_first(
        &mut self,
        now: Instant,
        source: Source<'_>,
        out: u64,
        rewrite: &Rewrite,
    ) -> Option<SendPacket> {
        let slot = source.slot;
        let sent_as = SentAs {
            mid: !self.reported,
            filler: false,
            copy: 0,
            target_mask: slot.targets.is_some_and(|set| set.structure || self.selector.is_fresh(slot)),
        };
        let numbers = Numbers { out, repair: None, sent_as, kind: SendKind::Media };
        let Some(packet) = self.build(source, rewrite, numbers) else {
            self.counters.unusable += 1;
            let timestamp = slot.timestamp.add(rewrite.timestamp);
            return self.send_padding(now, out, timestamp, SentAs { filler: true, ..SentAs::default() });
        };
        self.history.sent(now, out, sent_as);
        self.timers.note_sent(now, slot.frame.spatial, &self.counters);
        self.counters.packets += 1;
        self.counters.octets += packet.payload_len() as u64;
        Some(packet)
    }

    /// Sends padding with number `out`.
    pub(super) fn send_padding(
        &mut self,
        now: Instant,
        out: u64,
        timestamp: RtpTimestamp,
        sent_as: SentAs,
    ) -> Option<SendPacket> {
        let header = RtpHeader {
            marker: false,
            payload_type: self.formats.first()?.payload_type,
            sequence: SequenceNumber(out as u16),
            timestamp,
            ssrc: self.ssrc,
            padding: true,
        };
        let extensions = self.stamped(&HeaderExtensions { mid: Some(&self.mid), ..HeaderExtensions::default() });
        let mut bytes = [0; HEADER_LEN_MAX];
        let written = header.write(&self.extensions, &extensions, &mut bytes).ok()?;
        self.history.sent(now, out, sent_as);
        self.counters.padding += 1;
        Some(SendPacket {
            ssrc: self.ssrc,
            index: out,
            kind: SendKind::Padding,
            written,
            body: Body::Padding(PADDING_LEN),
            prefix: Prefix::default(),
            header: bytes,
        })
    }

    /// The packet itself. `None` if it cannot be written for this subscriber.
    pub(super) fn build(&self, source: Source<'_>, rewrite: &Rewrite, numbers: Numbers) -> Option<SendPacket> {
        let Source { layers, layer, slot } = source;
        let route = self.routes.get(slot.format)?;
        let (ssrc, index, payload_type) = match numbers.repair {
            None => (self.ssrc, numbers.out, route.format.payload_type),
            Some(index) => (self.rtx_ssrc?, index, route.format.rtx_payload_type?),
        };
        let copied = match numbers.sent_as.copy {
            0 => None,
            back => Some(copies::find(layers.payload(layer, slot), back)?),
        };
        let before = copied.map_or(0, |copied| u32::from(copied.timestamp_offset));
        let header = RtpHeader {
            marker: rewrite.selection.ends_picture(slot) && !numbers.sent_as.filler && copied.is_none(),
            payload_type,
            sequence: SequenceNumber(index as u16),
            timestamp: slot.timestamp.add(rewrite.timestamp.wrapping_sub(before)),
            ssrc,
            padding: false,
        };
        let mut bytes = [0; HEADER_LEN_MAX];
        let written = self.write_header(source, rewrite, &numbers, &route, &header, &mut bytes)?;
        let mut prefix = Prefix::default();
        if numbers.repair.is_some() {
            let original = SequenceNumber(numbers.out as u16);
            prefix.append(|room| rtx::write_original(room, original).ok_or(()))?;
        }
        let (skip, len) = match copied {
            _ if numbers.sent_as.filler => (0, 0),
            Some(Copied { skip, len, .. }) => (skip, len),
            None => {
                let skip = rewrite_payload(source, rewrite, &route, &mut prefix)?;
                (skip, slot.payload_len().checked_sub(skip)?)
            }
        };
        let body = Body::Ring { at: PacketAt { layer, index: slot.index }, skip: skip as u16, len: len as u16 };
        Some(SendPacket { ssrc, index, kind: numbers.kind, written, body, prefix, header: bytes })
    }

    fn write_header(
        &self,
        source: Source<'_>,
        rewrite: &Rewrite,
        numbers: &Numbers,
        route: &Route,
        header: &RtpHeader,
        out: &mut [u8],
    ) -> Option<WrittenHeader> {
        let Source { layers, layer, slot } = source;
        let repeatable = self.repeats_as_is(route);
        let mut changed;
        let descriptor = match layers.descriptor(layer, slot) {
            None => None,
            Some(descriptor) => {
                changed = [0; DESCRIPTOR_LEN_MAX];
                // The structure that a mask rests on may have changed when the packet is repeated.
                let masked = numbers.sent_as.target_mask && !repeatable;
                let len = rewrite_descriptor(source, rewrite, masked, descriptor, &mut changed);
                Some(len.and_then(|len| changed.get(..len)).unwrap_or(descriptor))
            }
        };
        // Those of a packet say nothing of the one whose copy it holds.
        let told = if numbers.sent_as.copy == 0 { slot.extensions } else { SlotExtensions::default() };
        let extensions = self.stamped(&HeaderExtensions {
            mid: numbers.sent_as.mid.then_some(self.mid.as_str()),
            audio_level: told.audio_level,
            abs_capture_time: told.abs_capture_time,
            playout_delay: told.playout_delay,
            dependency_descriptor: descriptor,
            video_orientation: told.video_orientation,
            ..HeaderExtensions::default()
        });
        let ids = if repeatable { &self.extensions_repeatable } else { &self.extensions };
        header.write(ids, &extensions, out).ok()
    }

    /// `extensions` with room for what is known only at the moment of sending.
    fn stamped<'a>(&self, extensions: &HeaderExtensions<'a>) -> HeaderExtensions<'a> {
        HeaderExtensions { transport_cc: Some(0), abs_send_time: Some(AbsSendTime::default()), ..*extensions }
    }

    /// Whether packets of this format are sent again under their own number: then nothing in them may change.
    pub(super) fn repeats_as_is(&self, route: &Route) -> bool {
        route.format.nack && !self.repairs(route)
    }

    /// Whether packets of this format are sent again on the RTX stream.
    pub(super) fn repairs(&self, route: &Route) -> bool {
        route.format.rtx_payload_type.is_some() && self.rtx_ssrc.is_some()
    }
}
