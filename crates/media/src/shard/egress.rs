//! Sealing what waits into datagrams for the sockets, a portion at a time.
//!
//! Payloads go straight from their ring through the cipher into the arena. What belongs to the path and not to the
//! stream (transport-wide number, time of sending) is written here, at the last moment.

use std::time::Instant;

use tutti_rtp::{AbsSendTime, NtpTime};
use tutti_transport::{Path, SRTCP_OVERHEAD_MAX, SRTP_OVERHEAD_MAX};

use super::ShardCore;
use super::outbox::Pending;
use crate::batch::SendBatch;
use crate::prefetch::prefetch;

/// Room to assemble a payload that differs from the one in the ring.
pub(super) const SCRATCH_BYTES: usize = 2048;
/// Longest datagram that is sealed, bytes: more than any path carries, less than any arena holds.
const DATAGRAM_MAX: usize = 2048;

impl ShardCore {
    /// Seals what waits, until `batch` is full; `false`: it is.
    pub(super) fn seal(&mut self, now: Instant, batch: &mut SendBatch) -> bool {
        self.seal_control(batch) && self.seal_rtcp(batch) && self.seal_rtp(now, batch)
    }

    fn seal_control(&mut self, batch: &mut SendBatch) -> bool {
        while let Some(transmit) = self.outbox.control.front() {
            let path = Path { proto: transmit.proto, remote: transmit.destination, local: transmit.source };
            if !batch.push(path, &transmit.contents) && transmit.contents.len() <= DATAGRAM_MAX {
                return false;
            }
            self.outbox.control.pop_front();
        }
        true
    }

    fn seal_rtcp(&mut self, batch: &mut SendBatch) -> bool {
        while let Some((index, plain)) = self.outbox.front_rtcp() {
            self.blame = Some(index);
            if let Some(peer) = self.peers.get_mut(index)
                && let Some(path) = peer.path
            {
                let Some(room) = batch.room(plain.len() + SRTCP_OVERHEAD_MAX) else { return false };
                match peer.transport.seal_rtcp(plain, room) {
                    Ok(length) => {
                        batch.commit(path, length);
                        self.metrics.rtcp_out += 1;
                    }
                    Err(_) => self.outbox.note_dropped(),
                }
            }
            self.outbox.pop_rtcp();
        }
        true
    }

    fn seal_rtp(&mut self, now: Instant, batch: &mut SendBatch) -> bool {
        let since_epoch = now.saturating_duration_since(self.epoch);
        let send_time = AbsSendTime::from_ntp(NtpTime::from_unix(since_epoch));
        while let Some(index) = self.outbox.current() {
            self.blame = Some(index);
            if let Some(next) = self.outbox.next().and_then(|next| self.peers.get(next)) {
                prefetch(&next.path);
                prefetch(&next.observer);
            }
            let Some(peer) = self.peers.get_mut(index) else {
                self.outbox.advance();
                continue;
            };
            while peer.pending != Pending::NONE {
                let mut pending = peer.pending;
                let Some((track, packet)) = self.outbox.front(pending) else { break };
                let layers = track.and_then(|track| self.tracks.get(track)).map(|track| track.layers());
                let mut sealed = false;
                let length = packet.header().len() + packet.payload_len() + SRTP_OVERHEAD_MAX;
                if let (Some(layers), Some(path)) = (layers, peer.path.filter(|_| length <= DATAGRAM_MAX)) {
                    let Some(room) = batch.room(length) else { return false };
                    if packet.has_transport_cc() {
                        packet.set_transport_cc(peer.observer.on_send());
                    }
                    packet.set_abs_send_time(send_time);
                    if let Some(payload) = packet.payload(layers, &mut self.scratch)
                        && let Ok(length) = peer.transport.seal_rtp(packet.header(), payload, packet.index, room)
                    {
                        batch.commit(path, length);
                        sealed = true;
                        self.metrics.rtp_out += 1;
                        self.metrics.retransmissions_out +=
                            u64::from(packet.kind == tutti_forward::SendKind::Retransmission);
                    }
                }
                if !sealed {
                    self.outbox.note_dropped();
                }
                self.outbox.pop(&mut pending);
                peer.pending = pending;
            }
            peer.pending = Pending::NONE;
            self.outbox.advance();
        }
        true
    }
}
