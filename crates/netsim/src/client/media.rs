//! The packets that a client sends: one of audio and a small frame of video at a time.

use std::time::{Duration, Instant};

use super::call::Call;
use super::ledger::Ledger;
use super::peer::RIDS;
use crate::stamp::{Kind, Stamp};

/// Time between two packets of audio and two frames of video: enough to see an order, and cheap.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// Time between the packets of two tracks or layers that are due together: str0m keeps its streams in a hash map, and
/// what it sends at one moment it sends in any order.
const APART: Duration = Duration::from_micros(50);

/// A frame of one layer that is due.
#[derive(Debug)]
pub(super) struct DueFrame {
    pub(super) at: Instant,
    cid: String,
    layer: usize,
}

impl Call {
    /// A frame of every track and layer is due, one after another.
    pub(super) fn tick(&mut self, now: Instant) {
        if !self.publisher.is_up() || self.silent {
            return;
        }
        let mut at = now;
        for (cid, track) in self.own.iter_mut().filter(|(_, track)| track.is_sending()) {
            track.frame += 1;
            for layer in track.layers.iter().copied() {
                self.frames.push_back(DueFrame { at, cid: cid.clone(), layer });
                at += APART;
            }
        }
    }

    /// Sends the frames that are due.
    pub(super) fn film(&mut self, now: Instant, own: u16, start: Instant, ledger: &mut Ledger) {
        while self.frames.front().is_some_and(|frame| frame.at <= now) {
            let Some(DueFrame { cid, layer, .. }) = self.frames.pop_front() else { return };
            self.send_frame(now, &cid, layer, (own, start), ledger);
        }
    }

    fn send_frame(&mut self, now: Instant, cid: &str, layer: usize, (own, start): (u16, Instant), ledger: &mut Ledger) {
        let Some(track) = self.own.get_mut(cid).filter(|track| track.is_sending()) else { return };
        let Some(mid) = track.mid.clone() else { return };
        let kind = track.track.kind;
        let packets = if kind == Kind::Video { 1 + (track.frame % 2) as u8 } else { 1 };
        let rate = if kind == Kind::Video { 9000 } else { 4800 };
        let key = std::mem::take(&mut track.key_frame_due[layer]);
        track.pictures[layer] = track.pictures[layer].wrapping_add(1);
        for packet in 0..packets {
            let stamp = Stamp {
                client: own,
                track: track.track.number,
                frame: track.frame,
                layer: layer as u8,
                packet,
                packets,
                sent_ms: now.saturating_duration_since(start).as_millis() as u32,
            };
            let payload = stamp.payload(kind, track.pictures[layer], key);
            let rid = track.track.layered.then(|| RIDS[layer]);
            let header = (kind, track.frame * rate, kind == Kind::Video && packet + 1 == packets);
            let sent = self.publisher.send(now, &mid, rid, header, payload);
            if !sent {
                track.key_frame_due[layer] |= key;
            } else if ledger.open {
                ledger.sent.push(stamp);
            }
        }
    }
}
