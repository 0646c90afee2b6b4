//! Two associations on a wire that loses, repeats and cuts chosen packets.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::association::{LOSSY_QUEUE_MAX, STREAMS_MAX};
use super::queue::{UNDER_WAY_MAX, WAITING_MAX};
use super::{DataAssociation, DataConfig, DataEvent, Dropped};
use crate::SCTP_PORT;
use crate::command::{Channel, DtlsRole};
use crate::fuzz::crc32c;

mod flow;
mod stopped;

const ALL: [Channel; 3] = [Channel::Reliable, Channel::Lossy, Channel::DataTrack];

/// A client, a server and the packets between them.
struct Pair {
    now: Instant,
    client: DataAssociation,
    server: DataAssociation,
    client_events: Vec<DataEvent>,
    server_events: Vec<DataEvent>,
    /// Packets carried so far.
    carried: usize,
    /// Length of the largest datagram the client's packets would make, bytes.
    largest: usize,
    /// The common header of the client's packets.
    header: Vec<u8>,
}

impl Pair {
    fn new(client_opens: &[Channel], server_opens: &[Channel]) -> Self {
        Self::towards(SCTP_PORT, client_opens, server_opens)
    }

    /// The client goes to this port.
    fn towards(port: u16, client_opens: &[Channel], server_opens: &[Channel]) -> Self {
        let config = DataConfig::new(1200);
        Self {
            now: Instant::now(),
            client: DataAssociation::new(&config, DtlsRole::Client, client_opens, port, 65_536),
            server: DataAssociation::new(&config, DtlsRole::Server, server_opens, SCTP_PORT, 65_536),
            client_events: Vec::new(),
            server_events: Vec::new(),
            carried: 0,
            largest: 0,
            header: Vec::new(),
        }
    }

    /// Carries packets until `limit` passed or `done`; `pass` sees (number, packet) and says how often it arrives.
    fn run(
        &mut self,
        limit: Duration,
        mut pass: impl FnMut(usize, &[u8]) -> usize,
        done: impl Fn(&Self) -> bool,
    ) -> bool {
        let end = self.now + limit;
        while self.now < end {
            let mut to_server = Vec::new();
            let mut to_client = Vec::new();
            self.client.drain_packets(self.now, |packet| to_server.push(packet.to_vec()));
            self.server.drain_packets(self.now, |packet| to_client.push(packet.to_vec()));
            self.now += Duration::from_millis(10);
            for packet in to_server {
                // DTLS adds 37 bytes.
                self.header = packet[..12].to_vec();
                self.largest = self.largest.max(packet.len() + 37);
                for _ in 0..pass(self.carried, &packet) {
                    self.server.handle_packet(self.now, &packet);
                }
                self.carried += 1;
            }
            for packet in to_client {
                for _ in 0..pass(self.carried, &packet) {
                    self.client.handle_packet(self.now, &packet);
                }
                self.carried += 1;
            }
            for end in [&mut self.client, &mut self.server] {
                if end.poll_timeout().is_some_and(|deadline| deadline <= self.now) {
                    end.handle_timeout(self.now);
                }
            }
            self.client_events.extend(std::iter::from_fn(|| self.client.poll_event()));
            self.server_events.extend(std::iter::from_fn(|| self.server.poll_event()));
            if done(self) {
                return true;
            }
        }
        false
    }

    fn is_open(&self) -> bool {
        open(&self.client_events) == ALL && open(&self.server_events) == ALL
    }

    fn connect() -> Self {
        let mut pair = Self::new(&ALL, &[]);
        assert!(pair.run(Duration::from_secs(1), |_, _| 1, Self::is_open), "{:?}", pair.client_events);
        pair
    }
}

#[test]
fn an_association_goes_to_the_port_that_the_peer_states() {
    let mut pair = Pair::towards(5001, &ALL, &[]);
    assert!(pair.run(Duration::from_secs(1), |_, _| 1, Pair::is_open), "{:?}", pair.client_events);
    assert_eq!(pair.header[..4], [0x13, 0x88, 0x13, 0x89], "from 5000 to 5001");
}

fn open(events: &[DataEvent]) -> Vec<Channel> {
    let mut open: Vec<Channel> = events
        .iter()
        .filter_map(|event| if let DataEvent::Open(channel) = event { Some(*channel) } else { None })
        .collect();
    open.sort();
    open
}

