//! Writing headers: forms, offsets, limits, and that reading gives back what was written.

use proptest::prelude::*;
use tutti_rtp::{
    AbsCaptureTime, AbsSendTime, AudioLevel, Error, Extension, ExtensionMap, HeaderExtensions, NtpTime, PlayoutDelay,
    RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc, VideoOrientation, fill_padding,
};

use crate::cases;
use crate::samples::hex;

const HEADER: RtpHeader = RtpHeader {
    marker: true,
    payload_type: 96,
    sequence: SequenceNumber(0x1234),
    timestamp: RtpTimestamp(0xa1b2_c3d4),
    ssrc: Ssrc(0xcafe_babe),
    padding: false,
};

fn ids(pairs: &[(Extension, u8)]) -> ExtensionMap {
    let mut ids = ExtensionMap::default();
    for (extension, id) in pairs {
        ids.set(*extension, *id);
    }
    ids
}

fn written(ids: &ExtensionMap, extensions: &HeaderExtensions<'_>) -> Vec<u8> {
    let mut out = [0xee; 600];
    let written = HEADER.write(ids, extensions, &mut out).unwrap();
    assert!(out[written.len..].iter().all(|byte| *byte == 0xee), "wrote behind the header");
    out[..written.len].to_vec()
}

#[test]
fn without_extensions_there_is_no_block() {
    let bare = hex("80 e0 1234 a1b2c3d4 cafebabe");
    assert_eq!(written(&ExtensionMap::default(), &HeaderExtensions::default()), bare);
    let unmapped = HeaderExtensions { mid: Some("0"), transport_cc: Some(1), ..Default::default() };
    assert_eq!(written(&ExtensionMap::default(), &unmapped), bare);
    assert_eq!(written(&ids(&[(Extension::Rid, 3)]), &unmapped), bare);
}

#[test]
fn takes_the_shorter_form_that_fits() {
    let mid = |text| HeaderExtensions { mid: Some(text), ..Default::default() };
    let block = |text: &str| hex(&format!("90 e0 1234 a1b2c3d4 cafebabe {text}"));
    let sixteen = "6162636465666768696a6b6c6d6e6f70";
    for (name, id, text, expected) in [
        ("one byte", 1, "a", "bede0001 10610000".to_owned()),
        ("largest id", 14, "ab", "bede0001 e1616200".to_owned()),
        ("longest", 2, "abcdefghijklmnop", format!("bede0005 2f{sixteen}000000")),
        ("id 15", 15, "a", "10000001 0f016100".to_owned()),
        ("17 bytes", 2, "abcdefghijklmnopq", format!("10000005 0211{sixteen}7100")),
        ("empty", 2, "", "10000001 02000000".to_owned()),
    ] {
        assert_eq!(written(&ids(&[(Extension::Mid, id)]), &mid(text)), block(&expected), "{name}");
    }
}

#[test]
fn one_large_id_takes_all_elements_to_the_two_byte_form() {
    let extensions = HeaderExtensions { transport_cc: Some(0x0102), mid: Some("7"), ..Default::default() };
    let map = ids(&[(Extension::TransportCc, 3), (Extension::Mid, 20)]);
    assert_eq!(written(&map, &extensions), hex("90 e0 1234 a1b2c3d4 cafebabe 10000002 03020102 14013700"),);
}

#[test]
fn fields_of_the_moment_can_be_set_afterwards() {
    let map = ids(&[(Extension::TransportCc, 3), (Extension::AbsSendTime, 2), (Extension::Mid, 4)]);
    let extensions = HeaderExtensions {
        mid: Some("0"),
        transport_cc: Some(0),
        abs_send_time: Some(AbsSendTime::default()),
        ..Default::default()
    };
    let mut packet = [0; 64];
    let written = HEADER.write(&map, &extensions, &mut packet).unwrap();
    written.set_transport_cc(&mut packet, 0xabcd);
    written.set_abs_send_time(&mut packet, AbsSendTime::from_units(0x01_0203));
    let read = RtpPacket::parse(&packet[..written.len]).unwrap().read_extensions(&map);
    assert_eq!(read.transport_cc, Some(0xabcd));
    assert_eq!(read.abs_send_time, Some(AbsSendTime::from_units(0x01_0203)));
    assert_eq!(read.mid, Some("0"));

    let bare = HEADER.write(&ExtensionMap::default(), &extensions, &mut packet).unwrap();
    let before = packet;
    bare.set_transport_cc(&mut packet, 1);
    bare.set_abs_send_time(&mut packet, AbsSendTime::default());
    written.set_transport_cc(&mut [0; 4], 1);
    assert_eq!(packet, before, "a header without these fields stays as it is");
}

