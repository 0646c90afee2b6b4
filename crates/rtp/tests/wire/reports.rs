//! SR, RR, SDES and BYE; compound packets and their bounds.

use proptest::prelude::*;
use tutti_rtp::rtcp::{Packet, ReportBlock, SenderInfo, Writer, packets};
use tutti_rtp::{CompactNtp, Error, NtpTime, RtpTimestamp, Ssrc};

use crate::cases;
use crate::samples::{self, hex};

const INFO: SenderInfo = SenderInfo {
    ssrc: Ssrc(0x0102_0304),
    ntp: NtpTime(0x1112_1314_1516_1718),
    rtp: RtpTimestamp(0x2122_2324),
    packets: 0x3132_3334,
    octets: 0x4142_4344,
};

const BLOCK: ReportBlock = ReportBlock {
    ssrc: Ssrc(0x5152_5354),
    fraction_lost: 0x55,
    cumulative_lost: 0x01_0203,
    highest_sequence: 0x6162_6364,
    jitter: 0x7172_7374,
    last_sender_report: CompactNtp(0x8182_8384),
    delay: CompactNtp(0x9192_9394),
};

fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), Error>) -> Vec<u8> {
    let mut out = [0; 1500];
    let mut writer = Writer::new(&mut out);
    write(&mut writer).unwrap();
    assert_eq!(writer.written().len(), writer.len());
    writer.written().to_vec()
}

#[test]
fn sender_report() {
    let bytes = written(|writer| writer.sender_report(&INFO, &[BLOCK]));
    let fixed = "81c8000c 01020304 1112131415161718 21222324 31323334 41424344";
    let block = "51525354 55010203 61626364 71727374 81828384 91929394";
    assert_eq!(bytes, hex(&format!("{fixed} {block}")));
    let Some(Ok(Packet::SenderReport(report))) = packets(&bytes).next() else { panic!("{bytes:?}") };
    assert_eq!(report.info, INFO);
    assert_eq!(report.blocks().collect::<Vec<_>>(), [BLOCK]);
}

#[test]
fn receiver_report() {
    let negative = ReportBlock { cumulative_lost: -2, ..BLOCK };
    let bytes = written(|writer| writer.receiver_report(Ssrc(1), &[BLOCK, negative]));
    let Some(Ok(Packet::ReceiverReport(report))) = packets(&bytes).next() else { panic!("{bytes:?}") };
    assert_eq!(report.sender, Ssrc(1));
    assert_eq!(report.blocks().collect::<Vec<_>>(), [BLOCK, negative]);
    assert_eq!(written(|writer| writer.receiver_report(Ssrc(1), &[])), hex("80c90001 00000001"));
}

#[test]
fn losses_outside_24_bits_are_cut() {
    for (told, read) in [(i32::MAX, (1 << 23) - 1), (i32::MIN, -(1 << 23)), (-1, -1)] {
        let block = ReportBlock { cumulative_lost: told, ..BLOCK };
        let bytes = written(|writer| writer.receiver_report(Ssrc(1), &[block]));
        let Some(Ok(Packet::ReceiverReport(report))) = packets(&bytes).next() else { panic!("{bytes:?}") };
        assert_eq!(report.blocks().next().unwrap().cumulative_lost, read);
    }
}

#[test]
fn at_most_31_blocks() {
    let blocks = [BLOCK; 32];
    let bytes = written(|writer| writer.receiver_report(Ssrc(1), &blocks[1..]));
    let Some(Ok(Packet::ReceiverReport(report))) = packets(&bytes).next() else { panic!("{bytes:?}") };
    assert_eq!(report.blocks().count(), 31);
    let mut out = [0; 1500];
    let mut writer = Writer::new(&mut out);
    assert!(matches!(writer.receiver_report(Ssrc(1), &blocks), Err(Error::Unrepresentable { .. })));
    assert!(matches!(writer.sender_report(&INFO, &blocks), Err(Error::Unrepresentable { .. })));
    assert!(matches!(writer.bye(&[Ssrc(1); 32]), Err(Error::Unrepresentable { .. })));
    assert!(writer.is_empty());
}

#[test]
fn source_description() {
    for (name, expected) in [
        ("", "81ca0002 00000007 0100 0000"),
        ("a", "81ca0002 00000007 010161 00"),
        ("ab", "81ca0003 00000007 01026162 00000000"),
        ("abc", "81ca0003 00000007 0103616263 000000"),
    ] {
        let bytes = written(|writer| writer.sdes_cname(Ssrc(7), name));
        assert_eq!(bytes, hex(expected), "{name}");
        let Some(Ok(Packet::SourceDescription(read))) = packets(&bytes).next() else { panic!("{bytes:?}") };
        let chunks: Vec<_> = read.chunks().map(|chunk| (chunk.ssrc, chunk.cname)).collect();
        assert_eq!(chunks, [(Ssrc(7), Some(name))]);
    }
    let long = "x".repeat(256);
    let mut out = [0; 400];
    assert!(Writer::new(&mut out).sdes_cname(Ssrc(7), &long[1..]).is_ok());
    assert!(matches!(Writer::new(&mut out).sdes_cname(Ssrc(7), &long), Err(Error::Unrepresentable { .. })));
}

