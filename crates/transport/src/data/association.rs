//! One SCTP association and the channels on its streams, around the `sctp-proto` crate.
//!
//! That crate draws verification tags from the operating system, and reads the clock once: for the first INIT that we
//! send. Both are out of our hands; everything after the first INIT runs on the caller's time.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Instant;

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, ClientConfig, DatagramEvent, Endpoint, Event, Payload,
    PayloadProtocolIdentifier as Ppid, ReliabilityType, Stream, StreamEvent,
};

use super::DataConfig;
use super::dcep::{Message, Open};
use super::packet::{carries_data, filtered, is_init};
use super::queue::SendQueue;
use super::window::{ReceiveWindow, data_weight};
use crate::command::{Channel, DtlsRole, Reliability};

/// The crate wants an address to name the peer by; DTLS has only one.
const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 5000));

/// Streams a peer may have open at once; the SDKs use three.
pub(crate) const STREAMS_MAX: usize = 64;

/// Bytes queued or unacknowledged on a lossy channel, where old data is worth nothing: two messages of the largest size.
pub(super) const LOSSY_QUEUE_MAX: usize = 128 << 10;

/// What the association tells its owner.
#[derive(Debug)]
pub(crate) enum DataEvent {
    /// The channel is open in both directions.
    Open(Channel),
    /// A whole message arrived.
    Message(Channel, Bytes),
    /// Reliable messages of this weight, since the beginning, are under way to the peer or with it.
    Progress(u64),
    /// The peer has acknowledged nothing for too long.
    Stalled,
    /// A message of this size was queued and could not be sent after all.
    Unsent(usize),
    /// Something malformed or out of place arrived.
    Rejected,
    /// The association is over.
    Lost,
}

/// Why a message was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// The channel is not open.
    NotOpen,
    /// The peer accepts no message of this size.
    TooLarge,
    /// The queue of a lossy channel is over its bound.
    QueueFull,
    /// The queue of the reliable channel is: everything after would be a hole.
    Overrun,
}

/// What is on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// The peer used the stream, but has not said for what.
    Unannounced,
    /// We asked for this channel and wait for the answer.
    Asked(Channel),
    /// Open; `by_peer` tells who opened it.
    Open { channel: Channel, by_peer: bool },
}

#[derive(Debug)]
struct UsedStream {
    id: u16,
    usage: Use,
}

/// One association.
pub(crate) struct DataAssociation {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    established: bool,
    lost: bool,
    /// Our next stream id: even for the DTLS client, odd for the server (RFC 8832, section 6).
    next_id: u16,
    to_open: Vec<Channel>,
    streams: Vec<UsedStream>,
    send_message_max: u32,
    window: ReceiveWindow,
    queue: SendQueue,
    /// The owner knows that the peer stalled.
    stalled: bool,
    /// The library may have packets to send, or the peer's window may have opened.
    due: bool,
    events: VecDeque<DataEvent>,
}

impl DataAssociation {
    /// An association that opens `channels` once it is up. The DTLS client begins, towards `peer_port`; a server waits for
    /// the peer, which in WebRTC begins whatever its role, and answers the port that it began from.
    pub(crate) fn new(
        config: &DataConfig,
        role: DtlsRole,
        channels: &[Channel],
        peer_port: u16,
        send_message_max: u32,
    ) -> Self {
        let mut endpoint = Endpoint::new(config.endpoint.clone(), Some(config.server.clone()));
        let mut association = None;
        let mut lost = false;
        if role == DtlsRole::Client {
            let mut client = ClientConfig::new();
            client.transport = config.towards(peer_port);
            // The peer's own INIT, should both begin at once, must not make a second association.
            match endpoint.connect(client, PEER) {
                Ok(pair) => association = Some(pair),
                Err(_) => lost = true,
            }
            endpoint.reject_new_associations();
        }
        Self {
            endpoint,
            association,
            established: false,
            lost,
            next_id: if role == DtlsRole::Client { 0 } else { 1 },
            to_open: channels.to_vec(),
            streams: Vec::new(),
            send_message_max,
            window: ReceiveWindow::new(),
            queue: SendQueue::default(),
            stalled: false,
            due: true,
            events: lost.then_some(DataEvent::Lost).into_iter().collect(),
        }
    }

    /// The largest message the peer accepts, which a later description may change.
    pub(crate) fn set_send_message_max(&mut self, bytes: u32) {
        self.send_message_max = bytes;
        if let Some((_, association)) = &mut self.association {
            association.set_max_send_message_size(bytes);
        }
    }

    /// From now on messages hold the peer's window until [`DataAssociation::take`] says that they were passed on.
    pub(crate) fn govern(&mut self) {
        self.window.govern();
    }

