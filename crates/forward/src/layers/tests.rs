//! Sections, copies on other shards, and signs of life.

use std::time::{Duration, Instant};

use tutti_id::RoomKey;
use tutti_rtp::{Codec, ExtensionMap, MediaKind, NtpTime};

use super::*;
use crate::{Encoding, PayloadFormat};

fn format(codec: Codec, payload_type: u8) -> PayloadFormat {
    PayloadFormat { codec, payload_type, rtx_payload_type: Some(payload_type + 1), profile: 0, nack: true }
}

fn publish(mid: &str, codec: Codec, streams: u8) -> PublishTrack {
    PublishTrack {
        track: TrackKey::new(RoomKey(1), 1),
        kind: MediaKind::Video,
        mid: mid.to_owned(),
        formats: vec![format(codec, 96)],
        extensions: ExtensionMap::default(),
        encodings: (0..streams).map(|spatial| Encoding { rid: None, ssrc: None, rtx_ssrc: None, spatial }).collect(),
        layer_mode: LayerMode::Simulcast,
        transport_cc: false,
        encrypted: false,
    }
}

fn incoming(index: u64, arrival: Instant, format: u8, payload: &[u8]) -> Incoming<'_> {
    Incoming {
        index,
        generation: 0,
        arrival,
        timestamp: RtpTimestamp(index as u32 * 3_000),
        marker: true,
        format: Some(format),
        extensions: SlotExtensions::default(),
        descriptor: &[],
        payload,
    }
}

const KEY: &[u8] = &[0x10, 0x00, 1, 2, 3];
const DELTA: &[u8] = &[0x10, 0x01, 1, 2, 3];

#[test]
fn a_backup_codec_adds_a_section_and_moves_nothing() {
    let mut layers = Layers::new(&publish("1", Codec::Vp9, 1)).unwrap();
    let version = layers.version();
    layers.add_section(&publish("2", Codec::Vp8, 3)).unwrap();
    assert_ne!(layers.version(), version);
    assert_eq!(layers.len(), 4);
    let sections: Vec<u8> = layers.all().map(|layer| layers.section(layer)).collect();
    assert_eq!(sections, [0, 1, 1, 1]);
    let codecs: Vec<Codec> = layers.formats().iter().map(|source| source.format.codec).collect();
    assert_eq!(codecs, [Codec::Vp9, Codec::Vp8]);
    // The same section again: nothing is added but what is new.
    layers.add_section(&publish("2", Codec::Vp8, 3)).unwrap();
    assert_eq!((layers.len(), layers.formats().len()), (4, 2));
    layers.add_section(&publish("1", Codec::Vp9, 2)).unwrap();
    assert_eq!((layers.len(), layers.section(LayerIndex(4)), layers.spatial(LayerIndex(4))), (5, 0, 1));
}

