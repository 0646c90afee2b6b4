//! H.264 and H.265 payloads: which NAL units open key frames, single, aggregated and fragmented.

use tutti_rtp::payload::{h264, h265};
use tutti_rtp::{Error, RtpPacket};

use crate::samples::{self, hex};

#[test]
fn h264_units() {
    let none = h264::Contents { non_reference: false, ..Default::default() };
    let idr = h264::Contents { idr: true, ..none };
    let sps = h264::Contents { sequence_parameters: true, may_start: true, ..none };
    for (name, text, contents) in [
        ("slice, first of the picture", "41 9a", h264::Contents { may_start: true, ..none }),
        ("slice, not the first", "41 1a", none),
        ("slice that nothing refers to", "01 9a", h264::Contents { may_start: true, non_reference: true, ..none }),
        ("IDR", "65 88", h264::Contents { may_start: true, ..idr }),
        ("IDR, second slice", "65 08", idr),
        ("SPS", "67 42", sps),
        ("PPS", "68 ce", h264::Contents { picture_parameters: true, may_start: true, ..none }),
        ("SEI", "06 05", h264::Contents { may_start: true, non_reference: true, ..none }),
        ("delimiter", "09 10", h264::Contents { may_start: true, non_reference: true, ..none }),
        ("filler", "0c ff", h264::Contents { non_reference: true, ..none }),
        ("header alone", "41", none),
        (
            "STAP-A of SPS, PPS, IDR",
            "78 0002 6742 0002 68ce 0002 6588",
            h264::Contents { picture_parameters: true, idr: true, ..sps },
        ),
        ("STAP-A of slices", "18 0002 019a 0002 011a", h264::Contents { may_start: true, non_reference: true, ..none }),
        ("STAP-A with an empty unit", "78 0000 0002 6742", sps),
        ("STAP-B", "79 0007 0002 6742", sps),
        ("FU-A, first of an IDR", "7c 85 88", h264::Contents { may_start: true, ..idr }),
        ("FU-A, first of a slice", "5c 81 9a", h264::Contents { may_start: true, ..none }),
        ("FU-A, in the middle of an IDR", "7c 05 88", none),
        ("FU-A, last of an IDR", "7c 45 88", none),
        ("FU-B, first of an IDR", "7d 85 0001 88", h264::Contents { may_start: true, ..idr }),
    ] {
        assert_eq!(h264::Contents::parse(&hex(text)), Ok(contents), "{name}");
    }
    for text in ["", "78 00", "78 0003 6742", "7c", "78 0002 6742 00"] {
        assert_eq!(h264::Contents::parse(&hex(text)), Err(Error::Truncated { what: "H.264 payload" }), "{text}");
    }
}

#[test]
fn h265_units() {
    let none = h265::Contents::default();
    let parameters = h265::Contents { parameters: true, may_start: true, ..none };
    let video = h265::Contents { video_parameters: true, ..parameters };
    let access = h265::Contents { random_access: true, may_start: true, ..none };
    for (name, text, contents) in [
        ("TRAIL_R, first of the picture", "0201 d0", h265::Contents { may_start: true, ..none }),
        ("TRAIL_R, not the first", "0201 10", none),
        (
            "TSA_N of sub-layer 2",
            "0403 d0",
            h265::Contents { may_start: true, temporal: 2, sublayer_access: true, ..none },
        ),
        ("BLA_W_LP", "2001 a0", access),
        ("IDR_W_RADL", "2601 a0", access),
        ("CRA", "2a01 a0", access),
        ("CRA, second slice", "2a01 20", h265::Contents { may_start: false, ..access }),
        ("VPS", "4001 0c", video),
        ("SPS", "4201 01", parameters),
        ("PPS", "4401 c0", h265::Contents { may_start: true, ..none }),
        ("prefix SEI", "4e01 05", h265::Contents { may_start: true, ..none }),
        ("suffix SEI", "5001 05", none),
        (
            "AP of VPS, SPS, PPS, IDR",
            "6001 0003 40010c 0003 420101 0003 4401c0 0003 2601a0",
            h265::Contents { random_access: true, ..video },
        ),
        (
            "AP, highest sub-layer counts",
            "6001 0003 0201d0 0003 020310",
            h265::Contents { may_start: true, temporal: 2, ..none },
        ),
        ("FU, first of an IDR", "6201 93 a0", access),
        ("FU, in the middle of an IDR", "6201 13 a0", none),
        ("FU, last of an IDR", "6201 53 a0", none),
    ] {
        assert_eq!(h265::Contents::parse(&hex(text)), Ok(contents), "{name}");
    }
    for text in ["", "26", "6001 00", "6001 0003 4001", "6201"] {
        assert_eq!(h265::Contents::parse(&hex(text)), Err(Error::Truncated { what: "H.265 payload" }), "{text}");
    }
    assert!(matches!(h265::Contents::parse(&hex("2600 a0")), Err(Error::Malformed { .. })));
}

#[test]
fn chromium_begins_h264_with_parameter_sets_and_an_idr() {
    let packets = samples::packets(samples::H264);
    let contents: Vec<_> = packets
        .iter()
        .map(|bytes| h264::Contents::parse(RtpPacket::parse(bytes).unwrap().payload()).unwrap_or_default())
        .collect();
    assert!(contents[1].idr && contents[1].may_start);
    assert!(contents[2..].iter().all(|contents| !contents.is_key_frame()));
}