    /// Reliable messages of `total` weight ([`data_weight`]), since the beginning, were passed on.
    pub(crate) fn take(&mut self, total: u64) {
        self.window.take(total);
        self.due |= self.window.has_news();
    }

    /// How much of the peer's reliable messages may be on its way at once, bytes.
    pub(crate) fn set_window(&mut self, bytes: u32) {
        self.window.set_limit(bytes);
        self.due |= self.window.has_news();
    }

    /// What reliable messages keep in memory, both ways, bytes.
    pub(crate) fn held(&self) -> u64 {
        self.window.held() + self.queue.held() + self.queue.under_way() as u64
    }

    /// Takes one SCTP packet.
    pub(crate) fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        if self.lost {
            return;
        }
        if self.window.is_overrun(now) && carries_data(packet) {
            // Dropped as by the network: the peer retransmits it.
            return self.events.push_back(DataEvent::Rejected);
        }
        let filtered = filtered(packet);
        let packet = filtered.as_deref().unwrap_or(packet);
        // The library ends an association at an INIT that comes late or twice. A peer that restarts SCTP would need new
        // DTLS as well.
        if self.established && is_init(packet) {
            return self.events.push_back(DataEvent::Rejected);
        }
        match self.endpoint.handle(now, PEER, None, None, Bytes::copy_from_slice(packet)) {
            Some((handle, DatagramEvent::NewAssociation(association))) if self.association.is_none() => {
                self.endpoint.reject_new_associations();
                self.association = Some((handle, association));
            }
            Some((handle, DatagramEvent::AssociationEvent(event))) => match &mut self.association {
                Some((ours, association)) if *ours == handle => association.handle_event(event),
                _ => self.events.push_back(DataEvent::Rejected),
            },
            Some((_, DatagramEvent::NewAssociation(_))) | None => self.events.push_back(DataEvent::Rejected),
        }
        self.progress(now);
    }

    /// Advances timers.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.due = true;
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
        }
        self.progress(now);
        if !self.stalled && self.queue.stalls_at().is_some_and(|at| at <= now) {
            self.stalled = true;
            self.events.push_back(DataEvent::Stalled);
        }
    }

    /// When [`DataAssociation::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let library = self.association.as_ref().and_then(|(_, association)| association.poll_timeout());
        let stalls_at = self.queue.stalls_at().filter(|_| !self.stalled);
        [library, stalls_at, self.window.poll_timeout()].into_iter().flatten().min()
    }

    /// Whether [`DataAssociation::drain_packets`] may have something. Many inputs may come before one call of it: the
    /// library looks at everything that is under way each time that it is asked.
    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    /// Hands out the SCTP packets to send.
    pub(crate) fn drain_packets(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        if !std::mem::take(&mut self.due) {
            return;
        }
        while let Some(transmit) = self.endpoint.poll_transmit() {
            each_packet(&transmit.payload, &mut send);
        }
        if let Some((_, association)) = &mut self.association {
            // One call gives all that may leave now. A second one would repeat more than the congestion window allows.
            if let Some(transmit) = association.poll_transmit(now) {
                each_packet(&transmit.payload, |packet| match self.window.mark(now, packet) {
                    Some(marked) => send(marked),
                    None => send(packet),
                });
            }
        }
        if let Some(update) = self.window.update(now).filter(|_| !self.lost) {
            send(update);
        }
    }

    /// The next event.
    pub(crate) fn poll_event(&mut self) -> Option<DataEvent> {
        self.events.pop_front()
    }

    /// Queues a message. Drain packets afterwards.
    pub(crate) fn send(&mut self, now: Instant, channel: Channel, payload: &Bytes) -> Result<(), Dropped> {
        let sent = self.queue_message(now, channel, payload);
        if channel == Channel::Reliable && matches!(sent, Err(Dropped::TooLarge | Dropped::NotOpen)) {
            self.queue.skip(payload.len());
            self.feed(now);
        }
        sent
    }

    fn queue_message(&mut self, now: Instant, channel: Channel, payload: &Bytes) -> Result<(), Dropped> {
        if payload.len() > self.send_message_max as usize {
            return Err(Dropped::TooLarge);
        }
        let id = self.open_stream(channel).ok_or(Dropped::NotOpen)?;
        let (_, association) = self.association.as_mut().ok_or(Dropped::NotOpen)?;
        let mut stream = association.stream(id).map_err(|_| Dropped::NotOpen)?;
        match channel.reliability() {
            Reliability::Reliable if channel == Channel::Application => Err(Dropped::NotOpen),
            Reliability::Reliable => {
                self.queue.push(payload).map_err(|_| Dropped::Overrun)?;
                self.feed(now);
                self.due = true;
                Ok(())
            }
            Reliability::Lossy if stream.buffered_amount().unwrap_or(0) + payload.len() > LOSSY_QUEUE_MAX => {
                Err(Dropped::QueueFull)
            }
            Reliability::Lossy => {
                self.due = true;
                write(&mut stream, payload)
            }
        }
    }

    /// The stream to send on.
    fn open_stream(&self, channel: Channel) -> Option<u16> {
        // Should both sides have opened one of the same label, the peer's is the one it listens on for sure.
        let open = self.streams.iter().filter_map(|stream| match stream.usage {
            Use::Open { channel: open, by_peer } if open == channel => Some((by_peer, stream.id)),
            _ => None,
        });
        open.max().map(|(_, id)| id)
    }

    /// Gives the library what it may have of the reliable messages that wait.
    fn feed(&mut self, now: Instant) {
        if self.lost {
            return;
        }
        let id = self.open_stream(Channel::Reliable);
        let stream = self.association.as_mut().zip(id).and_then(|((_, association), id)| association.stream(id).ok());
        let Some(mut stream) = stream else {
            // The peer closed the channel: what waits cannot be delivered any more.
            self.events.extend(self.queue.clear().map(DataEvent::Unsent));
            return self.tell_progress();
        };
        self.queue.note_under_way(now, stream.buffered_amount().unwrap_or(0));
        while let Some(message) = self.queue.pop() {
            if write(&mut stream, &message).is_err() {
                self.events.push_back(DataEvent::Unsent(message.len()));
            }
        }
        self.queue.note_under_way(now, stream.buffered_amount().unwrap_or(0));
        self.stalled &= self.queue.stalls_at().is_some_and(|at| at <= now);
        self.tell_progress();
    }

    fn tell_progress(&mut self) {
        if let Some(total) = self.queue.progress() {
            self.events.push_back(DataEvent::Progress(total));
        }
    }

    /// Moves events and messages from the association to ours.
    fn progress(&mut self, now: Instant) {
        self.due = true;
        let Some((handle, association)) = &mut self.association else { return };
        while let Some(event) = association.poll_endpoint_event() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                association.handle_event(event);
            }
        }
        // Streams are tracked by their events; the queue of accepted ones only has to be kept empty.
        while association.accept_stream().is_some() {}
        while let Some(event) = self.association.as_mut().and_then(|(_, association)| association.poll()) {
            match event {
                Event::Connected => self.establish(),
                Event::Stream(StreamEvent::Opened { id }) => self.admit(id),
                Event::Stream(StreamEvent::Readable { id }) => self.read(now, id),
                Event::Stream(StreamEvent::Finished { id } | StreamEvent::Stopped { id, .. }) => self.forget(id),
                Event::HandshakeFailed { .. } | Event::AssociationLost { .. } => self.lose(),
                _ => {}
            }
        }
        self.feed(now);
    }

    fn establish(&mut self) {
        self.established = true;
        let Some((_, association)) = &mut self.association else { return };
        association.set_max_send_message_size(self.send_message_max);
        for channel in std::mem::take(&mut self.to_open) {
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_add(2);
            let Ok(mut stream) = association.open_stream(id, Ppid::Binary) else {
                self.events.push_back(DataEvent::Rejected);
                continue;
            };
            let (unordered, reliability) = match channel.reliability() {
                Reliability::Reliable => (false, ReliabilityType::Reliable),
                Reliability::Lossy => (true, ReliabilityType::Rexmit),
            };
            let open = Message::Open(Open { label: channel.label(), unordered, reliability, parameter: 0 });
            let asked = stream.set_reliability_params(unordered, reliability, 0).is_ok()
                && stream.write_with_ppi(&open.to_bytes(), Ppid::Dcep).is_ok();
            if asked {
                self.streams.push(UsedStream { id, usage: Use::Asked(channel) });
            } else {
                self.events.push_back(DataEvent::Rejected);
            }
        }
    }

    /// The peer used a stream for the first time.
    fn admit(&mut self, id: u16) {
        if self.streams.iter().any(|stream| stream.id == id) {
            return;
        }
        if self.streams.len() < STREAMS_MAX {
            self.streams.push(UsedStream { id, usage: Use::Unannounced });
        } else {
            self.close(id);
            self.events.push_back(DataEvent::Rejected);
        }
    }

    fn read(&mut self, now: Instant, id: u16) {
        loop {
            let Some((_, association)) = &mut self.association else { return };
            let Ok(mut stream) = association.stream(id) else { return };
            let Ok(Some(mut chunks)) = stream.read_sctp() else { return };
            let ppid = chunks.ppi;
            // The whole message as one piece.
            let len = chunks.len();
            let Some(message) = chunks.next(len).map(|chunk| chunk.bytes) else { return };
            match ppid {
                Ppid::Dcep => self.handle_dcep(id, &message),
                Ppid::StringEmpty | Ppid::BinaryEmpty => self.deliver(now, id, Bytes::new()),
                Ppid::String | Ppid::Binary | Ppid::Unknown => self.deliver(now, id, message),
            }
        }
    }

    fn deliver(&mut self, now: Instant, id: u16, message: Bytes) {
        let usage = self.streams.iter().find(|stream| stream.id == id).map(|stream| stream.usage);
        match usage {
            // A message may overtake the answer that it follows, where order is not kept.
            Some(Use::Open { channel, .. } | Use::Asked(channel)) => {
                if channel.reliability() == Reliability::Reliable {
                    self.window.arrive(now, data_weight(message.len()));
                }
                self.events.push_back(DataEvent::Message(channel, message));
            }
            Some(Use::Unannounced) | None => self.events.push_back(DataEvent::Rejected),
        }
    }

    fn handle_dcep(&mut self, id: u16, bytes: &[u8]) {
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.id == id) else { return };
        match (Message::parse(bytes), stream.usage) {
            (Some(Message::Ack), Use::Asked(channel)) => {
                stream.usage = Use::Open { channel, by_peer: false };
                self.events.push_back(DataEvent::Open(channel));
            }
            (Some(Message::Open(open)), Use::Unannounced) => {
                let channel = Channel::from_label(open.label);
                stream.usage = Use::Open { channel, by_peer: true };
                if !self.grant(id, &open) {
                    self.forget(id);
                    self.events.push_back(DataEvent::Rejected);
                    return;
                }
                self.events.push_back(DataEvent::Open(channel));
            }
            _ => {
                // Not a channel that can be worked with (RFC 8832, section 6).
                self.close(id);
                self.forget(id);
                self.events.push_back(DataEvent::Rejected);
            }
        }
    }

    /// Answers an OPEN, taking over its reliability for our own direction.
    fn grant(&mut self, id: u16, open: &Open<'_>) -> bool {
        let Some((_, association)) = &mut self.association else { return false };
        let Ok(mut stream) = association.stream(id) else { return false };
        stream.set_reliability_params(open.unordered, open.reliability, open.parameter).is_ok()
            && stream.write_with_ppi(&Message::Ack.to_bytes(), Ppid::Dcep).is_ok()
    }

    fn close(&mut self, id: u16) {
        if let Some((_, association)) = &mut self.association
            && let Ok(mut stream) = association.stream(id)
        {
            // Fails only while the association itself is going down.
            let _ = stream.close();
        }
    }

    fn forget(&mut self, id: u16) {
        self.close(id);
        self.streams.retain(|stream| stream.id != id);
    }

    /// Closes a channel, as an application of the peer may.
    #[cfg(test)]
    pub(super) fn close_channel(&mut self, channel: Channel) {
        let Some(id) = self.open_stream(channel) else { return };
        self.close(id);
        self.due = true;
    }

    /// Uses `count` streams from `first` on, as a hostile peer.
    #[cfg(test)]
    pub(super) fn use_streams(&mut self, first: u16, count: u16) {
        let Some((_, association)) = &mut self.association else { return };
        for id in first..first + count {
            association.open_stream(id, Ppid::Binary).unwrap().write_with_ppi(b"x", Ppid::Binary).unwrap();
        }
    }

    /// Streams that are remembered.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn stream_count(&self) -> usize {
        self.streams.len()
    }

    fn lose(&mut self) {
        if !std::mem::replace(&mut self.lost, true) {
            self.streams.clear();
            self.events.push_back(DataEvent::Lost);
        }
    }
}

/// Gives the library one message.
fn write(stream: &mut Stream<'_>, payload: &Bytes) -> Result<(), Dropped> {
    // SCTP has no empty messages: a byte stands for one (RFC 8831, section 6.6).
    let written = if payload.is_empty() {
        stream.write_with_ppi(&[0], Ppid::BinaryEmpty)
    } else {
        stream.write_sctp(payload, Ppid::Binary)
    };
    written.map(|_| ()).map_err(|_| Dropped::NotOpen)
}

fn each_packet(payload: &Payload, mut send: impl FnMut(&[u8])) {
    if let Payload::RawEncode(packets) = payload {
        packets.iter().for_each(|packet| send(packet));
    }
}