fn messages(events: &[DataEvent]) -> Vec<&Bytes> {
    events
        .iter()
        .filter_map(|event| if let DataEvent::Message(_, payload) = event { Some(payload) } else { None })
        .collect()
}

#[test]
fn channels_open_whoever_asks() {
    for (client_opens, server_opens) in [(&ALL[..], &[][..]), (&[], &ALL)] {
        let mut pair = Pair::new(client_opens, server_opens);
        assert!(pair.run(Duration::from_secs(1), |_, _| 1, Pair::is_open));
        assert!(pair.client.send(pair.now, Channel::Lossy, &Bytes::from_static(b"a")).is_ok());
        assert!(pair.server.send(pair.now, Channel::Lossy, &Bytes::from_static(b"b")).is_ok());
        pair.run(Duration::from_millis(100), |_, _| 1, |_| false);
        assert_eq!(messages(&pair.server_events), [&b"a"[..]]);
        assert_eq!(messages(&pair.client_events), [&b"b"[..]]);
    }
}

#[test]
fn any_two_packets_of_the_beginning_may_be_lost_or_repeated() {
    for first in 0..12 {
        for second in first..12 {
            for copies in [0, 2] {
                let mut pair = Pair::new(&ALL, &[]);
                let up = pair.run(
                    Duration::from_secs(10),
                    |number, _| if number == first || number == second { copies } else { 1 },
                    Pair::is_open,
                );
                assert!(up, "packets {first} and {second} {copies} times: {:?}", pair.client_events);
            }
        }
    }
}

#[test]
fn a_stale_init_does_not_end_the_association() {
    let mut init = Vec::new();
    let mut pair = Pair::new(&ALL, &[]);
    let keep_first = |number: usize, packet: &[u8]| {
        if number == 0 {
            init = packet.to_vec();
        }
        1
    };
    assert!(pair.run(Duration::from_secs(1), keep_first, Pair::is_open));
    pair.server.handle_packet(pair.now, &init);
    pair.client.handle_packet(pair.now, &init);
    assert!(pair.client.send(pair.now, Channel::Reliable, &Bytes::from_static(b"still here")).is_ok());
    pair.run(Duration::from_millis(200), |_, _| 1, |_| false);
    assert_eq!(messages(&pair.server_events), [&b"still here"[..]]);
    assert!(!pair.server_events.iter().chain(&pair.client_events).any(|event| matches!(event, DataEvent::Lost)));
}

#[test]
fn queues_are_bounded() {
    let waiting = WAITING_MAX as usize + UNDER_WAY_MAX;
    for (channel, full, bound) in
        [(Channel::Reliable, Dropped::Overrun, waiting), (Channel::Lossy, Dropped::QueueFull, LOSSY_QUEUE_MAX)]
    {
        let mut pair = Pair::connect();
        // Until the opening is acknowledged it takes its place in the queue.
        pair.run(Duration::from_secs(1), |_, _| 1, |_| false);
        let message = Bytes::from(vec![1; 65_536]);
        let queued = (0..2000).take_while(|_| pair.client.send(pair.now, channel, &message).is_ok()).count();
        assert!(
            (bound.saturating_sub(5 * message.len())..=bound).contains(&(queued * message.len())),
            "{queued} of {bound}"
        );
        assert_eq!(pair.client.send(pair.now, channel, &message), Err(full));
        assert_eq!(pair.client.send(pair.now, channel, &Bytes::from(vec![1; 65_537])), Err(Dropped::TooLarge));
        // It drains, and takes again.
        assert!(pair.run(Duration::from_secs(600), |_, _| 1, |pair| messages(&pair.server_events).len() == queued));
        pair.run(Duration::from_secs(1), |_, _| 1, |_| false);
        assert_eq!(pair.client.send(pair.now, channel, &message), Ok(()));
        assert!(pair.largest <= 1200, "{} bytes", pair.largest);
    }
    let mut pair = Pair::new(&[Channel::Reliable], &[]);
    assert_eq!(pair.client.send(pair.now, Channel::Reliable, &Bytes::new()), Err(Dropped::NotOpen));
}

