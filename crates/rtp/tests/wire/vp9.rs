//! VP9 descriptors: both modes, layers, references, the scalability structure.

use tutti_rtp::payload::vp9::{Descriptor, Layer, rewrite_picture_id};
use tutti_rtp::payload::{FrameSize, PictureId};
use tutti_rtp::{Error, RtpPacket};

use crate::samples::{self, hex};

#[test]
fn reads_every_part() {
    let none = Descriptor::default();
    let layer = Layer { temporal: 2, switch_up: true, spatial: 1, inter_layer: true };
    for (name, text, descriptor) in [
        ("nothing", "00", none),
        ("whole frame", "0c", Descriptor { start_of_frame: true, end_of_frame: true, ..none }),
        ("not for upper layers", "41", Descriptor { inter_picture: true, not_inter_layer_reference: true, ..none }),
        ("short picture id", "80 7f", Descriptor { picture_id: Some(PictureId::Short(0x7f)), ..none }),
        ("long picture id", "80 9234", Descriptor { picture_id: Some(PictureId::Long(0x1234)), ..none }),
        ("layers", "20 53 44", Descriptor { layer: Some(layer), tl0_pic_idx: Some(0x44), ..none }),
        ("layers, flexible", "30 53", Descriptor { layer: Some(layer), flexible: true, ..none }),
        ("one reference", "50 02", Descriptor { inter_picture: true, flexible: true, ..none }),
        ("three references", "50 03 05 06", Descriptor { inter_picture: true, flexible: true, ..none }),
        ("flexible key frame has no references", "10", Descriptor { flexible: true, ..none }),
    ] {
        let bytes = hex(text);
        assert_eq!(Descriptor::parse(&bytes), Ok((descriptor, bytes.len())), "{name}");
        for len in 0..bytes.len() {
            let short = Err(Error::Truncated { what: "VP9 payload descriptor" });
            assert_eq!(Descriptor::parse(&bytes[..len]), short, "{name}");
        }
    }
    let four = Descriptor::parse(&hex("50 03 05 07 08"));
    assert!(matches!(four, Err(Error::Malformed { .. })));
}

#[test]
fn reads_the_scalability_structure() {
    // Two layers with sizes, and a picture group of two pictures with one and two references.
    let bytes = hex("02 38 0140 00b4 0280 0168 02 0401 480102 aabb");
    let (descriptor, len) = Descriptor::parse(&bytes).unwrap();
    assert_eq!(bytes[len..], [0xaa, 0xbb]);
    let structure = descriptor.structure.unwrap();
    assert_eq!(structure.spatial_layers, 2);
    assert_eq!(structure.size(0), Some(FrameSize { width: 320, height: 180 }));
    assert_eq!(structure.size(1), Some(FrameSize { width: 640, height: 360 }));
    assert_eq!(structure.size(2), None);
    for cut in 0..len {
        assert!(Descriptor::parse(&bytes[..cut]).is_err(), "{cut} bytes");
    }

    let without_sizes = Descriptor::parse(&hex("02 e0")).unwrap().0.structure.unwrap();
    assert_eq!((without_sizes.spatial_layers, without_sizes.size(0)), (8, None));
}

#[test]
fn rewrites_the_picture_id_in_its_width() {
    for (before, after) in [
        ("8c 05 aa", "8c 3c aa"),
        ("8c 8005 aa", "8c fabc aa"),
        ("0c 05 aa", "0c 05 aa"),
        ("8c", "8c"),
        ("8c 80", "8c 80"),
        ("", ""),
    ] {
        let mut payload = hex(before);
        rewrite_picture_id(&mut payload, 0x7abc);
        assert_eq!(payload, hex(after), "{before}");
    }
}

#[test]
fn chromium_sends_all_spatial_layers_of_a_picture_with_one_id() {
    let packets = samples::packets(samples::VP9);
    let mut last: Option<(bool, Descriptor)> = None;
    for bytes in &packets {
        let packet = RtpPacket::parse(bytes).unwrap();
        let (descriptor, len) = Descriptor::parse(packet.payload()).unwrap();
        assert!(len < packet.payload().len());
        if let Some((closed, before)) = last {
            let ids = [before, descriptor].map(|descriptor| descriptor.picture_id.unwrap().value());
            assert_eq!(ids[1], ids[0] + u16::from(closed), "the marker closes a picture");
            assert!(closed || descriptor.spatial() >= before.spatial());
            assert_eq!(descriptor.start_of_frame, before.end_of_frame);
        }
        last = Some((packet.marker(), descriptor));
    }
    let structures = packets
        .iter()
        .filter_map(|bytes| Descriptor::parse(RtpPacket::parse(bytes).unwrap().payload()).unwrap().0.structure);
    let sizes: Vec<_> = structures.map(|structure| (structure.size(0), structure.size(1))).collect();
    let (low, high) = (FrameSize { width: 320, height: 180 }, FrameSize { width: 640, height: 360 });
    assert_eq!(sizes, [(Some(low), None), (Some(low), Some(high))], "the second layer came with the second key frame");
}