#[test]
fn never_writes_past_the_end() {
    let map = ids(&[(Extension::TransportCc, 3), (Extension::Mid, 4)]);
    let extensions = HeaderExtensions { mid: Some("01"), transport_cc: Some(0), ..Default::default() };
    let mut out = [0; 32];
    let len = HEADER.write(&map, &extensions, &mut out).unwrap().len;
    assert_eq!(len, 24);
    for room in 0..len {
        let no_room = Err(Error::NoRoom { what: "RTP header" });
        assert_eq!(HEADER.write(&map, &extensions, &mut out[..room]), no_room, "{room} bytes");
    }
}

#[test]
fn an_element_has_at_most_255_bytes() {
    let map = ids(&[(Extension::DependencyDescriptor, 1)]);
    let long = [7; 256];
    let mut out = [0; 600];
    let fits = HeaderExtensions { dependency_descriptor: Some(&long[1..]), ..Default::default() };
    assert_eq!(HEADER.write(&map, &fits, &mut out).unwrap().len, 12 + 4 + 260);
    let too_long = HeaderExtensions { dependency_descriptor: Some(&long), ..Default::default() };
    assert!(matches!(HEADER.write(&map, &too_long, &mut out), Err(Error::Unrepresentable { .. })));
}

#[test]
fn padding_counts_itself() {
    let mut packet = [0xff; 300];
    let len = RtpHeader { padding: true, ..HEADER }
        .write(&ExtensionMap::default(), &HeaderExtensions::default(), &mut packet)
        .unwrap()
        .len;
    for count in [1, 2, 100, 255] {
        fill_padding(&mut packet[len..len + count]);
        let read = RtpPacket::parse(&packet[..len + count]).unwrap();
        assert_eq!(usize::from(read.padding_len()), count);
        assert!(read.is_padding_only());
    }
    fill_padding(&mut []);
    fill_padding(&mut packet[len..]);
    assert_eq!(packet[299], 255);
}

prop_compose! {
    fn any_extensions()(
        mid in prop::option::of("[a-zA-Z0-9]{1,16}"),
        rid in prop::option::of("[a-zA-Z0-9]{1,16}"),
        repaired_rid in prop::option::of("[a-zA-Z0-9]{1,16}"),
        level in prop::option::of(any::<u8>()),
        times in (prop::option::of(any::<u32>()), prop::option::of((any::<u64>(), prop::option::of(any::<i64>())))),
        transport_cc in prop::option::of(any::<u16>()),
        delay in prop::option::of((0u32..50_000, 0u32..50_000)),
        descriptor in prop::option::of(prop::collection::vec(any::<u8>(), 0..80)),
        orientation in prop::option::of(0u8..16),
    ) -> Owned {
        Owned { mid, rid, repaired_rid, level, times, transport_cc, delay, descriptor, orientation }
    }
}

#[derive(Debug, Clone)]
struct Owned {
    mid: Option<String>,
    rid: Option<String>,
    repaired_rid: Option<String>,
    level: Option<u8>,
    times: (Option<u32>, Option<(u64, Option<i64>)>),
    transport_cc: Option<u16>,
    delay: Option<(u32, u32)>,
    descriptor: Option<Vec<u8>>,
    orientation: Option<u8>,
}

impl Owned {
    fn borrow(&self) -> HeaderExtensions<'_> {
        HeaderExtensions {
            mid: self.mid.as_deref(),
            rid: self.rid.as_deref(),
            repaired_rid: self.repaired_rid.as_deref(),
            audio_level: self.level.and_then(|byte| AudioLevel::read(&[byte])),
            abs_send_time: self.times.0.map(AbsSendTime::from_units),
            transport_cc: self.transport_cc,
            abs_capture_time: self
                .times
                .1
                .map(|(time, clock_offset)| AbsCaptureTime { captured_at: NtpTime(time), clock_offset }),
            playout_delay: self.delay.map(|(min, max)| PlayoutDelay::from_ms(min, max)),
            dependency_descriptor: self.descriptor.as_deref(),
            video_orientation: self.orientation.and_then(|byte| VideoOrientation::read(&[byte])),
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_written_is_read(
        extensions in any_extensions(),
        first_id in 1u8..=245,
        marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32,
        payload in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut map = ExtensionMap::default();
        for (extension, id) in Extension::ALL.into_iter().zip(first_id..) {
            map.set(extension, id);
        }
        let header = RtpHeader {
            marker,
            payload_type,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(ssrc),
            padding: false,
        };
        let mut out = [0x55; 600];
        let len = header.write(&map, &extensions.borrow(), &mut out).unwrap().len;
        out[len..len + payload.len()].copy_from_slice(&payload);
        let read = RtpPacket::parse(&out[..len + payload.len()]).unwrap();
        prop_assert_eq!(read.read_extensions(&map), extensions.borrow());
        prop_assert_eq!(read.payload(), &payload[..]);
        prop_assert_eq!((read.marker(), read.payload_type(), read.sequence()), (marker, payload_type, header.sequence));
        prop_assert_eq!((read.timestamp(), read.ssrc()), (header.timestamp, header.ssrc));
    }
}
