//! Transport-wide feedback: chunks, deltas, messages that end early, and the recorder on a virtual clock.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tutti_rtp::rtcp::twcc::{TransportFeedbackBuilder, WINDOW_PACKETS_MAX};
use tutti_rtp::rtcp::{Packet, TransportFeedback, Writer, packets};
use tutti_rtp::{Error, SequenceNumber, Ssrc};

use crate::cases;
use crate::samples::{self, hex};

/// What a message says: base and arrivals.
type Told = (u16, Vec<Option<u32>>);

fn write(room: usize, base: u16, statuses: &[Option<u32>]) -> Result<(u16, Vec<u8>), Error> {
    let mut out = vec![0xee; room];
    let mut writer = Writer::new(&mut out);
    let base = SequenceNumber(base);
    let told = writer.transport_feedback(Ssrc(1), Ssrc(2), 3, base, statuses.iter().copied())?;
    Ok((told, writer.written().to_vec()))
}

fn parse(bytes: &[u8]) -> TransportFeedback<'_> {
    match packets(bytes).next() {
        Some(Ok(Packet::TransportFeedback(feedback))) => feedback,
        other => panic!("{bytes:?} is {other:?}"),
    }
}

fn read(bytes: &[u8]) -> Told {
    let feedback = parse(bytes);
    let statuses: Vec<_> = feedback.packets().map(|packet| packet.arrival_ticks).collect();
    assert_eq!(statuses.len(), usize::from(feedback.packet_count));
    (feedback.base.0, statuses)
}

/// Body of a message behind the SSRCs, with the reference time 0x010203 and the count 3.
fn message(base: &str, count: &str, statuses: &str) -> Vec<u8> {
    let body = hex(&format!("{base} {count} 010203 03 {statuses}"));
    let words = (8 + body.len()).div_ceil(4);
    let mut bytes = vec![0x8f, 205, 0, words as u8, 0, 0, 0, 1, 0, 0, 0, 2];
    bytes.extend_from_slice(&body);
    bytes.resize(4 + 4 * words, 0);
    bytes
}

const START: u32 = 0x01_0203 * 256;

#[test]
fn reads_every_kind_of_chunk() {
    let at = |ticks: u32| Some(START.wrapping_add(ticks));
    for (name, base, count, statuses, told) in [
        ("run of small deltas", "0005", "0003", "2003 010203", (5, vec![at(1), at(3), at(6)])),
        ("run of lost packets, then one", "ffff", "0003", "0002 2001 04", (0xffff, vec![None, None, at(4)])),
        ("run of large deltas", "0005", "0002", "4002 0100 fffe", (5, vec![at(256), at(254)])),
        (
            "one-bit vector",
            "0005",
            "000e",
            "a801 010203",
            (5, {
                let mut told = vec![None; 14];
                (told[0], told[2], told[13]) = (at(1), at(3), at(6));
                told
            }),
        ),
        (
            "two-bit vector",
            "0005",
            "0007",
            "d801 01 8000 02",
            (5, vec![at(1), at(1u32.wrapping_sub(32768)), None, None, None, None, at(3u32.wrapping_sub(32768))]),
        ),
        ("vector cut by the count", "0005", "0001", "bfff 07", (5, vec![at(7)])),
        ("reserved symbol has no delta", "0005", "0002", "6001 2001 07", (5, vec![None, at(7)])),
    ] {
        assert_eq!(read(&message(base, count, statuses)), told, "{name}");
    }
    let bytes = message("0005", "0001", "2001 07");
    let feedback = parse(&bytes);
    assert_eq!((feedback.sender, feedback.media), (Ssrc(1), Ssrc(2)));
    assert_eq!((feedback.reference_time, feedback.feedback_count), (0x01_0203, 3));
}

#[test]
fn refuses_chunks_that_do_not_tell_all_packets() {
    for (name, count, statuses) in
        [("missing", "0001", ""), ("too few", "0020", "2005 a000"), ("empty run", "0001", "2000 2001 01")]
    {
        let bytes = message("0005", count, statuses);
        assert!(packets(&bytes).next().unwrap().is_err(), "{name}");
    }
    let short = hex("8fcd0003 00000001 00000002 00050001");
    assert!(packets(&short).next().unwrap().is_err());
}

#[test]
fn missing_deltas_end_the_list() {
    let bytes = message("0005", "0009", "2009 0102");
    let told: Vec<_> = parse(&bytes).packets().map(|packet| packet.sequence.0).collect();
    assert_eq!(told, [5, 6], "two deltas, the rest of the word is there by chance or not at all");
}

