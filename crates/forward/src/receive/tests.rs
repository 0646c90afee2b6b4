//! The lists and counters behind a received stream, each on its own.

use std::time::{Duration, Instant};

use tutti_rtp::{RtpTimestamp, SequenceNumber};

use super::index::{Indexer, Unwrapped};
use super::keyframe::KeyFrameRequest;
use super::nack::{Arrival, NackConfig, NackList};
use super::reception::Reception;

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

const RTT: Duration = Duration::from_millis(50);

fn take(list: &mut NackList, now: Instant) -> Vec<u64> {
    let mut out = [0; 300];
    let count = list.take_due(now, RTT, &mut out);
    out[..count].to_vec()
}

#[test]
fn reordered_packets_are_not_asked_for() {
    let began = Instant::now();
    let mut list = NackList::new(NackConfig::default());
    for (at, index) in [(0, 10), (1, 12), (2, 13), (3, 11)] {
        list.arrived(began + ms(at), index);
        assert_eq!(take(&mut list, began + ms(at)), [0; 0]);
    }
    assert_eq!(list.due(), None);
    assert_eq!(list.given_up(), 0);
}

#[test]
fn missing_packets_are_asked_for_by_count_or_by_time() {
    let began = Instant::now();
    let mut list = NackList::new(NackConfig::default());
    list.arrived(began, 10);
    assert_eq!(list.arrived(began, 12), Arrival::Gap);
    assert_eq!(list.due(), Some(began + ms(8)));
    assert_eq!(take(&mut list, began + ms(7)), [0; 0]);
    list.arrived(began + ms(1), 13);
    list.arrived(began + ms(2), 14);
    assert_eq!(list.due(), Some(began), "three later ones are enough");
    assert_eq!(take(&mut list, began + ms(2)), [11]);
    list.arrived(began + ms(3), 16);
    assert_eq!(take(&mut list, began + ms(11)), [15], "late enough");
}

#[test]
fn requests_are_repeated_each_round_trip_and_bounded() {
    let began = Instant::now();
    let mut list = NackList::new(NackConfig { tries_max: 3, reorder_packets: 1, ..NackConfig::default() });
    list.arrived(began, 10);
    list.arrived(began, 12);
    let mut asked = Vec::new();
    for at in 0..1_000 {
        if list.due().is_some_and(|due| due <= began + ms(at)) {
            asked.extend(take(&mut list, began + ms(at)).iter().map(|_| at));
        }
    }
    assert_eq!(asked, [0, 50, 100]);
    assert_eq!((list.given_up(), list.due()), (1, None));
    assert_eq!(list.arrived(began + ms(1_000), 11), Arrival::Unexpected);
}

#[test]
fn without_tries_nothing_is_noted() {
    let began = Instant::now();
    let mut list = NackList::new(NackConfig { tries_max: 0, ..NackConfig::default() });
    for index in [10, 20, 5_000] {
        assert_eq!(list.arrived(began, index), Arrival::Ordered);
        assert_eq!(list.due(), None);
    }
}

#[test]
fn a_packet_that_is_found_tells_how_long_it_took() {
    let began = Instant::now();
    let mut list = NackList::new(NackConfig { reorder_packets: 1, ..NackConfig::default() });
    list.arrived(began, 10);
    list.arrived(began, 13);
    take(&mut list, began);
    let found = list.arrived(began + ms(40), 11);
    assert_eq!(found, Arrival::Found { tries: 1, waited: Some(ms(40)) });
    take(&mut list, began + ms(60));
    let found = list.arrived(began + ms(70), 12);
    assert_eq!(found, Arrival::Found { tries: 2, waited: Some(ms(10)) });
    assert_eq!(list.due(), None);
}