#[test]
fn what_comes_together_is_acknowledged_together() {
    let mut pair = Pair::connect();
    pair.run(Duration::from_secs(1), |_, _| 1, |_| false);
    pair.client.send(pair.now, Channel::Reliable, &Bytes::from(vec![1; 4000])).unwrap();
    let mut packets = Vec::new();
    pair.client.drain_packets(pair.now, |packet| packets.push(packet.to_vec()));
    assert_eq!(packets.len(), 4);
    assert!(!pair.client.is_due() && !pair.server.is_due());
    packets.iter().for_each(|packet| pair.server.handle_packet(pair.now, packet));
    assert!(pair.server.is_due());
    let mut answers = 0;
    pair.server.drain_packets(pair.now, |_| answers += 1);
    assert_eq!((answers, pair.server.is_due()), (1, false));
}

#[test]
fn lossy_messages_are_not_repeated() {
    let mut pair = Pair::connect();
    let mut lost = Vec::new();
    let mut lose_every_fourth_once = |_: usize, packet: &[u8]| {
        let number = packet[packet.len() - 4];
        let loses = packet.len() > 1000 && number.is_multiple_of(4) && !lost.contains(&number);
        if loses {
            lost.push(number);
        }
        usize::from(!loses)
    };
    for number in 0..100_u8 {
        pair.client.send(pair.now, Channel::Lossy, &Bytes::from(vec![number; 1000])).unwrap();
        pair.run(Duration::from_millis(30), &mut lose_every_fourth_once, |_| false);
    }
    pair.run(Duration::from_secs(10), &mut lose_every_fourth_once, |_| false);
    let received: Vec<u8> = messages(&pair.server_events).iter().map(|message| message[0]).collect();
    assert_eq!(received, (0..100).filter(|number| number % 4 != 0).collect::<Vec<u8>>());
}

#[test]
fn a_peer_that_opens_streams_without_end_is_bounded() {
    let mut pair = Pair::connect();
    pair.client.use_streams(100, 300);
    pair.run(Duration::from_secs(5), |_, _| 1, |_| false);
    assert!(pair.server.stream_count() <= STREAMS_MAX);
    assert!(pair.largest < 1400, "even the tiniest chunks make packets of {} bytes", pair.largest);
    assert!(pair.server_events.iter().filter(|event| matches!(event, DataEvent::Rejected)).count() >= 100);
    pair.client.send(pair.now, Channel::Reliable, &Bytes::from_static(b"after")).unwrap();
    pair.run(Duration::from_secs(5), |_, _| 1, |_| false);
    assert_eq!(messages(&pair.server_events), [&b"after"[..]]);
}

#[test]
fn garbage_is_survived() {
    let mut pair = Pair::connect();
    let mut state = 7_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for _ in 0..2000 {
        let garbage: Vec<u8> = (0..random() % 100).map(|_| random() as u8).collect();
        pair.server.handle_packet(pair.now, &garbage);
    }
    // Chunks of every type with random contents, as an authentic peer could send them.
    let mut lost = 0;
    for round in 0..20_000_u64 {
        if pair.server_events.iter().any(|event| matches!(event, DataEvent::Lost)) {
            lost += 1;
            pair = Pair::connect();
        }
        if round % 50 == 0 {
            pair.server.send(pair.now, Channel::Reliable, &Bytes::from(vec![3; 3000])).ok();
            pair.client.send(pair.now, Channel::Reliable, &Bytes::from(vec![3; 300])).ok();
        }
        let mut packets = Vec::new();
        pair.client.drain_packets(pair.now, |packet| packets.push(packet.to_vec()));
        if packets.is_empty() {
            packets.push(pair.header.clone());
        }
        for mut packet in packets {
            packet.truncate(12 + if random() % 2 == 0 { 0 } else { packet.len() });
            for _ in 0..random() % 3 {
                let kinds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, random() as u8];
                let len = (random() % 40) as u16;
                packet.push(kinds[(random() % 16) as usize]);
                packet.push(random() as u8 & 7);
                packet.extend((len + 4 - if random() % 10 == 0 { 3 } else { 0 }).to_be_bytes());
                packet.extend(
                    (0..len.next_multiple_of(4)).map(|_| random() as u8 & if random() % 2 == 0 { 3 } else { 255 }),
                );
            }
            if packet.len() > 12 && random() % 3 == 0 {
                let at = 12 + (random() as usize) % (packet.len() - 12);
                packet[at] ^= random() as u8;
            }
            packet[8..12].fill(0);
            let checksum = crc32c(&packet);
            packet[8..12].copy_from_slice(&checksum.to_le_bytes());
            pair.server.handle_packet(pair.now, &packet);
        }
        pair.run(Duration::from_millis(10), |_, _| 1, |_| false);
    }
    assert!(lost > 10, "the packets are well enough made to do harm");
}