#[test]
fn writes_the_form_that_libwebrtc_writes() {
    let small = |count: usize| vec![Some(START); count];
    for (name, statuses, chunks) in [
        ("one", small(1), "2001"),
        ("a long run", small(20), "2014"),
        ("the longest run and one", small(8192), "3fff 2001"),
        ("mixture of 14", [small(13), vec![None], small(1)].concat(), "bffe 2001"),
        ("mixture that ends early", [vec![None], small(2)].concat(), "9800"),
        ("a large delta needs two bits", vec![Some(START), Some(START + 256)], "d800"),
        ("a large delta behind eight others", [small(7), vec![None], vec![Some(START + 300)]].concat(), "d555 c800"),
        ("a run, then others", [small(15), vec![None; 15]].concat(), "200f 000f"),
    ] {
        let (told, bytes) =
            write(10_000, 9, &[statuses.clone(), vec![Some(START)]].concat()[..statuses.len()]).unwrap();
        assert_eq!(usize::from(told), statuses.len(), "{name}");
        let chunks = hex(chunks);
        assert_eq!(bytes[20..20 + chunks.len()], chunks, "{name}");
        assert_eq!(read(&bytes), (9, statuses), "{name}");
    }
}

#[test]
fn statuses_without_arrival_are_no_message() {
    assert_eq!(write(100, 9, &[]).unwrap(), (0, vec![]));
    assert_eq!(write(100, 9, &[None; 50]).unwrap(), (0, vec![]));
}

#[test]
fn tells_as_many_as_fit() {
    // Deltas alternate between small and large: 3 bytes of deltas and 4 bits of chunk for two packets.
    let statuses: Vec<_> = (0..200).map(|i| Some(START + i / 2 * 500 + i % 2)).collect();
    for room in 0..23 {
        assert_eq!(write(room, 0, &statuses), Err(Error::NoRoom { what: "RTCP transport feedback" }), "{room}");
    }
    let mut before = 0;
    for room in 24..500 {
        let (told, bytes) = write(room, 0, &statuses).unwrap();
        assert!(bytes.len() <= room);
        assert!(told >= before, "{room}");
        assert_eq!(read(&bytes).1, statuses[..usize::from(told)], "{room}");
        before = told;
    }
    assert_eq!(before, 200);
}

#[test]
fn a_gap_in_time_ends_the_message() {
    for (gap, told) in [(32_767, 2), (32_768, 1), (-32_768, 2), (-32_769, 1)] {
        let statuses = [Some(START), Some(START.wrapping_add_signed(gap))];
        assert_eq!(write(100, 0, &statuses).unwrap().0, told, "{gap}");
    }
}

#[test]
fn chromium_feedback_is_rewritten_byte_by_byte() {
    let mut count = 0;
    for compound in samples::packets(samples::RTCP) {
        let Some(Ok(Packet::TransportFeedback(feedback))) = packets(&compound).next() else { continue };
        let mut out = [0; 1200];
        let mut writer = Writer::new(&mut out);
        let arrivals = feedback.packets().map(|packet| packet.arrival_ticks);
        let (sender, media, number) = (feedback.sender, feedback.media, feedback.feedback_count);
        let told = writer.transport_feedback(sender, media, number, feedback.base, arrivals).unwrap();
        assert_eq!(told, feedback.packet_count);
        assert_eq!(writer.written(), compound);
        count += 1;
    }
    assert!(count >= 40);
}

/// A recorder with its clock.
struct Receiver {
    origin: Instant,
    recorder: TransportFeedbackBuilder,
}

impl Receiver {
    fn new() -> Self {
        let origin = Instant::now();
        Self { origin, recorder: TransportFeedbackBuilder::new(Ssrc(1), origin) }
    }

    fn record(&mut self, sequence: u16, ms: u64) {
        self.recorder.record(sequence, self.origin + Duration::from_millis(ms));
    }

    /// The messages that are due, each with its number.
    fn messages(&mut self, room: usize) -> Vec<(u8, Told)> {
        let mut messages = vec![];
        loop {
            let mut out = vec![0; room];
            let mut writer = Writer::new(&mut out);
            if !self.recorder.build(Ssrc(2), &mut writer).unwrap() {
                assert!(writer.is_empty());
                assert!(!self.recorder.has_pending());
                return messages;
            }
            messages.push((parse(writer.written()).feedback_count, read(writer.written())));
        }
    }
}

fn ms(ms: u32) -> Option<u32> {
    Some(4 * ms)
}

#[test]
fn tells_each_packet_once_and_the_lost_between() {
    let mut receiver = Receiver::new();
    assert!(receiver.messages(1200).is_empty());
    receiver.record(65534, 10);
    receiver.record(65535, 11);
    receiver.record(1, 14);
    assert_eq!(receiver.recorder.pending(), 4);
    assert_eq!(receiver.messages(1200), [(0, (65534, vec![ms(10), ms(11), None, ms(14)]))]);
    assert!(receiver.messages(1200).is_empty());
    receiver.record(4, 20);
    assert_eq!(receiver.messages(1200), [(1, (2, vec![None, None, ms(20)]))]);
}

