//! NACK, PLI, FIR, REMB.

use proptest::prelude::*;
use tutti_rtp::rtcp::{FirEntry, Packet, Pli, Writer, packets};
use tutti_rtp::{Error, SequenceNumber, Ssrc};

use crate::cases;
use crate::samples::hex;

fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), Error>) -> Vec<u8> {
    let mut out = [0; 4000];
    let mut writer = Writer::new(&mut out);
    write(&mut writer).unwrap();
    writer.written().to_vec()
}

fn sequences(numbers: &[u16]) -> Vec<SequenceNumber> {
    numbers.iter().copied().map(SequenceNumber).collect()
}

fn read_nack(bytes: &[u8]) -> Vec<SequenceNumber> {
    let Some(Ok(Packet::Nack(nack))) = packets(bytes).next() else { panic!("{bytes:?}") };
    assert_eq!((nack.sender, nack.media), (Ssrc(1), Ssrc(2)));
    nack.lost().collect()
}

#[test]
fn nack_packs_neighbours() {
    let cases: [(&str, &[u16], &str); 5] = [
        ("one", &[5], "0005 0000"),
        ("sixteen behind the first", &[5, 6, 21], "0005 8001"),
        ("seventeenth begins an entry", &[5, 22], "0005 0000 0016 0000"),
        ("around the wrap", &[65534, 65535, 0, 1], "fffe 0007"),
        ("twice the same", &[7, 7, 8], "0007 0001"),
    ];
    for (name, lost, entries) in cases {
        let entries = hex(entries);
        let bytes = written(|writer| writer.nack(Ssrc(1), Ssrc(2), &sequences(lost)));
        assert_eq!(bytes[..4], [0x81, 205, 0, 2 + (entries.len() / 4) as u8], "{name}");
        assert_eq!(bytes[12..], entries, "{name}");
        let mut lost = lost.to_vec();
        lost.dedup();
        assert_eq!(read_nack(&bytes), sequences(&lost), "{name}");
    }
    assert!(written(|writer| writer.nack(Ssrc(1), Ssrc(2), &[])).is_empty());
}

#[test]
fn nack_with_a_cut_entry_tells_the_whole_ones() {
    let bytes = hex("81cd0003 00000001 00000002 00050001");
    assert_eq!(read_nack(&bytes), sequences(&[5, 6]));
    assert!(packets(&hex("81cd0001 00000001")).next().unwrap().is_err());
    let padded = hex("a1cd0004 00000001 00000002 00050000 00000004");
    assert_eq!(read_nack(&padded), sequences(&[5]));
}

#[test]
fn pli() {
    let bytes = written(|writer| writer.pli(Ssrc(1), Ssrc(2)));
    assert_eq!(bytes, hex("81ce0002 00000001 00000002"));
    let Some(Ok(Packet::Pli(read))) = packets(&bytes).next() else { panic!() };
    assert_eq!(read, Pli { sender: Ssrc(1), media: Ssrc(2) });
}

#[test]
fn fir() {
    let bytes = written(|writer| writer.fir(Ssrc(1), Ssrc(2), 9));
    assert_eq!(bytes, hex("84ce0004 00000001 00000000 00000002 09000000"));
    let two = hex("84ce0006 00000001 00000000 00000002 09000000 00000003 0a000000");
    let Some(Ok(Packet::Fir(read))) = packets(&two).next() else { panic!() };
    let entries = [FirEntry { media: Ssrc(2), number: 9 }, FirEntry { media: Ssrc(3), number: 10 }];
    assert_eq!(read.entries().collect::<Vec<_>>(), entries);
}

#[test]
fn remb() {
    // libwebrtc's example: 500 kbit/s for three sources.
    let bytes = hex("8fce0007 12345678 00000000 52454d42 030bd090 23456789 2345678a 2345678b");
    let Some(Ok(Packet::Remb(read))) = packets(&bytes).next() else { panic!() };
    assert_eq!((read.sender, read.bitrate_bps), (Ssrc(0x1234_5678), 0x3d090 << 2));
    let sources = [Ssrc(0x2345_6789), Ssrc(0x2345_678a), Ssrc(0x2345_678b)];
    assert_eq!(read.sources().collect::<Vec<_>>(), sources);
    assert_eq!(written(|writer| writer.remb(Ssrc(0x1234_5678), 0x3d090 << 2, &sources)), bytes);

    let huge = hex("8fce0004 00000001 00000000 52454d42 00ffffff");
    let Some(Ok(Packet::Remb(read))) = packets(&huge).next() else { panic!() };
    assert_eq!(read.bitrate_bps, u64::MAX);
    for (text, ok) in [
        ("8fce0004 00000001 00000000 52454d42 01000000", false),
        ("8fce0003 00000001 00000000 52454d42", false),
        ("8fce0004 00000001 00000000 41424344 01000000", true),
    ] {
        assert_eq!(packets(&hex(text)).next().unwrap().is_ok(), ok, "{text}");
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nack_survives(start: u16, gaps in prop::collection::vec(1u16..40, 1..200)) {
        let mut next = SequenceNumber(start);
        let lost: Vec<_> = gaps.into_iter().map(|gap| { next = next.add(gap); next }).collect();
        let bytes = written(|writer| writer.nack(Ssrc(1), Ssrc(2), &lost));
        prop_assert_eq!(read_nack(&bytes), lost);
    }

    #[test]
    fn remb_keeps_18_significant_bits(bitrate: u64) {
        let bytes = written(|writer| writer.remb(Ssrc(1), bitrate, &[Ssrc(2)]));
        let Some(Ok(Packet::Remb(read))) = packets(&bytes).next() else { panic!("{bytes:?}") };
        let unit = 1u64 << (64 - bitrate.leading_zeros()).saturating_sub(18);
        prop_assert_eq!(read.bitrate_bps, bitrate / unit * unit);
    }
}
