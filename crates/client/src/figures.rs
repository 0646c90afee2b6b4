//! What one client measured: plain numbers, added up as the call goes on.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::histogram::Histogram;

/// What one client measured. Times count from the call of [`crate::Client::join`].
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Our participant sid.
    pub sid: String,
    /// The server's first message was here.
    pub signalled: Option<Duration>,
    /// ICE and DTLS of the primary connection were up: the client is in the call.
    pub connected: Option<Duration>,
    /// The connection that we publish on was up.
    pub publisher_connected: Option<Duration>,
    /// The first video key frame was complete; for audio, the first packet was here.
    pub first_frame: Option<Duration>,
    /// What we sent.
    pub sent: Sent,
    /// What we received, of all tracks together.
    pub received: Received,
    /// Tracks that we received, by their sid, also those that ended.
    pub tracks: BTreeMap<String, TrackFigures>,
    /// Time on the way of each stamped packet, repaired ones included. Without packets that were sent before the first
    /// of their track came: those waited in the server, not on the way.
    pub delay: Histogram,
    /// Round trip of the signalling socket, as last measured.
    pub signal_round_trip: Option<Duration>,
    /// Answers to offers of ours.
    pub negotiations: u64,
    /// A video track is among those that come: then the first frame is a picture.
    pub expects_video: bool,
    /// Where our media goes.
    pub media_address: Option<std::net::SocketAddr>,
}

/// What a client sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sent {
    /// Media packets.
    pub packets: u64,
    /// Bytes of media packets: header and payload, before sealing.
    pub bytes: u64,
    /// Key frames.
    pub key_frames: u64,
    /// PLI and FIR that came.
    pub key_frame_requests: u64,
    /// Packets that others asked for again.
    pub nacked: u64,
    /// Packets sent again.
    pub retransmitted: u64,
    /// Packets that the system had no room for.
    pub refused: u64,
    /// Receiver reports and transport feedback that came.
    pub feedback: u64,
    /// Layers that are wanted by now, of all tracks together.
    pub layers_active: u64,
    /// Reliable messages that could not be sent.
    pub undelivered: u64,
    /// Bytes of reliable messages that wait to be sent or acknowledged, by now.
    pub data_waiting: u64,
}

/// What a client received.
#[derive(Debug, Clone, Copy, Default)]
pub struct Received {
    /// Media packets, repaired ones included, padding not.
    pub packets: u64,
    /// Bytes of these packets: header and payload, opened.
    pub bytes: u64,
    /// Packets of padding.
    pub padding: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came after they were asked for again.
    pub recovered: u64,
    /// Packets that we asked for again.
    pub nacked: u64,
    /// Key frames that we asked for.
    pub key_frame_requests: u64,
    /// Complete video frames.
    pub frames: u64,
    /// Packets of no known track, or without a stamp of ours.
    pub unknown: u64,
    /// Messages on data channels.
    pub messages: u64,
    /// Their bytes.
    pub message_bytes: u64,
    /// Sender reports of known tracks.
    pub reports: u64,
    /// Names of clocks that came with them.
    pub names: u64,
}

/// What came of one track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TrackFigures {
    /// Media packets.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Complete video frames.
    pub frames: u64,
    /// Complete key frames.
    pub key_frames: u64,
    /// Simulcast layer of the last complete frame, 0 = smallest.
    pub layer: Option<u8>,
}

impl Sent {
    /// Adds another client's.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.key_frames += other.key_frames;
        self.key_frame_requests += other.key_frame_requests;
        self.nacked += other.nacked;
        self.retransmitted += other.retransmitted;
        self.refused += other.refused;
        self.feedback += other.feedback;
        self.layers_active += other.layers_active;
        self.undelivered += other.undelivered;
        self.data_waiting += other.data_waiting;
    }
}

impl Received {
    /// Adds another client's.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.padding += other.padding;
        self.duplicates += other.duplicates;
        self.lost += other.lost;
        self.recovered += other.recovered;
        self.nacked += other.nacked;
        self.key_frame_requests += other.key_frame_requests;
        self.frames += other.frames;
        self.unknown += other.unknown;
        self.messages += other.messages;
        self.message_bytes += other.message_bytes;
    }
}