#[test]
fn a_flood_of_missing_packets_is_given_up() {
    let began = Instant::now();
    let mut list = NackList::new(NackConfig::default());
    list.arrived(began, 10);
    list.arrived(began, 100);
    assert_eq!(list.arrived(began, 400), Arrival::GaveUp);
    assert_eq!((list.given_up(), list.due()), (89 + 299, None));
    assert_eq!(list.arrived(began, 402), Arrival::Gap);
    list.clear();
    assert_eq!(list.arrived(began, 7), Arrival::Ordered);
}

#[test]
fn many_missing_packets_come_in_pieces() {
    let began = Instant::now();
    let mut list = NackList::new(NackConfig { reorder_packets: 1, ..NackConfig::default() });
    list.arrived(began, 0);
    list.arrived(began, 101);
    let mut out = [0; 64];
    assert_eq!(list.take_due(began, RTT, &mut out), 64);
    assert_eq!((out[0], out[63]), (1, 64));
    assert_eq!(list.take_due(began, RTT, &mut out), 36);
    assert_eq!(list.take_due(began, RTT, &mut out), 0);
}

#[test]
fn indexes_survive_wraps_loss_and_restarts() {
    let mut indexer = Indexer::default();
    // (sequence number, what it means)
    let cases = [
        (65_530, Unwrapped::Index(0x1_FFFA)),
        (3, Unwrapped::Index(0x2_0003)),
        (65_531, Unwrapped::Index(0x1_FFFB)),
        (2_000, Unwrapped::Index(0x2_07D0)),
        (30_000, Unwrapped::Suspect),
        (2_001, Unwrapped::Index(0x2_07D1)),
        (30_000, Unwrapped::Suspect),
        (40_000, Unwrapped::Suspect),
        (40_001, Unwrapped::Restarted(0x4_9C41)),
        (40_002, Unwrapped::Index(0x4_9C42)),
        (39_000, Unwrapped::Index(0x4_9858)),
        (30_000, Unwrapped::Suspect),
    ];
    for (sequence, expected) in cases {
        assert_eq!(indexer.unwrap(SequenceNumber(sequence)), expected, "{sequence}");
    }
    assert_eq!(indexer.restarts(), 1);
    assert_eq!(indexer.peek(SequenceNumber(40_000)), Some(0x4_9C40));
    assert_eq!(indexer.peek(SequenceNumber(40_200)), None, "a repeat of what was never sent");
    assert_eq!(Indexer::default().peek(SequenceNumber(1)), None);
}

#[test]
fn key_frames_are_asked_for_at_once_then_throttled_then_repeated() {
    let began = Instant::now();
    let mut request = KeyFrameRequest::new(ms(500));
    let mut asked = Vec::new();
    for at in 0..3_000 {
        let now = began + ms(at);
        match at {
            100 | 110 | 300 | 2_100 | 2_300 => request.want(now),
            1_250 | 2_200 => request.arrived(),
            _ => {}
        }
        if request.take_due(now) {
            asked.push(at);
        }
    }
    assert_eq!(asked, [100, 600, 1_100, 2_100, 2_600]);
    // Nobody asks for ever.
    request.want(began);
    let tries = (0..10_000).filter(|at| request.take_due(began + ms(at * 100))).count();
    assert_eq!(tries, 40);
}

#[test]
fn jitter_follows_the_rfc() {
    let began = Instant::now();
    let mut reception = Reception::default();
    // Packets of 20 ms that arrive 10 ms early and late in turn: each differs from the one before by 20 ms.
    for number in 0..400u64 {
        let at = ms(100 + number * 20 + if number % 2 == 0 { 0 } else { 20 });
        reception.arrived(began + at, number, RtpTimestamp(number as u32 * 960), 100, 48_000);
    }
    assert!(reception.jitter().abs_diff(960) < 20, "{}", reception.jitter());
    // A jump of the sender's clock is not the network's.
    reception.arrived(began + ms(9_000), 400, RtpTimestamp(1 << 30), 100, 48_000);
    assert!(reception.jitter().abs_diff(960) < 20);
}
