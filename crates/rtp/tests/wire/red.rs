//! Redundant audio: splitting, building, limits.

use proptest::prelude::*;
use tutti_rtp::red::{BLOCK_LEN_MAX, Block, TIMESTAMP_OFFSET_MAX, blocks, encoded_len, primary, write};
use tutti_rtp::{Error, RtpPacket};

use crate::cases;
use crate::samples::{self, hex};

#[test]
fn splits_blocks() {
    let block = |timestamp_offset, data, primary| Block { payload_type: 111, timestamp_offset, data, primary };
    let cases: [(&str, &str, &[Block<'_>]); 4] = [
        ("primary alone", "6f aabb", &[block(0, &[0xaa, 0xbb], true)]),
        ("empty primary", "6f", &[block(0, &[], true)]),
        ("one redundant", "ef 0f0002 6f aabb cc", &[block(960, &[0xaa, 0xbb], false), block(0, &[0xcc], true)]),
        (
            "two redundant, one empty",
            "ef 1e0000 ef 0f0001 6f aa bb",
            &[block(1920, &[], false), block(960, &[0xaa], false), block(0, &[0xbb], true)],
        ),
    ];
    for (name, text, expected) in cases {
        let payload = hex(text);
        assert_eq!(blocks(&payload).unwrap().collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(primary(&payload).unwrap(), *expected.last().unwrap(), "{name}");
    }
}

#[test]
fn refuses_what_reaches_past_the_end() {
    for text in ["", "ef", "ef 0f00", "ef 0f0002", "ef 0f0002 6f aa", "ef 0f0000 ef 0f0000"] {
        assert_eq!(blocks(&hex(text)).unwrap_err(), Error::Truncated { what: "RED payload" }, "{text}");
        assert!(primary(&hex(text)).is_err(), "{text}");
    }
}

#[test]
fn writes_up_to_the_limits_of_the_format() {
    let long = [7; BLOCK_LEN_MAX + 1];
    let block = |timestamp_offset, data| Block { payload_type: 111, timestamp_offset, data, primary: false };
    let fits = [block(TIMESTAMP_OFFSET_MAX, &long[1..])];
    let mut out = [0; 1100];
    let len = write(&fits, 111, &[1], &mut out).unwrap();
    assert_eq!(len, encoded_len(&fits, &[1]));
    assert_eq!(blocks(&out[..len]).unwrap().next(), Some(fits[0]));
    for unfit in [block(TIMESTAMP_OFFSET_MAX + 1, &[]), block(0, &long)] {
        assert!(matches!(write(&[unfit], 111, &[1], &mut out), Err(Error::Unrepresentable { .. })));
    }
    assert_eq!(write(&fits, 111, &[1], &mut out[..len - 1]), Err(Error::NoRoom { what: "RED payload" }));
}

#[test]
fn chromium_repeats_the_frame_before() {
    let packets = samples::packets(samples::RED);
    let mut before: Option<(u32, Vec<u8>)> = None;
    for bytes in &packets {
        let packet = RtpPacket::parse(bytes).unwrap();
        let all: Vec<_> = blocks(packet.payload()).unwrap().collect();
        let (own, redundant) = all.split_last().unwrap();
        if let Some((timestamp, data)) = &before {
            assert_eq!(redundant.len(), 1);
            assert_eq!(packet.timestamp().0 - u32::from(redundant[0].timestamp_offset), *timestamp);
            assert_eq!(redundant[0].data, data);
        }
        assert_eq!(own.payload_type, 111);
        before = Some((packet.timestamp().0, own.data.to_vec()));
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_written_is_read(
        old in prop::collection::vec((0u8..128, 0..=TIMESTAMP_OFFSET_MAX, prop::collection::vec(any::<u8>(), 0..90)), 0..17),
        payload_type in 0u8..128,
        own in prop::collection::vec(any::<u8>(), 0..90),
    ) {
        let redundant: Vec<_> = old
            .iter()
            .map(|(payload_type, timestamp_offset, data)| Block {
                payload_type: *payload_type,
                timestamp_offset: *timestamp_offset,
                data,
                primary: false,
            })
            .collect();
        let mut out = vec![0; encoded_len(&redundant, &own)];
        let len = write(&redundant, payload_type, &own, &mut out).unwrap();
        prop_assert_eq!(len, out.len());
        let mut read: Vec<_> = blocks(&out).unwrap().collect();
        prop_assert_eq!(read.pop(), Some(Block { payload_type, timestamp_offset: 0, data: &own, primary: true }));
        prop_assert_eq!(read, redundant);
    }
}
