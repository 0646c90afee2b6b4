//! RTP packets in place: bounds, padding, CSRCs, extension elements; the demultiplexer; RTX.

use tutti_rtp::{Element, Error, PacketKind, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc, rtx};

use crate::samples::{self, hex};

#[test]
fn reads_the_fixed_header() {
    let bytes = hex("80 e0 1234 a1b2c3d4 cafebabe 0102");
    let packet = RtpPacket::parse(&bytes).unwrap();
    assert!(packet.marker());
    assert_eq!(packet.payload_type(), 96);
    assert_eq!(packet.sequence(), SequenceNumber(0x1234));
    assert_eq!(packet.timestamp(), RtpTimestamp(0xa1b2_c3d4));
    assert_eq!(packet.ssrc(), Ssrc(0xcafe_babe));
    assert_eq!(packet.header_len(), 12);
    assert_eq!(packet.payload(), [1, 2]);
    assert_eq!(packet.padding_len(), 0);
    assert_eq!(packet.elements().count(), 0);
}

#[test]
fn skips_contributing_sources_and_the_extension_block() {
    let bytes = hex("92 60 0001 00000002 00000003 00000004 00000005 bede0001 10ff0000 aabb");
    let packet = RtpPacket::parse(&bytes).unwrap();
    assert_eq!(packet.csrcs().collect::<Vec<_>>(), [Ssrc(4), Ssrc(5)]);
    assert_eq!(packet.header_len(), 28);
    assert_eq!(packet.extension(1), Some(&[0xff][..]));
    assert_eq!(packet.payload(), [0xaa, 0xbb]);
}

#[test]
fn padding_is_not_payload() {
    for (text, payload, padding, only) in [
        ("a0 60 0001 00000002 00000003 aabb 000003", &[0xaa, 0xbb][..], 3, false),
        ("a0 60 0001 00000002 00000003 01", &[], 1, true),
        ("a0 60 0001 00000002 00000003 00000004", &[], 4, true),
        ("80 60 0001 00000002 00000003", &[], 0, false),
    ] {
        let bytes = hex(text);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!((packet.payload(), packet.padding_len(), packet.is_padding_only()), (payload, padding, only));
    }
}

#[test]
fn refuses_what_is_not_rtp() {
    let short = Error::Truncated { what: "RTP packet" };
    let version = Error::Malformed { what: "RTP packet", reason: "version is not 2" };
    let padding = Error::Malformed { what: "RTP packet", reason: "padding count" };
    for (text, error) in [
        ("", short),
        ("80 60 0001 00000002 000000", short),
        ("40 60 0001 00000002 00000003", version),
        ("c0 60 0001 00000002 00000003", version),
        ("81 60 0001 00000002 00000003", short),
        ("90 60 0001 00000002 00000003 bede00", short),
        ("90 60 0001 00000002 00000003 bede0001", short),
        ("90 60 0001 00000002 00000003 bedeffff 00000000", short),
        ("a0 60 0001 00000002 00000003", padding),
        ("a0 60 0001 00000002 00000003 00", padding),
        ("a0 60 0001 00000002 00000003 aa05", padding),
        ("b0 60 0001 00000002 00000003 bede0001 10ff0004", padding),
    ] {
        assert_eq!(RtpPacket::parse(&hex(text)).unwrap_err(), error, "{text}");
    }
}

#[test]
fn walks_elements_of_both_forms() {
    let element = |id, data| Element { id, data };
    let cases: [(&str, &str, &[Element<'_>]); 9] = [
        ("one byte", "bede0002 10aa 21bbcc 000000", &[element(1, &[0xaa]), element(2, &[0xbb, 0xcc])]),
        ("one byte, padding between", "bede0002 10aa 0000 30bb 0000", &[element(1, &[0xaa]), element(3, &[0xbb])]),
        ("one byte, id 15 ends", "bede0002 10aa f0bb 30cc 0000", &[element(1, &[0xaa])]),
        ("one byte, id 0 with a length ends", "bede0002 10aa 01bb 30cc 0000", &[element(1, &[0xaa])]),
        ("one byte, past the end", "bede0001 10aa 2fbb", &[element(1, &[0xaa])]),
        ("two bytes", "10000002 0102aabb ff00 0000", &[element(1, &[0xaa, 0xbb]), element(255, &[])]),
        ("two bytes, application bits", "100f0001 0f01aa00", &[element(15, &[0xaa])]),
        ("two bytes, past the end", "10000001 0101aa03", &[element(1, &[0xaa])]),
        ("another profile", "abcd0001 10aa0000", &[]),
    ];
    for (name, block, elements) in cases {
        let bytes = hex(&format!("90 60 0001 00000002 00000003 {block} 77"));
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert_eq!(packet.elements().collect::<Vec<_>>(), elements, "{name}");
        assert_eq!(packet.payload(), [0x77], "{name}");
    }
}

#[test]
fn tells_protocols_apart_by_the_first_bytes() {
    for (bytes, kind) in [
        (&[][..], PacketKind::Other),
        (&[0, 1], PacketKind::Stun),
        (&[3, 0], PacketKind::Stun),
        (&[4, 0], PacketKind::Other),
        (&[19, 0], PacketKind::Other),
        (&[20, 254], PacketKind::Dtls),
        (&[22, 254], PacketKind::Dtls),
        (&[63, 254], PacketKind::Dtls),
        (&[64, 0], PacketKind::TurnChannel),
        (&[79, 0], PacketKind::TurnChannel),
        (&[80, 0], PacketKind::Other),
        (&[127, 0], PacketKind::Other),
        (&[128], PacketKind::Other),
        (&[128, 96], PacketKind::Rtp),
        (&[128, 96 | 0x80], PacketKind::Rtp),
        (&[128, 191], PacketKind::Rtp),
        (&[128, 192], PacketKind::Rtcp),
        (&[129, 201], PacketKind::Rtcp),
        (&[191, 223], PacketKind::Rtcp),
        (&[191, 224], PacketKind::Rtp),
        (&[192, 96], PacketKind::Other),
    ] {
        assert_eq!(PacketKind::of(bytes), kind, "{bytes:?}");
    }
}

#[test]
fn retransmissions_begin_with_the_original_number() {
    let mut payload = hex("1234 aabb");
    assert_eq!(rtx::original(&payload), Some((SequenceNumber(0x1234), &[0xaa, 0xbb][..])));
    assert_eq!(rtx::write_original(&mut payload, SequenceNumber(7)), Some(2));
    assert_eq!(rtx::original(&payload), Some((SequenceNumber(7), &[0xaa, 0xbb][..])));
    assert_eq!(rtx::original(&[1]), None);
    assert_eq!(rtx::write_original(&mut [0], SequenceNumber(7)), None);
}

#[test]
fn chromium_probes_with_padding_and_retransmits_on_the_same_stream() {
    let packets = samples::packets(samples::RTX);
    let parsed: Vec<_> = packets.iter().map(|bytes| RtpPacket::parse(bytes).unwrap()).collect();
    assert_eq!(parsed.iter().map(RtpPacket::is_padding_only).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(parsed[0].padding_len(), 255);
    assert_eq!(rtx::original(parsed[0].payload()), None);
    let repaired = samples::packets(samples::VP8);
    let (original, payload) = rtx::original(parsed[2].payload()).unwrap();
    let first = repaired.iter().map(|bytes| RtpPacket::parse(bytes).unwrap());
    let packet = first.into_iter().find(|packet| packet.sequence() == original).unwrap();
    assert!(packet.payload().starts_with(payload));
}
