//! What a packet is to its frame, for each codec.

use tutti_rtp::payload::{FrameSize, dependency};
use tutti_rtp::{Codec, Descriptor, FrameInfo, RtpPacket, describe};

use crate::samples::{self, hex};

/// The parts of a description that a table can hold: key, start, end, picture end, spatial, temporal, up, discardable.
fn brief(info: &FrameInfo) -> String {
    let mut text = String::new();
    for (set, letter) in [
        (info.key_frame, 'K'),
        (info.start_of_frame, 'S'),
        (info.end_of_frame, 'E'),
        (info.end_of_picture, 'M'),
        (info.switch_up, 'U'),
        (info.discardable, 'D'),
    ] {
        if set {
            text.push(letter);
        }
    }
    format!("{text} {}.{}", info.spatial, info.temporal)
}

#[test]
fn from_the_payload_alone() {
    for (name, codec, payload, marker, expected) in [
        ("Opus", Codec::Opus, "78", false, "KSEM 0.0"),
        ("empty Opus", Codec::Opus, "", false, "KSEM 0.0"),
        ("RED", Codec::Red, "6f78", true, "KSEM 0.0"),
        ("VP8 key frame", Codec::Vp8, "90 80 8001 d01a009d012a80026801", false, "KSU 0.0"),
        ("VP8 key frame, second packet", Codec::Vp8, "80 80 8001 d01a", true, "EM 0.0"),
        ("VP8 second partition", Codec::Vp8, "91 80 8001 d01a", false, " 0.0"),
        ("VP8 delta frame", Codec::Vp8, "90 a0 8001 40 d1", true, "SEM 0.1"),
        ("VP8 layer sync", Codec::Vp8, "90 a0 8001 a0 d1", true, "SEMU 0.2"),
        ("VP8 nobody refers to", Codec::Vp8, "b0 a0 8001 80 d1", true, "SEMD 0.2"),
        ("VP8 descriptor without frame", Codec::Vp8, "10", true, "SEM 0.0"),
        ("VP8 cut descriptor", Codec::Vp8, "90 80", true, "EM 0.0"),
        ("VP9 key frame", Codec::Vp9, "a8 01 00 00 aa", false, "KSU 0.0"),
        ("VP9 second layer of a key picture", Codec::Vp9, "ac 01 03 00 aa", true, "SEM 1.0"),
        ("VP9 delta frame", Codec::Vp9, "ec 01 40 00 aa", true, "SEM 0.2"),
        ("VP9 switching point", Codec::Vp9, "ec 01 54 00 aa", false, "SEU 2.2"),
        ("VP9 empty", Codec::Vp9, "", false, " 0.0"),
        ("H264 IDR", Codec::H264, "65 88", true, "KSEMU 0.0"),
        ("H264 slice nobody refers to", Codec::H264, "01 9a", true, "SEMD 0.0"),
        ("H264 in the middle", Codec::H264, "5c 01 9a", false, " 0.0"),
        ("H265 IDR", Codec::H265, "2601 a0", true, "KSEMU 0.0"),
        ("H265 sub-layer access", Codec::H265, "0402 d0", true, "SEMU 0.1"),
        ("AV1 new sequence", Codec::Av1, "18 08", false, "KSU 0.0"),
        ("AV1 in the middle of an OBU", Codec::Av1, "90 34", true, "EM 0.0"),
        ("AV1 layer in the OBU", Codec::Av1, "10 34 48 aa", true, "SEM 1.2"),
    ] {
        let info = describe(codec, &hex(payload), marker, None);
        assert_eq!(brief(&info), expected, "{name}");
    }
}

#[test]
fn descriptors_and_sizes_come_along() {
    let key = describe(Codec::Vp8, &hex("90 80 8001 d01a009d012a80026801"), false, None);
    assert_eq!(key.size, Some(FrameSize { width: 640, height: 360 }));
    let Descriptor::Vp8(descriptor, 4) = key.descriptor else { panic!("{key:?}") };
    assert_eq!(descriptor.picture_id.map(|id| id.value()), Some(1));

    let key = describe(Codec::Vp9, &hex("8a 01 18 0140 00b4 01 04 01 aa"), false, None);
    assert_eq!(key.size, Some(FrameSize { width: 320, height: 180 }));
    assert!(matches!(key.descriptor, Descriptor::Vp9(_, 10)));
    assert_eq!(describe(Codec::H264, &hex("65 88"), false, None).descriptor, Descriptor::None);
}

/// What the packets of a sample are, with their dependency descriptors or without.
fn sample(codec: Codec, file: &str, with_dependency: bool) -> Vec<String> {
    let mut reader = dependency::Reader::default();
    let describe_one = |bytes: &Vec<u8>| {
        let packet = RtpPacket::parse(bytes).unwrap();
        let data = packet.read_extensions(&samples::ids()).dependency_descriptor.unwrap();
        let dependency = reader.read(data).ok().filter(|_| with_dependency);
        brief(&describe(codec, packet.payload(), packet.marker(), dependency.as_ref()))
    };
    samples::packets(file).iter().map(describe_one).collect()
}

#[test]
fn vp8_layers_are_in_the_dependency_descriptor_only() {
    // libwebrtc leaves the temporal layer out of the VP8 descriptor when it sends the dependency descriptor.
    assert!(sample(Codec::Vp8, samples::VP8, false).iter().all(|info| info.ends_with("0.0")));
    let told = sample(Codec::Vp8, samples::VP8, true);
    assert_eq!(told[..6], ["KSU 0.0", "EMU 0.0", "SEMD 0.2", "SEMU 0.1", "SEMD 0.2", "SU 0.0"]);
}

#[test]
fn vp9_tells_the_same_both_ways() {
    let bounds = |info: &String| info.split(' ').map(|part| part.replace(['U', 'D', 'K'], "")).collect::<Vec<_>>();
    let payload: Vec<_> = sample(Codec::Vp9, samples::VP9, false).iter().map(bounds).collect();
    let dependency: Vec<_> = sample(Codec::Vp9, samples::VP9, true).iter().map(bounds).collect();
    assert_eq!(payload, dependency);
}

#[test]
fn h264_opens_a_frame_once_with_the_dependency_descriptor() {
    let without = sample(Codec::H264, samples::H264, false);
    assert_eq!(without[1], "KSU 0.0", "the IDR behind the parameter sets");
    let with = sample(Codec::H264, samples::H264, true);
    assert_eq!(with[..4], ["KSU 0.0", "U 0.0", "EMU 0.0", "SEMU 0.0"]);
}

#[test]
fn av1_layers() {
    // The upper spatial layer begins with the third frame: until then, the lower one closes the picture.
    let with = sample(Codec::Av1, samples::AV1, true);
    assert_eq!(with[..6], ["KSEMU 0.0", "SEM 0.1", "SEU 0.0", "SEMU 1.0", "SE 0.1", "SEMD 1.1"]);
}
