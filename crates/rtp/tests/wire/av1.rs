//! AV1 payloads: aggregation header, elements, OBU headers, sequence headers.

use tutti_rtp::payload::FrameSize;
use tutti_rtp::payload::av1::{AggregationHeader, ObuHeader, elements, sequence_size};
use tutti_rtp::{Error, RtpPacket};

use crate::bits::BitWriter;
use crate::samples::{self, hex};

#[test]
fn aggregation_header() {
    let none = AggregationHeader { continues: false, continued: false, element_count: None, new_sequence: false };
    for (byte, header) in [
        (0x00, none),
        (0x80, AggregationHeader { continues: true, ..none }),
        (0x40, AggregationHeader { continued: true, ..none }),
        (0x30, AggregationHeader { element_count: Some(3), ..none }),
        (0x18, AggregationHeader { element_count: Some(1), new_sequence: true, ..none }),
    ] {
        assert_eq!(AggregationHeader::parse(&[byte]), Ok(header), "{byte:#x}");
    }
    assert_eq!(AggregationHeader::parse(&[]), Err(Error::Truncated { what: "AV1 payload" }));
    assert!(matches!(AggregationHeader::parse(&[0x88]), Err(Error::Malformed { .. })));
}

#[test]
fn elements_with_and_without_length() {
    let cases: [(&str, &str, &[&[u8]]); 7] = [
        ("all with length", "00 01aa 02bbcc", &[&[0xaa], &[0xbb, 0xcc]]),
        ("one", "10 aabb", &[&[0xaa, 0xbb]]),
        ("last of two without", "20 01aa bbcc", &[&[0xaa], &[0xbb, 0xcc]]),
        ("length in two bytes", "00 8100aa", &[&[0xaa]]),
        ("past the end", "00 01aa 03bb", &[&[0xaa]]),
        ("endless length", "00 ffffffffffffffffff", &[]),
        ("empty", "00", &[]),
    ];
    for (name, text, expected) in cases {
        let payload = hex(text);
        assert_eq!(elements(&payload).collect::<Vec<_>>(), expected, "{name}");
    }
    assert_eq!(elements(&[]).count(), 0);
}

#[test]
fn obu_headers() {
    let header = |obu_type, temporal, spatial| ObuHeader { obu_type, temporal, spatial };
    for (text, expected) in [
        ("08 aa", (header(1, 0, 0), &[0xaa][..])),
        ("34 48 aa", (header(6, 2, 1), &[0xaa][..])),
        ("0a 01 aa", (header(1, 0, 0), &[0xaa][..])),
        ("36 20 01 aa", (header(6, 1, 0), &[0xaa][..])),
    ] {
        assert_eq!(ObuHeader::parse(&hex(text)), Some(expected), "{text}");
    }
    for text in ["", "04", "02", "0a ff"] {
        assert_eq!(ObuHeader::parse(&hex(text)), None, "{text}");
    }
}

#[test]
fn the_sequence_header_tells_the_size() {
    // With timing information, decoder model and two operating points: every optional part before the size.
    let long = |write_ticks: &dyn Fn(&mut BitWriter)| {
        let mut bits = BitWriter::default();
        bits.put(0, 4).put(0, 1).put(1, 1).put(1, 32).put(30, 32).put(1, 1);
        write_ticks(&mut bits);
        bits.put(1, 1).put(9, 5).put(1, 32).put(0, 10);
        bits.put(1, 1).put(1, 5);
        for _ in 0..2 {
            bits.put(0, 12).put(8, 5).put(1, 1).put(1, 1).put(5, 10).put(6, 10).put(0, 1).put(1, 1).put(3, 4);
        }
        bits.put(11, 4).put(10, 4).put(3839, 12).put(1599, 11);
        bits
    };
    let some_ticks = long(&|bits| _ = bits.put(0b00101, 5));
    let most_ticks = long(&|bits| _ = bits.put(0, 32).put(1, 1));
    // The short form of a still picture.
    let mut still = BitWriter::default();
    still.put(0b0001, 4).put(1, 1).put(4, 5).put(9, 4).put(8, 4).put(639, 10).put(359, 9);
    for (bits, size) in [
        (&some_ticks, FrameSize { width: 3840, height: 1600 }),
        (&most_ticks, FrameSize { width: 3840, height: 1600 }),
        (&still, FrameSize { width: 640, height: 360 }),
    ] {
        let body = bits.bytes();
        let payload = [&[0x18, 0x08], &body[..]].concat();
        assert_eq!(sequence_size(&payload), Some(size));
        for len in 0..payload.len() {
            assert_eq!(sequence_size(&payload[..len]), None, "{len} bytes");
        }
        let continued = [&[0x90, 0x08], &body[..]].concat();
        assert_eq!(sequence_size(&continued), None, "the rest of an OBU is no header");
    }
}

#[test]
fn chromium_begins_with_a_sequence_header() {
    let packets = samples::packets(samples::AV1);
    let headers =
        packets.iter().map(|bytes| AggregationHeader::parse(RtpPacket::parse(bytes).unwrap().payload()).unwrap());
    let new: Vec<_> = headers.map(|header| header.new_sequence).collect();
    assert!(new[0]);
    assert!(new[1..].iter().all(|new| !new));
    let first = RtpPacket::parse(&packets[0]).unwrap();
    assert_eq!(sequence_size(first.payload()), Some(FrameSize { width: 640, height: 360 }));
}
