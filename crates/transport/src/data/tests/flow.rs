//! Back-pressure: who sends reliable data is slowed by who passes it on, and by who takes it.

use std::time::Duration;

use bytes::Bytes;

use super::{ALL, Pair, messages};
use crate::command::Channel;
use crate::data::{DATA_WINDOW, DataEvent, Dropped, data_weight};

const SECOND: Duration = Duration::from_secs(1);

fn numbered(number: u32, bytes: usize) -> Bytes {
    let mut message = vec![7; bytes.max(4)];
    message[..4].copy_from_slice(&number.to_be_bytes());
    message.into()
}

fn numbers(events: &[DataEvent]) -> Vec<u32> {
    messages(events).iter().map(|message| u32::from_be_bytes(message[..4].try_into().unwrap())).collect()
}

/// Weight of what the server's owner heard of.
fn arrived(pair: &Pair) -> u64 {
    messages(&pair.server_events).iter().map(|message| data_weight(message.len())).sum()
}

#[test]
fn what_is_not_passed_on_stops_the_peer_and_nothing_is_lost() {
    for bytes in [15_000, 1_000] {
        let mut pair = Pair::connect();
        pair.server.govern();
        let count = 6_000_000 / bytes as u32;
        for number in 0..count {
            pair.client.send(pair.now, Channel::Reliable, &numbered(number, bytes)).unwrap();
        }
        pair.run(10 * SECOND, |_, _| 1, |_| false);
        let first = arrived(&pair);
        // What the peer sent before it heard of the narrower window comes on top.
        assert!((900_000..u64::from(DATA_WINDOW) + 600_000).contains(&first), "{first} bytes of {bytes} each");
        assert_eq!(pair.server.held(), first);
        // Half of it is passed on: so much more comes, soon.
        pair.server.take(first / 2);
        pair.run(SECOND, |_, _| 1, |_| false);
        let then = arrived(&pair);
        assert!(then - first > first / 4, "{first} then {then}");
        // Everything is, as it comes.
        let deadline = pair.now + 60 * SECOND;
        while messages(&pair.server_events).len() < count as usize && pair.now < deadline {
            pair.server.take(arrived(&pair));
            pair.run(Duration::from_millis(20), |_, _| 1, |_| false);
        }
        assert_eq!(numbers(&pair.server_events), (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn a_burst_of_many_messages_is_slowed_and_whole() {
    let mut pair = Pair::connect();
    pair.server.govern();
    for number in 0..20_000 {
        pair.client.send(pair.now, Channel::Reliable, &numbered(number, 20)).unwrap();
    }
    let begun = pair.now;
    while messages(&pair.server_events).len() < 20_000 && pair.now < begun + 60 * SECOND {
        let total = arrived(&pair);
        pair.server.take(total);
        pair.run(Duration::from_millis(10), |_, _| 1, |_| false);
    }
    assert_eq!(numbers(&pair.server_events), (0..20_000).collect::<Vec<_>>());
    let took = pair.now - begun;
    assert!((2 * SECOND..10 * SECOND).contains(&took), "5000 at once, then 5000 a second: {took:?}");
}

#[test]
fn a_slow_peer_is_sent_everything_and_says_how_far_it_is() {
    let mut pair = Pair::connect();
    let message = Bytes::from(vec![1; 50_000]);
    for _ in 0..200 {
        pair.server.send(pair.now, Channel::Reliable, &message).unwrap();
    }
    assert!(pair.server.held() > 9_000_000);
    let whole = pair.run(60 * SECOND, |_, _| 1, |pair| messages(&pair.client_events).len() == 200);
    assert!(whole);
    pair.run(SECOND, |_, _| 1, |_| false);
    let progress: Vec<u64> = pair
        .server_events
        .iter()
        .filter_map(|event| if let DataEvent::Progress(total) = event { Some(*total) } else { None })
        .collect();
    assert!(progress.is_sorted() && progress.len() > 20, "{progress:?}");
    assert!(200 * data_weight(50_000) - progress.last().unwrap() < 65_536);
    assert_eq!(pair.server.held(), 0);
}

#[test]
fn a_peer_that_is_stopped_for_a_while_gets_everything_and_one_that_stays_away_stalls() {
    for (silence, stalls) in [(6, false), (11, false), (20, true)] {
        let mut pair = Pair::connect();
        pair.run(SECOND, |_, _| 1, |_| false);
        for number in 0..100 {
            pair.server.send(pair.now, Channel::Reliable, &numbered(number, 40_000)).unwrap();
        }
        pair.run(silence * SECOND, |_, _| 0, |_| false);
        let stalled =
            |pair: &Pair| pair.server_events.iter().filter(|event| matches!(event, DataEvent::Stalled)).count();
        assert_eq!(stalled(&pair), usize::from(stalls), "{silence} s of silence");
        assert!(pair.run(60 * SECOND, |_, _| 1, |pair| messages(&pair.client_events).len() == 100));
        assert_eq!(numbers(&pair.client_events), (0..100).collect::<Vec<_>>());
        assert_eq!(stalled(&pair), usize::from(stalls), "said once");
    }
}

fn progress(events: &[DataEvent]) -> Option<u64> {
    events.iter().rev().find_map(|event| if let DataEvent::Progress(total) = event { Some(*total) } else { None })
}

fn unsent(events: &[DataEvent]) -> usize {
    events.iter().map(|event| if let DataEvent::Unsent(bytes) = event { *bytes } else { 0 }).sum()
}

/// Whoever sent them must not wait for them.
#[test]
fn messages_that_cannot_be_delivered_count_as_passed_on() {
    let mut pair = Pair::connect();
    pair.server.set_send_message_max(16_384);
    for _ in 0..100 {
        let sent = pair.server.send(pair.now, Channel::Reliable, &Bytes::from(vec![0; 20_000]));
        assert_eq!(sent, Err(Dropped::TooLarge));
    }
    pair.run(SECOND, |_, _| 1, |_| false);
    assert!(progress(&pair.server_events) > Some(100 * data_weight(20_000) - 65_536));
    assert_eq!(pair.server.held(), 0);
}

#[test]
fn what_waits_when_the_peer_closes_the_channel_is_told() {
    let mut pair = Pair::connect();
    pair.run(SECOND, |_, _| 1, |_| false);
    let weight = 100 * data_weight(40_000);
    for number in 0..100 {
        pair.server.send(pair.now, Channel::Reliable, &numbered(number, 40_000)).unwrap();
    }
    pair.run(Duration::from_millis(100), |_, _| 1, |_| false);
    let whole = |pair: &Pair| messages(&pair.client_events).len();
    assert!(whole(&pair) < 90, "{} arrived", whole(&pair));
    pair.client.close_channel(Channel::Reliable);
    assert!(pair.run(60 * SECOND, |_, _| 1, |pair| unsent(&pair.server_events) > 0));
    // What the peer acknowledged and then threw away is not known here.
    assert!(unsent(&pair.server_events) > 2_000_000, "{} bytes told", unsent(&pair.server_events));
    assert!(progress(&pair.server_events) > Some(weight - 65_536), "no sender waits");
    assert_eq!(pair.server.held(), 0);
    assert_eq!(pair.server.send(pair.now, Channel::Reliable, &numbered(0, 10)), Err(Dropped::NotOpen));
}

#[test]
fn an_error_chunk_and_an_unknown_one_end_nothing() {
    let mut pair = Pair::connect();
    for chunk in [[9, 0, 0, 8, 0, 6, 0, 4], [0x84, 0, 0, 8, 1, 2, 3, 4], [0x3f, 0, 0, 8, 1, 2, 3, 4]] {
        let mut packet = pair.header.clone();
        packet.extend(chunk);
        packet[8..12].fill(0);
        let checksum = crate::fuzz::crc32c(&packet);
        packet[8..12].copy_from_slice(&checksum.to_le_bytes());
        pair.server.handle_packet(pair.now, &packet);
    }
    pair.client.send(pair.now, Channel::Reliable, &Bytes::from_static(b"still here")).unwrap();
    pair.run(SECOND, |_, _| 1, |_| false);
    assert_eq!(messages(&pair.server_events), [&b"still here"[..]]);
    assert!(!pair.server_events.iter().any(|event| matches!(event, DataEvent::Lost)));
}

#[test]
fn nothing_is_sent_on_a_channel_of_an_applications_own() {
    let mut pair = Pair::new(&ALL, &[]);
    assert!(pair.run(SECOND, |_, _| 1, Pair::is_open));
    let sent = pair.server.send(pair.now, Channel::Application, &Bytes::from_static(b"x"));
    assert_eq!(sent, Err(Dropped::NotOpen));
}