#[test]
fn source_description_of_several_sources_and_items() {
    let bytes = hex("82ca0006 00000001 0201ff 010161 0000 00000002 010262ff 00000000");
    let Some(Ok(Packet::SourceDescription(read))) = packets(&bytes).next() else { panic!("{bytes:?}") };
    let chunks: Vec<_> = read.chunks().map(|chunk| (chunk.ssrc, chunk.cname)).collect();
    assert_eq!(chunks, [(Ssrc(1), Some("a")), (Ssrc(2), None)], "a name that is not UTF-8 is none");
    for text in ["81ca0001 00000001", "81ca0002 00000001 01ff6162", "81ca0000"] {
        let bytes = hex(text);
        let Some(Ok(Packet::SourceDescription(read))) = packets(&bytes).next() else { panic!("{text}") };
        assert_eq!(read.chunks().count(), 0, "{text}");
    }
}

#[test]
fn goodbye() {
    let bytes = written(|writer| writer.bye(&[Ssrc(1), Ssrc(2)]));
    assert_eq!(bytes, hex("82cb0002 00000001 00000002"));
    let with_reason = hex("81cb0003 00000001 05 6c65617665 0000");
    let Some(Ok(Packet::Goodbye(read))) = packets(&with_reason).next() else { panic!() };
    assert_eq!(read.sources().collect::<Vec<_>>(), [Ssrc(1)]);
}

#[test]
fn a_malformed_packet_does_not_hide_the_next() {
    let pli = "81ce0002 00000001 00000002";
    for (name, text) in [
        ("report with missing blocks", "81c90001 00000001"),
        ("padding over the header", "a0ca0001 00000005"),
        ("padding of no bytes", "a0ca0001 00000000"),
        ("no room for padding", "a0ca0000"),
    ] {
        let bytes = hex(&format!("{text} {pli}"));
        let read: Vec<_> = packets(&bytes).collect();
        assert!(matches!(read[..], [Err(_), Ok(Packet::Pli(_))]), "{name}");
    }
    let unknown = hex(&format!("83c10001 00000001 {pli}"));
    let read: Vec<_> = packets(&unknown).collect();
    assert!(matches!(read[..], [Ok(Packet::Unknown { packet_type: 193, count: 3 }), Ok(Packet::Pli(_))]));
    for text in ["80c9", "80c90002 00000001", "40c90001 00000001", "80c9ffff"] {
        let bytes = hex(&format!("{pli} {text}"));
        let read: Vec<_> = packets(&bytes).collect();
        assert!(matches!(read[..], [Ok(Packet::Pli(_)), Err(_)]), "{text}");
    }
    assert_eq!(packets(&[]).count(), 0);
}

#[test]
fn a_full_writer_keeps_what_it_has() {
    let mut out = [0; 20];
    let mut writer = Writer::new(&mut out);
    writer.receiver_report(Ssrc(1), &[]).unwrap();
    assert_eq!(writer.room(), 12);
    assert_eq!(writer.sdes_cname(Ssrc(1), "a name"), Err(Error::NoRoom { what: "RTCP source description" }));
    writer.pli(Ssrc(1), Ssrc(2)).unwrap();
    assert_eq!(writer.pli(Ssrc(1), Ssrc(2)), Err(Error::NoRoom { what: "RTCP PLI" }));
    assert_eq!(writer.written(), hex("80c90001 00000001 81ce0002 00000001 00000002"));
}

#[test]
fn chromium_reports_are_rewritten_byte_by_byte() {
    let mut sender_reports = 0;
    for compound in samples::packets(samples::RTCP) {
        let mut rest = &compound[..];
        for packet in packets(&compound) {
            let bytes = match packet.unwrap() {
                Packet::SenderReport(report) => {
                    sender_reports += 1;
                    let blocks: Vec<_> = report.blocks().collect();
                    written(|writer| writer.sender_report(&report.info, &blocks))
                }
                Packet::ReceiverReport(report) => {
                    let blocks: Vec<_> = report.blocks().collect();
                    written(|writer| writer.receiver_report(report.sender, &blocks))
                }
                Packet::SourceDescription(description) => {
                    let chunk = description.chunks().next().unwrap();
                    written(|writer| writer.sdes_cname(chunk.ssrc, chunk.cname.unwrap()))
                }
                _ => break,
            };
            assert!(rest.starts_with(&bytes), "{bytes:?}");
            rest = &rest[bytes.len()..];
        }
    }
    assert!(sender_reports > 0);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn reports_survive(
        fields in (any::<[u32; 4]>(), any::<u64>()),
        blocks in prop::collection::vec((any::<[u32; 5]>(), any::<u8>(), -(1 << 23)..(1 << 23)), 0..=31),
    ) {
        let ([ssrc, rtp, packet_count, octets], ntp) = fields;
        let info = SenderInfo { ssrc: Ssrc(ssrc), ntp: NtpTime(ntp), rtp: RtpTimestamp(rtp), packets: packet_count, octets };
        let blocks: Vec<_> = blocks
            .into_iter()
            .map(|([ssrc, highest_sequence, jitter, last, delay], fraction_lost, cumulative_lost)| ReportBlock {
                ssrc: Ssrc(ssrc),
                fraction_lost,
                cumulative_lost,
                highest_sequence,
                jitter,
                last_sender_report: CompactNtp(last),
                delay: CompactNtp(delay),
            })
            .collect();
        let bytes = written(|writer| writer.sender_report(&info, &blocks));
        let Some(Ok(Packet::SenderReport(report))) = packets(&bytes).next() else { panic!("{bytes:?}") };
        prop_assert_eq!(report.info, info);
        prop_assert_eq!(report.blocks().collect::<Vec<_>>(), blocks);
    }
}
