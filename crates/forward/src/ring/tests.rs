//! The ring keeps what it should, for as long as it should, and never gives out other bytes.

use std::time::{Duration, Instant};

use tutti_rtp::{Codec, FrameInfo, RtpTimestamp};

use super::*;

const CONFIG: RingConfig =
    RingConfig { slots_first: 4, slots_max: 64, bytes_first: 256, bytes_max: 4_096, keep: Duration::from_millis(500) };

fn head(index: u64, arrival: Instant) -> PacketHead {
    PacketHead {
        index,
        arrival,
        timestamp: RtpTimestamp(index as u32),
        marker: false,
        format: Some(0),
        codec: Some(Codec::Vp8),
        frame: Frame::from(&FrameInfo::opaque(false)),
        targets: None,
        extensions: SlotExtensions::default(),
    }
}

/// A payload that tells its index, of a length that depends on it.
fn payload(index: u64) -> Vec<u8> {
    (0..(index * 7 % 90) + 8).map(|at| (index.wrapping_mul(31) + at) as u8).collect()
}

fn check(ring: &PacketRing, index: u64) -> bool {
    let Some(slot) = ring.get(index) else { return false };
    assert_eq!(slot.index, index);
    assert_eq!(slot.payload_len(), payload(index).len());
    assert_eq!(ring.payload(slot), payload(index));
    let descriptor = [index as u8; 3];
    assert_eq!(ring.descriptor(slot), index.is_multiple_of(2).then_some(&descriptor[..]));
    true
}

fn store(ring: &mut PacketRing, index: u64, arrival: Instant) -> Stored {
    let descriptor = [index as u8; 3];
    ring.store(head(index, arrival), if index.is_multiple_of(2) { &descriptor } else { &[] }, &payload(index))
}

#[test]
fn it_costs_nothing_before_the_first_packet_and_grows_with_the_rate() {
    // (packets per second, bytes allocated at most)
    let slot = size_of::<Option<PacketSlot>>();
    let cases = [(0, 0), (2, 512 + 4 * slot), (20, 2_048 + 16 * slot), (1_000, 4_096 + 64 * slot)];
    for (rate, memory_max) in cases {
        let mut ring = PacketRing::new(CONFIG);
        let mut now = Instant::now();
        for index in 0..rate * 5 {
            store(&mut ring, index, now);
            now += Duration::from_secs(1) / rate as u32;
        }
        assert!(ring.memory() <= memory_max, "{rate}: {} bytes", ring.memory());
    }
}

#[test]
fn packets_are_kept_for_their_time_within_the_bounds() {
    let mut ring = PacketRing::new(CONFIG);
    let mut now = Instant::now();
    for index in 0..400 {
        assert_eq!(store(&mut ring, index, now), Stored::New);
        // Half a second is 25 packets.
        for kept in index.saturating_sub(24)..=index {
            assert!(check(&ring, kept), "{kept} of {index}");
        }
        now += Duration::from_millis(20);
    }
    assert!(!check(&ring, 0));
}

#[test]
fn what_was_forgotten_before_the_ring_grew_does_not_come_in_again() {
    let mut ring = PacketRing::new(CONFIG);
    let mut now = Instant::now();
    for index in 0..8 {
        // Slowly: four slots suffice.
        now += Duration::from_secs(1);
        assert_eq!(store(&mut ring, index, now), Stored::New);
    }
    for index in 8..13 {
        assert_eq!(store(&mut ring, index, now), Stored::New);
    }
    // Eight slots now, and of 6 nobody remembers whether it came.
    for (index, stored) in [(6, Stored::TooOld), (7, Stored::Duplicate), (12, Stored::Duplicate), (13, Stored::New)] {
        assert_eq!(store(&mut ring, index, now), stored, "{index}");
    }
    // A jump makes it grow again before it is full.
    assert_eq!(store(&mut ring, 18, now), Stored::New);
    assert_eq!(store(&mut ring, 6, now), Stored::TooOld);
}

#[test]
fn late_packets_find_their_place() {
    let mut ring = PacketRing::new(CONFIG);
    let now = Instant::now();
    for index in [10, 13, 11] {
        assert_eq!(store(&mut ring, index, now), Stored::New);
    }
    assert_eq!(store(&mut ring, 11, now), Stored::Duplicate);
    assert_eq!(store(&mut ring, 13, now), Stored::Duplicate);
    for index in [20, 19, 12] {
        // Packets that are too young to go make the ring grow.
        store(&mut ring, index, now);
    }
    assert_eq!(ring.newest(), Some(20));
    assert_eq!(store(&mut ring, 1_000, now), Stored::New);
    assert_eq!(store(&mut ring, 21, now), Stored::TooOld);
    assert!([10, 11, 12, 13, 19, 20].into_iter().filter(|&index| check(&ring, index)).count() >= 3);
    assert!(check(&ring, 1_000));
}

#[test]
fn what_was_written_over_is_gone() {
    // No time to keep for: nothing grows.
    let mut ring = PacketRing::new(RingConfig { keep: Duration::ZERO, slots_first: 64, ..CONFIG });
    let now = Instant::now();
    for index in 0..1_000 {
        store(&mut ring, index, now);
        let kept = (0..=index).filter(|&index| check(&ring, index)).count();
        assert!((1..20).contains(&kept));
    }
    assert_eq!(ring.memory(), 256 + 64 * size_of::<Option<PacketSlot>>());
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut ring = PacketRing::new(CONFIG);
    let now = Instant::now();
    assert_eq!(ring.store(head(1, now), &[], &[0; 5_000]), Stored::TooLong);
    assert_eq!(ring.store(head(2, now), &[], &[]), Stored::New);
    assert!(ring.get(2).is_some_and(PacketSlot::is_padding));
    assert!(ring.get(1).is_none());
}
