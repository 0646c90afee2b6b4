//! Targets for `tutti-rtp`: each reads any bytes in every way there is, and checks what must hold of the result.
//!
//! Shared by the fuzz targets and by the corpus replay among that crate's tests.

use std::time::{Duration, Instant};

use tutti_rtp::payload::{av1, dependency, h264, h265, vp8, vp9};
use tutti_rtp::rtcp::twcc::TransportFeedbackBuilder;
use tutti_rtp::rtcp::{self, Packet, Writer};
use tutti_rtp::{
    Codec, Extension, ExtensionMap, FrameInfo, PacketKind, RtpHeader, RtpPacket, Ssrc, describe, red, rtx,
};

/// Ids as Chromium gives them.
fn ids() -> ExtensionMap {
    let mut ids = ExtensionMap::default();
    for (extension, id) in [
        (Extension::AudioLevel, 1),
        (Extension::AbsSendTime, 2),
        (Extension::TransportCc, 3),
        (Extension::Mid, 4),
        (Extension::PlayoutDelay, 5),
        (Extension::AbsCaptureTime, 6),
        (Extension::Rid, 10),
        (Extension::RepairedRid, 11),
        (Extension::DependencyDescriptor, 12),
        (Extension::VideoOrientation, 13),
    ] {
        ids.set(extension, id);
    }
    ids
}

/// One RTP packet: read it, write its header again, read that.
pub fn rtp(data: &[u8]) {
    let _kind = PacketKind::of(data);
    let Ok(packet) = RtpPacket::parse(data) else { return };
    let whole = packet.header_len() + packet.payload().len() + usize::from(packet.padding_len());
    assert_eq!(whole, data.len());
    assert!(packet.csrcs().count() <= 15);
    for element in packet.elements() {
        assert!(element.id != 0);
        assert!(packet.extension(element.id).is_some());
    }
    let _original = rtx::original(packet.payload());
    let extensions = packet.read_extensions(&ids());
    let header = RtpHeader {
        marker: packet.marker(),
        payload_type: packet.payload_type(),
        sequence: packet.sequence(),
        timestamp: packet.timestamp(),
        ssrc: packet.ssrc(),
        padding: false,
    };
    let mut out = [0; 1024];
    let written = header.write(&ids(), &extensions, &mut out).expect("every extension read fits an element");
    let again = RtpPacket::parse(&out[..written.len]).expect("what was written is valid");
    assert_eq!(again.header_len(), written.len);
    assert_eq!(again.read_extensions(&ids()), extensions);
}

/// A compound RTCP packet: read all of it, write what was read, read that.
pub fn rtcp(data: &[u8]) {
    let mut out = [0; 70_000];
    for packet in rtcp::packets(data) {
        let Ok(packet) = packet else { continue };
        let mut writer = Writer::new(&mut out);
        rewrite(&packet, &mut writer);
        let len = writer.len();
        for again in rtcp::packets(&out[..len]) {
            assert!(again.is_ok(), "{packet:?} was written as {again:?}");
        }
    }
}

fn rewrite(packet: &Packet<'_>, writer: &mut Writer<'_>) {
    let fits = "fits the buffer";
    match packet {
        Packet::SenderReport(report) => {
            let blocks: Vec<_> = report.blocks().collect();
            writer.sender_report(&report.info, &blocks).expect(fits);
        }
        Packet::ReceiverReport(report) => {
            let blocks: Vec<_> = report.blocks().collect();
            writer.receiver_report(report.sender, &blocks).expect(fits);
        }
        Packet::SourceDescription(description) => {
            for chunk in description.chunks() {
                writer.sdes_cname(chunk.ssrc, chunk.cname.unwrap_or_default()).expect(fits);
            }
        }
        Packet::Goodbye(goodbye) => {
            let sources: Vec<_> = goodbye.sources().collect();
            writer.bye(&sources).expect(fits);
        }
        Packet::Nack(nack) => {
            let lost: Vec<_> = nack.lost().take(4096).collect();
            writer.nack(nack.sender, nack.media, &lost).expect(fits);
        }
        Packet::Pli(pli) => writer.pli(pli.sender, pli.media).expect(fits),
        Packet::Fir(fir) => {
            for entry in fir.entries().take(64) {
                writer.fir(fir.sender, entry.media, entry.number).expect(fits);
            }
        }
        Packet::TransportFeedback(feedback) => rewrite_feedback(feedback, writer),
        Packet::Remb(remb) => {
            let sources: Vec<_> = remb.sources().collect();
            writer.remb(remb.sender, remb.bitrate_bps, &sources).expect(fits);
        }
        Packet::ExtendedReport | Packet::Unknown { .. } => {}
    }
}

