//! A receiver whose process stands still most of the time, as a machine with too much to do makes it: its socket takes
//! what it can, the rest is lost, and when it goes on it finds all that at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Pair;
use crate::command::Channel;
use crate::data::{DataAssociation, DataEvent};

const TICK: Duration = Duration::from_millis(1);
const CYCLE_MS: u64 = 500;
const STOPPED_MS: u64 = 400;
/// Datagrams that the socket of the receiver holds: what Linux's default of 208 KiB is worth, with what it counts beside
/// the bytes.
const SOCKET: usize = 92;
const COUNT: usize = 10 * 1024 * 1024 / 15_000;

/// Packets under way in one direction, each with its arrival.
#[derive(Default)]
struct Wire(VecDeque<(Instant, Vec<u8>)>);

impl Wire {
    /// Takes what `from` sends; one in a hundred is lost.
    fn fill(&mut self, now: Instant, from: &mut DataAssociation, random: &mut impl FnMut() -> u64) {
        from.drain_packets(now, |packet| {
            if !random().is_multiple_of(100) {
                self.0.push_back((now + 10 * TICK, packet.to_vec()));
            }
        });
    }

    fn arrived(&mut self, now: Instant) -> impl Iterator<Item = Vec<u8>> {
        let count = self.0.iter().take_while(|(at, _)| *at <= now).count();
        self.0.drain(..count).map(|(_, packet)| packet)
    }
}

fn wake(now: Instant, end: &mut DataAssociation) {
    if end.poll_timeout().is_some_and(|deadline| deadline <= now) {
        end.handle_timeout(now);
    }
}

#[test]
fn a_receiver_that_is_stopped_most_of_the_time_gets_everything() {
    let mut overflown = 0;
    for seed in 1..=4_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut pair = Pair::connect();
        let phase = random() % CYCLE_MS;
        for number in 0..COUNT {
            pair.client.send(pair.now, Channel::Reliable, &Bytes::from(vec![number as u8; 15_000])).unwrap();
        }
        let (mut there, mut back, mut socket) = (Wire::default(), Wire::default(), VecDeque::new());
        let (begun, mut got) = (pair.now, 0);
        for ms in 0..180_000 {
            there.fill(pair.now, &mut pair.client, &mut random);
            for packet in there.arrived(pair.now) {
                if socket.len() < SOCKET {
                    socket.push_back(packet);
                } else {
                    overflown += 1;
                }
            }
            if (ms + phase) % CYCLE_MS >= STOPPED_MS {
                socket.drain(..).for_each(|packet| pair.server.handle_packet(pair.now, &packet));
                wake(pair.now, &mut pair.server);
                back.fill(pair.now, &mut pair.server, &mut random);
            }
            back.arrived(pair.now).for_each(|packet| pair.client.handle_packet(pair.now, &packet));
            wake(pair.now, &mut pair.client);
            while let Some(event) = pair.server.poll_event() {
                if let DataEvent::Message(_, message) = event {
                    assert!(message.len() == 15_000 && message.iter().all(|byte| *byte == got as u8), "{got}");
                    got += 1;
                }
            }
            while let Some(event) = pair.client.poll_event() {
                assert!(!matches!(event, DataEvent::Stalled | DataEvent::Unsent(_) | DataEvent::Lost), "{event:?}");
            }
            if got == COUNT {
                break;
            }
            pair.now += TICK;
        }
        assert_eq!(got, COUNT, "seed {seed} at {ms} ms", ms = (pair.now - begun).as_millis());
    }
    assert!(overflown > 100, "{overflown} datagrams found the socket full");
}