#[test]
fn absurd_sections_are_refused() {
    let mut layers = Layers::new(&publish("1", Codec::Vp8, 3)).unwrap();
    let other = PublishTrack { track: TrackKey::new(RoomKey(1), 2), ..publish("2", Codec::Vp8, 1) };
    let cases = [
        (other, "given to track"),
        (publish("2", Codec::Vp8, 14), "too many streams"),
        (publish("2", Codec::Vp8, 0), "without stream"),
        (PublishTrack { formats: Vec::new(), ..publish("2", Codec::Vp8, 1) }, "without payload type"),
        (PublishTrack { formats: vec![format(Codec::Vp8, 1); 64], ..publish("2", Codec::Vp8, 1) }, "too many payload"),
    ];
    for (section, expected) in cases {
        let error = layers.add_section(&section).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    for mid in ["2", "3", "4"] {
        layers.add_section(&publish(mid, Codec::Vp8, 1)).unwrap();
    }
    assert!(layers.add_section(&publish("5", Codec::Vp8, 1)).is_err());
    assert_eq!(layers.len(), 6);
}

#[test]
fn a_copy_holds_what_the_original_holds() {
    let publish = publish("1", Codec::Vp8, 2);
    let mut home = Layers::new(&publish).unwrap();
    let mut copy = Layers::replica(&publish).unwrap();
    let now = Instant::now();
    for index in 70_000..70_100u64 {
        let layer = LayerIndex((index % 2) as u8);
        assert_eq!(home.store(layer, &incoming(index, now, 0, if index < 70_002 { KEY } else { DELTA })), Stored::New);
        let at = PacketAt { layer, index };
        let (value, bytes) = home.copy_of(now, at).unwrap();
        // What crosses is a value and bytes.
        let bytes = bytes.to_vec();
        assert_eq!(copy.insert_copy(now, &value, &bytes), Some(at));
        assert_eq!(copy.insert_copy(now, &value, &bytes), None, "twice is once");
    }
    let clock = SourceClock { ntp: NtpTime(5 << 32), rtp: RtpTimestamp(9), at: now };
    home.set_clock(LayerIndex(1), clock);
    let state_version = home.state_version();
    copy.apply_state(now, &home.state(now));
    for layer in home.all() {
        assert_eq!(home.generation(layer), copy.generation(layer));
        assert_eq!(home.clock(layer), copy.clock(layer));
        let index = home.newest(layer).unwrap();
        let (one, other) =
            (home.slot(PacketAt { layer, index }).unwrap(), copy.slot(PacketAt { layer, index }).unwrap());
        assert_eq!((one.frame, one.timestamp, one.arrival), (other.frame, other.timestamp, other.arrival));
        assert_eq!(home.payload(layer, one), copy.payload(layer, other));
    }
    assert_eq!((home.live(), copy.live()), (LayerMask(0b11), LayerMask(0b11)));
    assert_eq!(copy.clock(LayerIndex(1)), Some(clock));
    assert_eq!(home.state_version(), state_version, "reading changes nothing");
    // Only the home shard judges who lives.
    let late = now + Duration::from_secs(5);
    for index in 70_100..70_120 {
        copy.store(LayerIndex(0), &incoming(index, late, 0, DELTA));
    }
    assert_eq!(copy.live(), LayerMask(0b11));
}

#[test]
fn a_stream_has_ended_when_others_go_on_without_it() {
    let mut layers = Layers::new(&publish("1", Codec::Vp8, 3)).unwrap();
    let began = Instant::now();
    let mut index = 0;
    let mut feed = |layers: &mut Layers, at_ms: u64, streams: &[u8]| {
        for &stream in streams {
            index += 1;
            layers.store(LayerIndex(stream), &incoming(index, began + Duration::from_millis(at_ms), 0, DELTA));
        }
    };
    feed(&mut layers, 0, &[0, 1, 2]);
    assert_eq!(layers.live(), LayerMask(0b111));
    feed(&mut layers, 10_000, &[0]);
    assert_eq!(layers.live(), LayerMask(0b111), "the others may be on their way");
    feed(&mut layers, 10_050, &[1, 2]);
    for at_ms in [10_100, 10_200, 10_300, 10_400, 10_500] {
        feed(&mut layers, at_ms, &[0, 1]);
        assert_eq!(layers.live(), LayerMask(0b111));
    }
    feed(&mut layers, 10_600, &[0, 1]);
    assert_eq!(layers.live(), LayerMask(0b011));
    feed(&mut layers, 10_700, &[2]);
    assert_eq!(layers.live(), LayerMask(0b111), "one packet is enough");
    layers.end(LayerIndex(2));
    assert_eq!(layers.live(), LayerMask(0b011));
}

#[test]
fn access_units_open_once() {
    let mut layers = Layers::new(&publish("1", Codec::H264, 1)).unwrap();
    let now = Instant::now();
    let (parameters, idr, slice) = ([0x67, 1, 2], [0x65, 0x88, 1], [0x41, 0x9A, 1]);
    let (delimiter, sei, padding) = ([0x09, 0x30], [0x06, 0x05, 1], []);
    // (index, timestamp, payload, packets before it with which the key frame opens that it shows)
    let cases: [(u64, u32, &[u8], Option<u8>); 32] = [
        (100, 1, &parameters, Some(0)),
        (101, 1, &idr, None),
        (102, 2, &slice, None),
        (103, 3, &idr, Some(0)),
        // The packet before is missing; it may have held the parameter sets.
        (105, 4, &idr, None),
        (107, 5, &parameters, Some(0)),
        (108, 5, &idr, None),
        // What comes before parameter sets and slices belongs to the access unit.
        (109, 6, &delimiter, None),
        (110, 6, &parameters, Some(1)),
        (111, 6, &sei, None),
        (112, 6, &idr, None),
        (113, 6, &idr, None),
        (114, 7, &delimiter, None),
        (115, 7, &sei, None),
        (116, 7, &idr, Some(2)),
        (117, 8, &delimiter, None),
        (118, 8, &slice, None),
        // Probes stand anywhere.
        (119, 8, &padding, None),
        (120, 9, &delimiter, None),
        (121, 8, &padding, None),
        (122, 9, &parameters, Some(2)),
        // The delimiter is missing, the parameter sets are not.
        (124, 10, &sei, None),
        (125, 10, &parameters, Some(1)),
        (126, 10, &idr, None),
        (123, 10, &delimiter, None),
        // What is missing comes late: then it is known.
        (127, 11, &delimiter, None),
        (129, 11, &idr, None),
        (130, 12, &slice, None),
        (128, 11, &sei, Some(1)),
        (132, 13, &idr, None),
        (131, 13, &parameters, Some(0)),
        (133, 13, &idr, None),
    ];
    for (index, timestamp, payload, lead) in cases {
        let packet = Incoming { timestamp: RtpTimestamp(timestamp), ..incoming(index, now, 0, payload) };
        layers.store(LayerIndex(0), &packet);
        let slot = layers.slot(PacketAt { layer: LayerIndex(0), index }).unwrap();
        assert_eq!(slot.frame.key.then_some(slot.frame.lead), lead, "{index}");
    }
    let newest = layers.generation(LayerIndex(0)).key_frame.unwrap();
    assert_eq!((newest.first, newest.shown), (131, 131));
}
