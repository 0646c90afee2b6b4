//! SCTP packets, chunks and data-channel messages of a peer that DTLS let in.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::input::Input;
use crate::certificate::DATAGRAM_MAX;
use crate::command::{Channel, DtlsRole};
use crate::data::{DataAssociation, DataConfig, DataEvent, RECEIVE_MESSAGE_MAX, STREAMS_MAX, dcep_round_trip};
use crate::stun::{crc, crc_table};

/// The peer's verification tag.
const THEIR_TAG: u32 = 0x0102_0304;
/// The peer's first transmission sequence number, close to the end of numbers.
const THEIR_TSN: u32 = 0xffff_fff0;
/// Bytes of a common header (RFC 9260, section 3.1).
const HEADER_LEN: usize = 12;
/// What DTLS adds to a packet.
const DTLS_LEN: usize = 37;
/// More than a datagram: what packets of nothing but tiny chunks may come to.
const SLACK: usize = 100;
/// Timers that one wait may need.
const TIMERS_MAX: usize = 1000;

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;

/// A message of the protocol that opens channels: what is read is written back as it was understood.
pub fn dcep(data: &[u8]) {
    dcep_round_trip(data);
}

/// The first byte says which end we are and whether the association is up before anything else happens; then packets,
/// chunks, messages, waits, and messages of our own.
pub fn sctp(start: Instant, data: &[u8]) {
    let mut input = Input::new(data);
    let flags = input.byte();
    let role = if flags & 1 == 0 { DtlsRole::Server } else { DtlsRole::Client };
    let channels: &[Channel] =
        if flags & 2 == 0 { &[] } else { &[Channel::Reliable, Channel::Lossy, Channel::DataTrack] };
    let mut play = Play {
        ours: DataAssociation::new(&DataConfig::new(DATAGRAM_MAX), role, channels, crate::SCTP_PORT, 65_536),
        now: start,
        our_tag: 0,
        our_tsn: 0,
        last_tsn: 0,
        tsn: THEIR_TSN,
        cookie: Vec::new(),
        lost: false,
    };
    play.drain();
    if flags & 4 == 0 {
        play.connect(role);
    }
    while !input.is_empty() {
        play.step(&mut input);
    }
}

struct Play {
    ours: DataAssociation,
    now: Instant,
    /// Our verification tag and first TSN, which are the library's own choice.
    our_tag: u32,
    our_tsn: u32,
    /// The last TSN that we sent.
    last_tsn: u32,
    /// The peer's next TSN.
    tsn: u32,
    cookie: Vec<u8>,
    lost: bool,
}