#[test]
fn a_late_packet_is_told_with_all_after_it() {
    let mut receiver = Receiver::new();
    for (sequence, at) in [(10, 100), (12, 104), (13, 105)] {
        receiver.record(sequence, at);
    }
    receiver.messages(1200);
    receiver.record(11, 130);
    assert_eq!(receiver.messages(1200), [(1, (11, vec![ms(130), ms(104), ms(105)]))]);
    receiver.record(12, 140);
    receiver.record(9, 141);
    let all = vec![ms(141), ms(100), ms(130), ms(104), ms(105)];
    assert_eq!(
        receiver.messages(1200),
        [(2, (9, all))],
        "a duplicate changes nothing, one from before the first counts"
    );
}

#[test]
fn what_was_reported_is_forgotten_after_half_a_second() {
    let mut receiver = Receiver::new();
    for (sequence, at) in [(10, 100), (12, 300), (13, 550)] {
        receiver.record(sequence, at);
    }
    receiver.messages(1200);
    receiver.record(14, 610);
    receiver.record(11, 611);
    let told = vec![ms(611), ms(300), ms(550), ms(610)];
    assert_eq!(receiver.messages(1200), [(1, (11, told))], "10 is forgotten, 11 has a place beside 12");
}

#[test]
fn memory_is_bounded_and_jumps_lose_the_oldest() {
    let mut receiver = Receiver::new();
    receiver.record(0, 0);
    receiver.record(30_000, 1);
    let messages = receiver.messages(1200);
    assert_eq!(messages.len(), 1);
    let (base, statuses) = &messages[0].1;
    assert_eq!(usize::from(30_000 - base) + 1, WINDOW_PACKETS_MAX);
    assert_eq!(statuses.iter().flatten().count(), 1);
    receiver.record(10_000, 2);
    assert!(receiver.messages(1200).is_empty(), "too old to have a place");
}

#[test]
fn small_buffers_make_more_messages() {
    let mut receiver = Receiver::new();
    let expected: Vec<_> = (0..1000u32).map(|i| (i % 7 != 3).then_some(4 * (i + 1))).collect();
    for i in (0..1000).filter(|i| i % 7 != 3) {
        receiver.record(i as u16, i + 1);
    }
    let mut told = vec![];
    for (number, (base, statuses)) in receiver.messages(100) {
        assert_eq!(usize::from(base), told.len());
        assert!(number > 0 || told.is_empty());
        told.extend(statuses);
    }
    assert_eq!(told, expected);
}

#[test]
fn no_room_loses_nothing() {
    let mut receiver = Receiver::new();
    receiver.record(5, 50);
    let mut out = [0; 20];
    assert!(receiver.recorder.build(Ssrc(2), &mut Writer::new(&mut out)).is_err());
    assert_eq!(receiver.messages(1200), [(0, (5, vec![ms(50)]))]);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_written_is_read(
        base: u16,
        start: u32,
        steps in prop::collection::vec(prop_oneof![
            3 => Just(None),
            6 => (0i32..=255).prop_map(Some),
            2 => (-32768i32..=32767).prop_map(Some),
            1 => any::<i32>().prop_map(Some),
        ], 1..400),
        room in 24usize..1200,
    ) {
        let mut ticks = start;
        let statuses: Vec<_> = steps
            .into_iter()
            .map(|step| step.map(|step| { ticks = ticks.wrapping_add_signed(step); ticks }))
            .collect();
        let (told, bytes) = write(room, base, &statuses).unwrap();
        if statuses.iter().flatten().next().is_none() {
            prop_assert_eq!(told, 0);
        } else {
            prop_assert!(bytes.len() <= room);
            prop_assert_eq!(read(&bytes), (base, statuses[..usize::from(told)].to_vec()));
        }
    }

    #[test]
    fn the_recorder_tells_what_a_model_knows(
        first: u16,
        packets in prop::collection::vec((-40i64..60, 0u64..30, any::<bool>()), 1..300),
    ) {
        let mut receiver = Receiver::new();
        let mut model = std::collections::BTreeMap::<i64, u32>::new();
        let mut told = std::collections::BTreeMap::<i64, u32>::new();
        let start = i64::from(first) + (1 << 16);
        let (mut highest, mut now) = (start, 1);
        let near = |sequence: u16, highest: i64| highest + i64::from(sequence.wrapping_sub(highest as u16) as i16);
        for (index, (step, pause, report)) in packets.into_iter().enumerate() {
            now += pause;
            let sequence = if index == 0 { start } else { highest + step };
            receiver.record(sequence as u16, now);
            highest = highest.max(sequence);
            model.entry(sequence).or_insert(4 * now as u32);
            if report {
                for (_, (base, statuses)) in receiver.messages(200) {
                    let base = near(base, highest);
                    for (sequence, ticks) in (base..).zip(statuses) {
                        if let Some(ticks) = ticks {
                            told.insert(sequence, ticks);
                        }
                    }
                }
                // What is told is right; what is not told came after it was forgotten: a copy of an old packet.
                for (sequence, ticks) in &told {
                    prop_assert!(model.contains_key(sequence));
                    prop_assert!(model[sequence] <= *ticks);
                }
                prop_assert!(told.contains_key(&highest));
            }
        }
    }
}
