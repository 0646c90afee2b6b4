//! From a datagram to the peer it belongs to, and from a publisher's packet to its place in a track.

use std::time::Instant;

use tutti_forward::{PacketId, StreamMatch};
use tutti_rtp::{RtpPacket, read_transport_cc};
use tutti_transport::{Datagram, DatagramKind, Path, classify, stun_username};

use super::demux::Source;
use super::ids::{PeerIndex, TrackIndex};
use super::limits::{DATA_DATAGRAMS, DATAGRAMS, LOOKUPS};
use super::peer::Incoming;
use super::track::Origin;
use super::{ShardCore, TIMER_STEP, TimerKey, arm};

/// SSRCs that one peer may have in its table; further ones are looked up with every packet.
pub(super) const INCOMING_MAX: usize = 256;

impl ShardCore {
    /// `false`: it belongs to no peer.
    pub(super) fn take_datagram(&mut self, now: Instant, path: Path, bytes: &mut [u8]) -> bool {
        let kind = classify(bytes);
        let named = match kind {
            DatagramKind::Unknown => {
                self.metrics.dropped_unknown_protocol += 1;
                return false;
            }
            // A check says whose it is, also when another peer was at its address before.
            DatagramKind::Stun => stun_username(bytes).map(|(ours, _)| self.demux.by_ufrag(ours)),
            _ => None,
        };
        if named == Some(None) {
            self.metrics.dropped_unknown_ufrag += 1;
            return false;
        }
        let source = (path.proto, path.remote);
        let Some(index) = named.flatten().or_else(|| self.demux.by_address(&source)) else {
            self.metrics.dropped_unknown_address += 1;
            return false;
        };
        self.blame = Some(index);
        let is_held = self.is_held_by_another(now, index, &source);
        let Some(peer) = self.peers.get_mut(index) else { return false };
        let within_rate = match kind {
            DatagramKind::Dtls => peer.spent.data_datagrams.take(now, DATA_DATAGRAMS, 1),
            _ => peer.spent.datagrams.take(now, DATAGRAMS, 1),
        };
        if !within_rate {
            self.metrics.dropped_peer_rate += 1;
            // It belongs to a peer, whose TCP connection is not closed for it.
            return named.is_none();
        }
        if is_held {
            // A check by one peer from where another one is: forged, or from behind a NAT that gave the port away.
            self.metrics.dropped_held_address += 1;
            return false;
        }
        match kind {
            DatagramKind::Rtp => self.take_rtp(now, index, bytes),
            DatagramKind::Rtcp => self.take_rtcp(now, index, bytes),
            _ => {
                let checks = peer.transport.counters().stun_checks;
                let (proto, source, destination) = (path.proto, path.remote, path.local);
                peer.transport.handle_datagram(now, Datagram { proto, source, destination, contents: bytes });
                let authentic = peer.transport.counters().stun_checks != checks;
                if authentic {
                    // The peer is there.
                    let keep = peer.selected_source();
                    self.demux.bind(&mut peer.known, index, (proto, source), keep);
                    peer.known.prove(now, &(proto, source));
                }
                self.settle(now, index);
                // A name proves nothing by itself.
                return authentic || named.is_none();
            }
        }
        true
    }

    /// Whether an address belongs to another peer that is connected and proved lately to be there.
    fn is_held_by_another(&self, now: Instant, index: PeerIndex, source: &Source) -> bool {
        let owner = self.demux.by_address(source).filter(|owner| *owner != index);
        let owner = owner.and_then(|owner| self.peers.get(owner));
        owner.is_some_and(|owner| owner.secure && owner.known.holds(now, source))
    }

    fn take_rtp(&mut self, now: Instant, index: PeerIndex, bytes: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        // The transport counts what it cannot open.
        let Some(plain) = peer.transport.open_rtp(bytes).ok().and_then(|length| bytes.get(..length)) else { return };
        let Ok(packet) = RtpPacket::parse(plain) else {
            self.metrics.dropped_malformed += 1;
            return;
        };
        self.metrics.rtp_in += 1;
        peer.heard = true;
        if !peer.report_timer.is_armed() {
            let due = Some(now + super::reports::REPORT_INTERVAL);
            arm(&mut self.wheel, &mut peer.report_timer, TimerKey::Reports(index), now, due);
        }
        if let Some(arrivals) = &mut peer.arrivals
            && let Some(sequence) = packet.extension(arrivals.extension).and_then(read_transport_cc)
        {
            arrivals.builder.record(sequence, self.arrived);
            arrivals.last_source = packet.ssrc();
            arrivals.count += 1;
            if !arrivals.timer.is_armed() {
                let due = Some(now + super::reports::arrivals_interval(arrivals));
                arm(&mut self.wheel, &mut arrivals.timer, TimerKey::Arrivals(index), now, due);
            }
        }
        let incoming = match peer.incoming.get(packet.ssrc()) {
            Some(incoming) => incoming,
            None if !peer.spent.lookups.take(now, LOOKUPS, 1) => {
                self.metrics.dropped_source_rate += 1;
                return;
            }
            None => match self.match_source(index, &packet) {
                Some(incoming) => incoming,
                None => {
                    self.metrics.dropped_unknown_source += 1;
                    return;
                }
            },
        };
        self.take_track_packet(now, incoming.track, incoming.stream, &packet);
    }

    /// Which stream an SSRC is that no description named: by MID and RID, which its first packets carry.
    fn match_source(&mut self, index: PeerIndex, packet: &RtpPacket<'_>) -> Option<Incoming> {
        let peer = self.peers.get_mut(index)?;
        let extensions = packet.read_extensions(&peer.extensions);
        let id = PacketId {
            mid: extensions.mid,
            rid: extensions.rid,
            repaired_rid: extensions.repaired_rid,
            ssrc: packet.ssrc(),
            payload_type: packet.payload_type(),
        };
        for &track in &peer.tracks {
            if let Some(Origin::Home { receive, .. }) = self.tracks.get_mut(track).map(|track| &mut track.origin)
                && let Some(stream) = receive.match_packet(&id)
            {
                let incoming = Incoming { track, stream };
                if peer.incoming.len() < INCOMING_MAX {
                    peer.incoming.insert(packet.ssrc(), incoming);
                }
                return Some(incoming);
            }
        }
        None
    }

    fn take_track_packet(&mut self, now: Instant, index: TrackIndex, stream: StreamMatch, packet: &RtpPacket<'_>) {
        let Some(track) = self.tracks.get_mut(index) else { return };
        let Origin::Home { receive, .. } = &mut track.origin else { return };
        let at = receive.receive_waiting(now, self.arrived, stream, packet);
        self.events.forward(|| receive.poll_event());
        let due = receive.poll_timeout();
        // Repairs that are due at once go out with this batch, not a timer's step later.
        if due.is_some_and(|due| due <= now + TIMER_STEP / 2) {
            self.tell_publisher(now, index);
        } else {
            arm(&mut self.wheel, &mut track.timer, TimerKey::Track(index), now, due);
        }
        if let Some(at) = at {
            self.take_fresh(now, index, at);
        }
    }
}
