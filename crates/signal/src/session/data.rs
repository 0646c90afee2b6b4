//! Data packets down to the client, on its primary connection once its channels are open.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tutti_room::Delivery;
use tutti_transport::{Channel, TransportCommand, TransportId};

use super::outbox::Outbox;

/// Reliable packets for a client whose channels are not open yet are kept this long (docs/protocol.md#data-channels).
const PENDING_TTL: Duration = Duration::from_secs(2);
/// And no more than this many bytes of them.
const PENDING_BYTES_MAX: usize = 100 * 1024;

/// The way down for data.
pub(super) struct DataDown {
    /// The primary connection's.
    transport: TransportId,
    open: BTreeSet<Channel>,
    /// Reliable packets that wait for the channels, oldest first.
    waiting: VecDeque<(Instant, Bytes)>,
    waiting_bytes: usize,
    /// Reliable packets were given up, and it was said.
    told: bool,
}

impl DataDown {
    pub(super) fn new(transport: TransportId) -> Self {
        Self { transport, open: BTreeSet::new(), waiting: VecDeque::new(), waiting_bytes: 0, told: false }
    }

    /// Sends an encoded `DataPacket`. A lossy one is lost if its channel is not open.
    pub(super) fn send(&mut self, out: &mut Outbox, now: Instant, delivery: Delivery, payload: Bytes) {
        let channel = match delivery {
            Delivery::Reliable => Channel::Reliable,
            Delivery::Lossy => Channel::Lossy,
        };
        if self.open.contains(&channel) && self.waiting.is_empty() {
            self.send_on(out, channel, payload);
        } else if delivery == Delivery::Reliable {
            self.waiting_bytes += payload.len();
            self.waiting.push_back((now, payload));
            self.expire(out, now);
        }
    }

    /// Sends a data-track packet; lost if its channel is not open.
    pub(super) fn send_track(&self, out: &mut Outbox, payload: Bytes) {
        if self.open.contains(&Channel::DataTrack) {
            self.send_on(out, Channel::DataTrack, payload);
        }
    }

    /// A channel of the client opened. What waited goes out when both of its main channels are open.
    pub(super) fn channel_open(&mut self, out: &mut Outbox, now: Instant, id: TransportId, channel: Channel) {
        if id != self.transport {
            return;
        }
        self.open.insert(channel);
        if [Channel::Reliable, Channel::Lossy].iter().all(|channel| self.open.contains(channel)) {
            self.expire(out, now);
            self.waiting_bytes = 0;
            for (_, payload) in std::mem::take(&mut self.waiting) {
                self.send_on(out, Channel::Reliable, payload);
            }
        }
    }

    /// Gives up what is too old or too much. Said once: a client that never opens its channels gets nothing at all.
    fn expire(&mut self, out: &mut Outbox, now: Instant) {
        while let Some((queued, payload)) = self.waiting.front() {
            let late = now.saturating_duration_since(*queued) > PENDING_TTL;
            if !late && self.waiting_bytes <= PENDING_BYTES_MAX {
                return;
            }
            self.waiting_bytes -= payload.len();
            self.waiting.pop_front();
            if !std::mem::replace(&mut self.told, true) {
                let why = "the client's channels did not open in time; what was for it until then is lost".to_owned();
                out.refused("early data", why);
            }
        }
    }

    fn send_on(&self, out: &mut Outbox, channel: Channel, payload: Bytes) {
        out.transport(self.transport, TransportCommand::Send { channel, payload });
    }
}