impl Play {
    /// The peer's half of the handshake (RFC 9260, section 5.1).
    fn connect(&mut self, role: DtlsRole) {
        let mut init = Vec::new();
        for word in [THEIR_TAG, 1 << 20, 0xffff_ffff, THEIR_TSN] {
            init.extend(word.to_be_bytes());
        }
        // Partial reliability, and the chunks FORWARD-TSN and RE-CONFIG.
        init.extend([0xc0, 0, 0, 4, 0x80, 8, 0, 6, 192, 130, 0, 0]);
        match role {
            DtlsRole::Server => {
                self.packet(0, &chunk(INIT, 0, &init));
                let cookie = std::mem::take(&mut self.cookie);
                self.packet(self.our_tag, &chunk(COOKIE_ECHO, 0, &cookie));
            }
            DtlsRole::Client => {
                init.extend([0, 7, 0, 8, 1, 2, 3, 4]);
                self.packet(self.our_tag, &chunk(INIT_ACK, 0, &init));
                self.packet(self.our_tag, &chunk(COOKIE_ACK, 0, &[]));
            }
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.byte() {
            // Any packet; next to none has the right checksum.
            0 => {
                let packet = input.piece();
                self.ours.handle_packet(self.now, packet);
                self.drain();
            }
            // Any chunks in a packet that is well made.
            1..=63 => {
                let mut chunks = input.piece().to_vec();
                // The peer cannot know what it would acknowledge but for what we sent.
                if let [SACK, _, _, _, a, b, c, d, ..] = &mut chunks[..] {
                    let tsn = u32::from_be_bytes([*a, *b, *c, *d]).wrapping_add(self.our_tsn);
                    [*a, *b, *c, *d] = tsn.to_be_bytes();
                }
                self.packet(self.our_tag, &chunks);
            }
            // A whole message, or a piece of one.
            64..=159 => {
                let (stream, kind) = (u16::from(input.byte()), input.byte());
                let ppid = [50_u32, 51, 53, 56, 57, 0, 52, 99][usize::from(kind & 7)];
                let flags = if kind & 0x80 == 0 { 3 } else { kind >> 3 & 7 };
                let mut data = self.tsn.to_be_bytes().to_vec();
                data.extend(stream.to_be_bytes());
                data.extend(input.short().to_be_bytes());
                data.extend(ppid.to_be_bytes());
                data.extend(input.piece());
                self.tsn = self.tsn.wrapping_add(1);
                self.packet(self.our_tag, &chunk(DATA, flags, &data));
            }
            // All that we sent is acknowledged.
            160..=191 => {
                let mut sack = self.last_tsn.to_be_bytes().to_vec();
                sack.extend([0, 1, 0, 0, 0, 0, 0, 0]);
                self.packet(self.our_tag, &chunk(SACK, 0, &sack));
            }
            wait @ 192..=223 => self.wait(Duration::from_millis(100) * u32::from(wait - 191)),
            224..=239 => {
                let channel = [Channel::Reliable, Channel::Lossy, Channel::DataTrack][usize::from(input.byte() % 3)];
                let payload = Bytes::from(vec![1; input.short().into()]);
                // A channel that is not open, or full, refuses the message.
                let _ = self.ours.send(self.now, channel, &payload);
                self.drain();
            }
            _ => self.ours.set_send_message_max(input.short().into()),
        }
    }

    /// A packet of the peer with a right header.
    fn packet(&mut self, tag: u32, chunks: &[u8]) {
        let mut packet = [&[0x13, 0x88, 0x13, 0x88][..], &tag.to_be_bytes(), &[0; 4], chunks].concat();
        let checksum = crc32c(&packet);
        packet[8..HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
        self.ours.handle_packet(self.now, &packet);
        self.drain();
    }

    fn wait(&mut self, wait: Duration) {
        let end = self.now + wait;
        let mut timers = 0;
        while let Some(due) = self.ours.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.ours.handle_timeout(self.now);
            self.drain();
            timers += 1;
            assert!(timers < TIMERS_MAX, "a timer that never rests");
        }
        self.now = end;
    }

    fn drain(&mut self) {
        let mut sent: Vec<Vec<u8>> = Vec::new();
        self.ours.drain_packets(self.now, |packet| sent.push(packet.to_vec()));
        for packet in sent {
            assert!(packet.len() + DTLS_LEN <= DATAGRAM_MAX + SLACK, "a packet of {} bytes", packet.len());
            self.note(&packet);
        }
        while let Some(event) = self.ours.poll_event() {
            assert!(!self.lost, "{event:?} after the end");
            match event {
                DataEvent::Message(_, message) => assert!(message.len() <= RECEIVE_MESSAGE_MAX as usize),
                DataEvent::Lost => self.lost = true,
                DataEvent::Open(_)
                | DataEvent::Rejected
                | DataEvent::Progress(_)
                | DataEvent::Stalled
                | DataEvent::Unsent(_) => {}
            }
        }
        assert!(self.ours.stream_count() <= STREAMS_MAX);
    }

    /// What a peer reads from a packet of ours.
    fn note(&mut self, packet: &[u8]) {
        let word = |bytes: &[u8], at: usize| {
            bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_be_bytes)
        };
        let mut chunks = packet.get(HEADER_LEN..).unwrap_or_default();
        while let [kind, _, high, low, ..] = *chunks {
            let len = usize::from(u16::from_be_bytes([high, low]));
            let body = chunks.get(4..len).unwrap_or_default();
            match kind {
                INIT | INIT_ACK => {
                    self.our_tag = word(body, 0);
                    self.our_tsn = word(body, 12);
                    self.last_tsn = self.our_tsn.wrapping_sub(1);
                    self.cookie = cookie(body.get(16..).unwrap_or_default());
                }
                DATA => {
                    let tsn = word(body, 0);
                    if tsn.wrapping_sub(self.last_tsn).cast_signed() > 0 {
                        self.last_tsn = tsn;
                    }
                }
                _ => {}
            }
            chunks = chunks.get(len.next_multiple_of(4).max(4)..).unwrap_or_default();
        }
    }
}

/// The state cookie among the parameters of an INIT ACK (RFC 9260, section 3.3.3).
fn cookie(mut parameters: &[u8]) -> Vec<u8> {
    while let [k0, k1, high, low, ..] = *parameters {
        let len = usize::from(u16::from_be_bytes([high, low]));
        if [k0, k1] == [0, 7] {
            return parameters.get(4..len).unwrap_or_default().to_vec();
        }
        parameters = parameters.get(len.next_multiple_of(4).max(4)..).unwrap_or_default();
    }
    Vec::new()
}

fn chunk(kind: u8, flags: u8, body: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend(((body.len() + 4) as u16).to_be_bytes());
    chunk.extend(body);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// The checksum of SCTP (RFC 9260, appendix A).
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table(0x82f6_3b78);
    crc(&TABLE, bytes)
}
