//! VP8 descriptors: every combination of parts, rewriting in place, key frames.

use proptest::prelude::*;
use tutti_rtp::payload::vp8::{
    DESCRIPTOR_LEN_MAX, Descriptor, Rewrite, TemporalLayer, is_key_frame, key_frame_size, rewrite_in_place,
};
use tutti_rtp::payload::{FrameSize, PictureId};
use tutti_rtp::{Error, RtpPacket};

use crate::cases;
use crate::samples::{self, hex};

#[test]
fn reads_every_part() {
    let bare = Descriptor { partition_start: true, ..Descriptor::default() };
    let full = Descriptor {
        picture_id: Some(PictureId::Long(0x1234)),
        tl0_pic_idx: Some(0x56),
        temporal: Some(TemporalLayer { id: 2, layer_sync: true }),
        key_index: Some(0x11),
        ..bare
    };
    for (text, descriptor) in [
        ("10", bare),
        ("20", Descriptor { non_reference: true, partition_start: false, ..bare }),
        ("17", Descriptor { partition: 7, ..bare }),
        ("90 80 7f", Descriptor { picture_id: Some(PictureId::Short(0x7f)), ..bare }),
        ("90 80 8001", Descriptor { picture_id: Some(PictureId::Long(1)), ..bare }),
        ("90 40 05", Descriptor { tl0_pic_idx: Some(5), ..bare }),
        ("90 20 40", Descriptor { temporal: Some(TemporalLayer { id: 1, layer_sync: false }), ..bare }),
        ("90 10 1f", Descriptor { key_index: Some(31), ..bare }),
        ("90 f0 9234 56 b1", full),
    ] {
        let bytes = hex(text);
        assert_eq!(Descriptor::parse(&bytes), Ok((descriptor, bytes.len())), "{text}");
        let mut out = [0xee; DESCRIPTOR_LEN_MAX];
        assert_eq!(descriptor.write(&mut out), Ok(bytes.len()), "{text}");
        assert_eq!(out[..bytes.len()], bytes, "{text}");
        for len in 0..bytes.len() {
            assert_eq!(Descriptor::parse(&bytes[..len]), Err(Error::Truncated { what: "VP8 payload descriptor" }));
            assert_eq!(descriptor.write(&mut out[..len]), Err(Error::NoRoom { what: "VP8 payload descriptor" }));
        }
    }
}

#[test]
fn rewriting_in_place_keeps_the_form() {
    let numbers = Rewrite { picture_id: 0x7abc, tl0_pic_idx: 0x99, key_index: 0x3f };
    for (before, after) in [
        ("10 aabb", "10 aabb"),
        ("90 00 aabb", "90 00 aabb"),
        ("90 80 01 aabb", "90 80 3c aabb"),
        ("90 80 8001 aabb", "90 80 fabc aabb"),
        ("90 40 01 aabb", "90 40 99 aabb"),
        ("90 20 60 aabb", "90 20 60 aabb"),
        ("90 f0 9234 56 b1 aabb", "90 f0 fabc 99 bf aabb"),
    ] {
        let mut payload = hex(before);
        let len = rewrite_in_place(&mut payload, &numbers).unwrap();
        assert_eq!(payload, hex(after), "{before}");
        assert_eq!(payload[len..], [0xaa, 0xbb], "{before}");
    }
    assert!(rewrite_in_place(&mut [0x90], &numbers).is_err());
}

#[test]
fn the_frame_header_tells_key_frames_and_their_size() {
    let key = hex("d0 1a00 9d012a 8002 6801 3951");
    assert!(is_key_frame(&key));
    assert_eq!(key_frame_size(&key), Some(FrameSize { width: 640, height: 360 }));
    let scaled = hex("d0 1a00 9d012a 8042 6881");
    assert_eq!(key_frame_size(&scaled), Some(FrameSize { width: 640, height: 360 }), "scaling bits are not size");
    assert_eq!(key_frame_size(&key[..9]), None);
    let delta = hex("d1 1a00 9d012a 8002 6801");
    assert!(!is_key_frame(&delta));
    assert_eq!(key_frame_size(&delta), None);
    assert_eq!(key_frame_size(&hex("d0 1a00 9d012b 8002 6801")), None, "wrong start code");
    assert!(!is_key_frame(&[]));
}

#[test]
fn chromium_begins_with_a_key_frame() {
    let packets = samples::packets(samples::VP8);
    let payload = RtpPacket::parse(&packets[0]).unwrap().payload();
    let (descriptor, len) = Descriptor::parse(payload).unwrap();
    assert!(descriptor.starts_frame());
    assert_eq!(key_frame_size(&payload[len..]), Some(FrameSize { width: 640, height: 360 }));
}

prop_compose! {
    fn any_descriptor()(
        flags in (any::<bool>(), any::<bool>(), 0u8..8),
        picture_id in prop::option::of(prop_oneof![
            (0u8..128).prop_map(PictureId::Short),
            (0u16..32768).prop_map(PictureId::Long),
        ]),
        tl0_pic_idx in prop::option::of(any::<u8>()),
        temporal in prop::option::of((0u8..4, any::<bool>())),
        key_index in prop::option::of(0u8..32),
    ) -> Descriptor {
        Descriptor {
            non_reference: flags.0,
            partition_start: flags.1,
            partition: flags.2,
            picture_id,
            tl0_pic_idx,
            temporal: temporal.map(|(id, layer_sync)| TemporalLayer { id, layer_sync }),
            key_index,
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_written_is_read(descriptor in any_descriptor()) {
        let mut out = [0; DESCRIPTOR_LEN_MAX];
        let len = descriptor.write(&mut out).unwrap();
        prop_assert_eq!(len, descriptor.len());
        prop_assert_eq!(Descriptor::parse(&out), Ok((descriptor, len)));
    }

    #[test]
    fn rewriting_changes_the_numbers_alone(
        descriptor in any_descriptor(), picture_id in 0u16..32768, tl0_pic_idx: u8, key_index in 0u8..32,
    ) {
        let mut payload = [0x77; DESCRIPTOR_LEN_MAX + 4];
        let len = descriptor.write(&mut payload).unwrap();
        rewrite_in_place(&mut payload, &Rewrite { picture_id, tl0_pic_idx, key_index }).unwrap();
        let expected = Descriptor {
            picture_id: descriptor.picture_id.map(|id| id.with_value(picture_id)),
            tl0_pic_idx: descriptor.tl0_pic_idx.map(|_| tl0_pic_idx),
            key_index: descriptor.key_index.map(|_| key_index),
            ..descriptor
        };
        prop_assert_eq!(Descriptor::parse(&payload), Ok((expected, len)));
        prop_assert!(payload[len..].iter().all(|byte| *byte == 0x77));
    }
}
