//! Typed header extensions: what each says, in tables.

use tutti_rtp::{
    AbsCaptureTime, AbsSendTime, AudioLevel, Extension, ExtensionMap, NtpTime, PlayoutDelay, RtpPacket,
    VideoOrientation, identifier, read_transport_cc,
};

use crate::samples;

#[test]
fn audio_level() {
    assert_eq!(AudioLevel::read(&[0xff]), Some(AudioLevel { voice: true, dbov: 127 }));
    assert_eq!(AudioLevel::read(&[0x1e]), Some(AudioLevel { voice: false, dbov: 30 }));
    assert_eq!(AudioLevel::read(&[]), None);
    assert_eq!(AudioLevel::read(&[1, 2]), None);
    for byte in 0..=255 {
        assert_eq!(AudioLevel::read(&[byte]).unwrap().to_bytes(), [byte]);
    }
}

#[test]
fn abs_send_time() {
    // 1.5 s into the 64 s: seconds in the upper 6 bits, fraction in the lower 18.
    let time = AbsSendTime::from_ntp(NtpTime((64 * 7 + 1) << 32 | 1 << 31));
    assert_eq!(time.units(), 1 << 18 | 1 << 17);
    assert_eq!(time.to_bytes(), [0x06, 0x00, 0x00]);
    assert_eq!(AbsSendTime::read(&[0x06, 0, 0]), Some(time));
    assert_eq!(AbsSendTime::read(&[0x06, 0]), None);
    assert_eq!(AbsSendTime::from_units(u32::MAX).to_bytes(), [0xff; 3]);
}

#[test]
fn transport_cc() {
    assert_eq!(read_transport_cc(&[0x12, 0x34]), Some(0x1234));
    assert_eq!(read_transport_cc(&[0x12, 0x34, 0x80, 0x01]), Some(0x1234), "version 2");
    assert_eq!(read_transport_cc(&[0x12]), None);
    assert_eq!(read_transport_cc(&[0x12, 0x34, 0x56]), None);
}

#[test]
fn playout_delay() {
    let delay = PlayoutDelay::from_ms(1230, 40_950);
    assert_eq!(delay.to_bytes(), [0x07, 0xbf, 0xff]);
    assert_eq!(PlayoutDelay::read(&[0x07, 0xbf, 0xff]), Some(delay));
    assert_eq!((delay.min_ms(), delay.max_ms()), (1230, 40_950));
    let cut = PlayoutDelay::from_ms(19, u32::MAX);
    assert_eq!((cut.min_ms(), cut.max_ms()), (10, PlayoutDelay::MS_MAX));
    assert_eq!(PlayoutDelay::read(&[0, 0]), None);
}

#[test]
fn abs_capture_time() {
    let long: Vec<u8> = (1..=16).collect();
    let time = AbsCaptureTime::read(&long).unwrap();
    assert_eq!(time.captured_at, NtpTime(0x0102_0304_0506_0708));
    assert_eq!(time.clock_offset, Some(0x090a_0b0c_0d0e_0f10));
    assert_eq!(AbsCaptureTime::read(&long[..8]).unwrap().clock_offset, None);
    for len in (0..16).filter(|len| *len != 8) {
        assert_eq!(AbsCaptureTime::read(&long[..len]), None, "{len} bytes");
    }
    let (bytes, len) = time.to_bytes();
    assert_eq!(bytes[..len], long);
}

#[test]
fn video_orientation() {
    let turned = VideoOrientation { back_camera: true, flip: false, quarter_turns: 3 };
    assert_eq!(VideoOrientation::read(&[0x0b]), Some(turned));
    assert_eq!(turned.to_bytes(), [0x0b]);
    assert_eq!(VideoOrientation::read(&[]), None);
}

#[test]
fn identifiers_are_visible_ascii() {
    assert_eq!(identifier(b"q"), Some("q"));
    assert_eq!(identifier(b"0123456789abcdef"), Some("0123456789abcdef"));
    for wrong in [&b""[..], b"0123456789abcdefg", b"a b", b"a\0", "ä".as_bytes(), &[0xff]] {
        assert_eq!(identifier(wrong), None, "{wrong:?}");
    }
}

#[test]
fn the_map_answers_both_ways() {
    let mut ids = ExtensionMap::default();
    for (extension, id) in Extension::ALL.into_iter().zip(1..) {
        ids.set(extension, id);
    }
    for (extension, id) in Extension::ALL.into_iter().zip(1..) {
        assert_eq!(ids.id(extension), Some(id));
        assert_eq!(ids.extension(id), Some(extension));
        assert_eq!(Extension::from_uri(extension.uri()), Some(extension));
    }
    ids.set(Extension::Mid, 0);
    assert_eq!((ids.id(Extension::Mid), ids.extension(0)), (None, None));
}

#[test]
fn chromium_sends_what_was_negotiated() {
    let packets = samples::packets(samples::AV1);
    let first = RtpPacket::parse(&packets[0]).unwrap().read_extensions(&samples::ids());
    assert_eq!(first.mid, Some("3"));
    assert_eq!(first.transport_cc, Some(7));
    assert_eq!(first.abs_send_time, AbsSendTime::read(&[0x41, 0x02, 0x4e]));
    assert_eq!(first.video_orientation, Some(VideoOrientation::default()));
    assert_eq!(first.dependency_descriptor.map(<[u8]>::len), Some(33));
    assert_eq!((first.rid, first.audio_level, first.playout_delay), (None, None, None));

    let audio = samples::packets(samples::RED);
    let first = RtpPacket::parse(&audio[0]).unwrap().read_extensions(&samples::ids());
    assert_eq!(first.audio_level, Some(AudioLevel { voice: true, dbov: 127 }));
}
