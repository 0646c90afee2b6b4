//! Data packets: up to the room, and down on the primary connection once its channels are open.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tutti_room::{Delivery, Request};
use tutti_transport::{Channel, TransportCommand, TransportId};

use super::{Output, Session};

/// Reliable packets for a client whose channels are not open yet are kept this long (docs/protocol.md#data-channels).
const PENDING_TTL: Duration = Duration::from_secs(2);
/// And no more than this many bytes of them.
const PENDING_BYTES_MAX: usize = 100 * 1024;

/// What waits for the channels of the primary connection.
#[derive(Debug, Default)]
pub(super) struct PendingData {
    open: BTreeSet<Channel>,
    waiting: VecDeque<(Instant, Bytes)>,
    waiting_bytes: usize,
    /// Packets that were given up: too old, too many, or lossy before the channels opened.
    dropped: u64,
}

impl PendingData {
    fn is_open(&self, channel: Channel) -> bool {
        self.open.contains(&channel)
    }

    fn expire(&mut self, now: Instant) {
        while let Some((queued, payload)) = self.waiting.front() {
            let late = now.saturating_duration_since(*queued) > PENDING_TTL;
            if !late && self.waiting_bytes <= PENDING_BYTES_MAX {
                return;
            }
            self.waiting_bytes -= payload.len();
            self.dropped += 1;
            self.waiting.pop_front();
        }
    }
}

impl Session {
    /// Sends an encoded `DataPacket` to the client.
    pub fn send_data(&mut self, now: Instant, delivery: Delivery, payload: Bytes) {
        let channel = match delivery {
            Delivery::Reliable => Channel::Reliable,
            Delivery::Lossy => Channel::Lossy,
        };
        if self.ended {
            return;
        }
        if self.data.is_open(channel) && self.data.waiting.is_empty() {
            self.send_on(channel, payload);
        } else if delivery == Delivery::Reliable {
            self.data.waiting_bytes += payload.len();
            self.data.waiting.push_back((now, payload));
            self.data.expire(now);
        } else {
            self.data.dropped += 1;
        }
    }

    /// Sends a data-track packet to the client; lost if its channel is not open.
    pub fn send_data_track(&mut self, payload: Bytes) {
        if !self.ended && self.data.is_open(Channel::DataTrack) {
            self.send_on(Channel::DataTrack, payload);
        }
    }

    /// Packets that never left because the client's channels were not open in time.
    pub fn data_dropped(&self) -> u64 {
        self.data.dropped
    }

    pub(super) fn channel_open(&mut self, now: Instant, id: TransportId, channel: Channel) {
        if id != self.primary() {
            return;
        }
        self.data.open.insert(channel);
        if self.data.is_open(Channel::Reliable) && self.data.is_open(Channel::Lossy) {
            self.data.expire(now);
            self.data.waiting_bytes = 0;
            for (_, payload) in std::mem::take(&mut self.data.waiting) {
                self.send_on(Channel::Reliable, payload);
            }
        }
    }

    pub(super) fn data_arrived(&mut self, channel: Channel, payload: Bytes) {
        let request = match channel {
            Channel::Reliable => Request::Data { delivery: Delivery::Reliable, payload },
            Channel::Lossy => Request::Data { delivery: Delivery::Lossy, payload },
            Channel::DataTrack => Request::DataTrackPacket(payload),
            Channel::Application => Request::ApplicationData(payload),
        };
        self.outputs.push_back(Output::Room(request));
    }

    /// The client takes nothing any more. It cannot have what it missed, so it shall join anew.
    pub(super) fn data_stalled(&mut self) {
        let why = "nothing was acknowledged for 15 s; the client is told to join anew".to_owned();
        self.outputs.push_back(Output::Refused { what: "reliable data", why });
        self.give_up_on_state();
    }

    pub(super) fn data_undelivered(&mut self, bytes: usize) {
        let why = format!("the client takes none of {bytes} bytes, or has closed its channel");
        self.outputs.push_back(Output::Refused { what: "reliable message", why });
    }

    fn send_on(&mut self, channel: Channel, payload: Bytes) {
        self.outputs.push_back(Output::Transport(self.primary(), TransportCommand::Send { channel, payload }));
    }
}