fn rewrite_feedback(feedback: &rtcp::TransportFeedback<'_>, writer: &mut Writer<'_>) {
    let statuses: Vec<_> = feedback.packets().map(|packet| packet.arrival_ticks).collect();
    assert!(statuses.len() <= usize::from(feedback.packet_count));
    let arrivals = statuses.iter().copied();
    let told = writer
        .transport_feedback(feedback.sender, feedback.media, feedback.feedback_count, feedback.base, arrivals)
        .expect("fits the buffer");
    if let Some(Ok(Packet::TransportFeedback(again))) = rtcp::packets(writer.written()).next() {
        let again: Vec<_> = again.packets().map(|packet| packet.arrival_ticks).collect();
        assert_eq!(again, statuses[..usize::from(told)]);
    }
    let origin = Instant::now();
    let mut recorder = TransportFeedbackBuilder::new(Ssrc(1), origin);
    for packet in feedback.packets() {
        if let Some(ticks) = packet.arrival_ticks {
            recorder.record(packet.sequence.0, origin + Duration::from_micros(u64::from(ticks) * 250));
        }
    }
    let mut out = [0; 1200];
    while recorder.build(Ssrc(2), &mut Writer::new(&mut out)).expect("1200 bytes are enough") {}
    assert!(!recorder.has_pending());
}

/// A VP8 payload.
pub fn vp8(data: &[u8]) {
    check(Codec::Vp8, data);
    let Ok((descriptor, len)) = vp8::Descriptor::parse(data) else { return };
    let mut out = [0; vp8::DESCRIPTOR_LEN_MAX];
    let written = descriptor.write(&mut out).expect("fits the longest descriptor");
    assert_eq!(vp8::Descriptor::parse(&out[..written]), Ok((descriptor, written)));
    let mut copy = data.to_vec();
    let numbers = vp8::Rewrite { picture_id: 0x1234, tl0_pic_idx: 0x56, key_index: 0x17 };
    assert_eq!(vp8::rewrite_in_place(&mut copy, &numbers), Ok(len));
    assert_eq!(copy[len..], data[len..]);
}

/// A VP9 payload.
pub fn vp9(data: &[u8]) {
    check(Codec::Vp9, data);
    let Ok((descriptor, len)) = vp9::Descriptor::parse(data) else { return };
    let mut copy = data.to_vec();
    vp9::rewrite_picture_id(&mut copy, 0x1234);
    let (again, again_len) = vp9::Descriptor::parse(&copy).expect("the form stays");
    assert_eq!(again_len, len);
    assert_eq!(again.picture_id, descriptor.picture_id.map(|id| id.with_value(0x1234)));
    assert_eq!(copy[len..], data[len..]);
}

/// An H.264 payload.
pub fn h264(data: &[u8]) {
    check(Codec::H264, data);
    let _contents = h264::Contents::parse(data);
}

/// An H.265 payload.
pub fn h265(data: &[u8]) {
    check(Codec::H265, data);
    let _contents = h265::Contents::parse(data);
}

/// An AV1 payload and dependency descriptors: the first byte says how many bytes belong to each descriptor, which are
/// read one after the other as those of one stream; the whole is read as a payload.
pub fn av1_dd(data: &[u8]) {
    check(Codec::Av1, data);
    assert!(av1::elements(data).map(<[u8]>::len).sum::<usize>() <= data.len());
    let _size = av1::sequence_size(data);
    let Some((&len, rest)) = data.split_first() else { return };
    let mut reader = dependency::Reader::default();
    for bytes in rest.chunks(usize::from(len).max(1)) {
        let before = reader.structure().cloned();
        let Ok(descriptor) = reader.read(bytes) else {
            assert_eq!(reader.structure(), before.as_ref());
            continue;
        };
        let _info = describe(Codec::Av1, data, true, Some(&descriptor));
        let mut out = [0; 300];
        let written = dependency::write_active_targets(bytes, before.as_ref(), u32::MAX, &mut out)
            .expect("what was read can be written");
        let again = reader.read(&out[..written]).expect("what was written is valid");
        assert!(again.active_targets.is_some());
        assert_eq!(dependency::Descriptor { active_targets: None, ..again }, {
            dependency::Descriptor { active_targets: None, ..descriptor }
        });
    }
}

/// A payload of redundant audio.
pub fn red(data: &[u8]) {
    let Ok(blocks) = red::blocks(data) else { return };
    let blocks: Vec<_> = blocks.collect();
    let (primary, redundant) = blocks.split_last().expect("there is a primary block");
    assert!(primary.primary && redundant.iter().all(|block| !block.primary));
    assert_eq!(red::primary(data), Ok(*primary));
    let mut out = vec![0; data.len()];
    let len = red::write(redundant, primary.payload_type, primary.data, &mut out).expect("fits its own length");
    assert_eq!(out[..len], *data);
}

fn check(codec: Codec, payload: &[u8]) -> FrameInfo {
    let info = describe(codec, payload, false, None);
    assert_eq!(info, FrameInfo { end_of_picture: false, ..info });
    info
}
