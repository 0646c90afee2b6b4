//! Wrapping numbers, unwrapping, and NTP time.

use std::time::Duration;

use proptest::prelude::*;
use tutti_rtp::{CompactNtp, ExtendedSequence, NtpTime, RtpTimestamp, SequenceNumber, SequenceUnwrapper};

use crate::cases;

#[test]
fn sequence_numbers_compare_by_the_shorter_way_round() {
    for (newer, older, distance) in
        [(1, 0, 1), (0, 65535, 1), (10, 65530, 16), (32767, 0, 32767), (0, 32769, 32767), (200, 100, 100)]
    {
        let (newer, older) = (SequenceNumber(newer), SequenceNumber(older));
        assert_eq!(newer.distance_from(older), distance);
        assert!(newer.is_newer_than(older));
        assert!(!older.is_newer_than(newer));
        assert_eq!(older.add(distance as u16), newer);
        assert_eq!(newer.sub(distance as u16), older);
    }
    assert!(!SequenceNumber(7).is_newer_than(SequenceNumber(7)));
}

#[test]
fn timestamps_compare_by_the_shorter_way_round() {
    assert_eq!(RtpTimestamp(5).distance_from(RtpTimestamp(u32::MAX)), 6);
    assert_eq!(RtpTimestamp(u32::MAX).distance_from(RtpTimestamp(5)), -6);
    assert!(RtpTimestamp(2).is_newer_than(RtpTimestamp(2).sub(3000)));
    assert_eq!(RtpTimestamp(u32::MAX).add(2), RtpTimestamp(1));
}

#[test]
fn unwrapping_counts_cycles_and_keeps_late_packets_in_theirs() {
    let mut unwrapper = SequenceUnwrapper::new();
    let steps = [
        (65534, 1 << 16 | 65534),
        (65535, 1 << 16 | 65535),
        (1, 2 << 16 | 1),
        (0, 2 << 16),
        (65533, 1 << 16 | 65533),
        (2, 2 << 16 | 2),
        (30000, 2 << 16 | 30000),
        (60000, 2 << 16 | 60000),
        (1, 3 << 16 | 1),
    ];
    for (sequence, extended) in steps {
        assert_eq!(unwrapper.peek(SequenceNumber(sequence)), ExtendedSequence(extended));
        assert_eq!(unwrapper.unwrap(SequenceNumber(sequence)), ExtendedSequence(extended));
    }
    assert_eq!(unwrapper.highest(), Some(ExtendedSequence(3 << 16 | 1)));
}

#[test]
fn a_packet_from_before_the_first_has_a_place() {
    let mut unwrapper = SequenceUnwrapper::new();
    let first = unwrapper.unwrap(SequenceNumber(3));
    let late = unwrapper.unwrap(SequenceNumber(65535));
    assert_eq!(first.0 - late.0, 4);
    assert_eq!(unwrapper.highest(), Some(first));
}

#[test]
fn ntp_time_counts_from_1900() {
    let half_past = NtpTime::from_unix(Duration::new(1_700_000_000, 500_000_000));
    assert_eq!(half_past.0, (1_700_000_000 + 2_208_988_800) << 32 | 1 << 31);
    assert_eq!(half_past.to_unix(), Duration::new(1_700_000_000, 500_000_000));
    assert_eq!(half_past.compact().0, ((1_700_000_000u64 + 2_208_988_800) as u32) << 16 | 1 << 15);
    assert_eq!((half_past + Duration::from_millis(1500)).to_unix(), Duration::from_secs(1_700_000_002));
    assert_eq!(half_past + Duration::from_secs(3) - Duration::from_secs(3), half_past);
    assert_eq!((half_past + Duration::from_secs(9)).saturating_duration_since(half_past), Duration::from_secs(9));
    assert_eq!(half_past.saturating_duration_since(half_past + Duration::from_secs(9)), Duration::ZERO);
    assert_eq!(NtpTime(0).to_unix(), Duration::ZERO);
}

#[test]
fn round_trip_as_in_rfc_3550_figure_2() {
    // RFC 3550, section 6.4.1: A = 0xb710:8000, LSR = 0xb705:2000, DLSR = 0x0005:4000, delay 6.125 s.
    let (arrival, last, delay) = (CompactNtp(0xb710_8000), CompactNtp(0xb705_2000), CompactNtp(0x0005_4000));
    assert_eq!(CompactNtp::round_trip(arrival, last, delay), Some(Duration::from_millis(6125)));
    assert_eq!(CompactNtp::round_trip(arrival, CompactNtp(0), delay), None);
    assert_eq!(CompactNtp::round_trip(last, arrival, delay), None, "a report from the future");
    assert_eq!(CompactNtp::from_duration(Duration::from_millis(5250)), CompactNtp(0x0005_4000));
    assert_eq!(CompactNtp::from_duration(Duration::from_secs(1 << 20)), CompactNtp(u32::MAX));
    assert_eq!(CompactNtp::from_duration(Duration::MAX), CompactNtp(u32::MAX));
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_walk_of_small_steps_unwraps_to_itself(
        start in any::<u16>(),
        steps in prop::collection::vec(-1000i64..2000, 1..200),
    ) {
        let mut unwrapper = SequenceUnwrapper::new();
        let mut position = i64::from(start) + (1 << 16);
        let mut highest = position;
        prop_assert_eq!(unwrapper.unwrap(SequenceNumber(start)).0 as i64, position);
        for step in steps {
            position = (position + step).max(highest - 30_000);
            highest = highest.max(position);
            prop_assert_eq!(unwrapper.unwrap(SequenceNumber(position as u16)).0 as i64, position);
        }
    }

    #[test]
    fn ntp_time_keeps_nanoseconds(seconds in 0u64..2_000_000_000, nanos in 0u32..1_000_000_000) {
        let time = Duration::new(seconds, nanos);
        prop_assert_eq!(NtpTime::from_unix(time).to_unix(), time);
    }

    #[test]
    fn time_never_panics(ntp in any::<u64>(), seconds in any::<u64>(), nanos in 0u32..1_000_000_000, compact: u32) {
        let _sum = NtpTime(ntp) + Duration::new(seconds, nanos);
        let _difference = NtpTime(ntp) - Duration::new(seconds, nanos);
        let _unix = (NtpTime(ntp).to_unix(), NtpTime::from_unix(Duration::new(seconds, nanos)));
        let _compact = (CompactNtp::from_duration(Duration::new(seconds, nanos)), CompactNtp(compact).to_duration());
    }
}
