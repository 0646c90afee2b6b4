//! Every reader against every cut of every sample, against noise, and against the committed fuzz corpus.

use proptest::prelude::*;

use crate::cases;
use crate::samples;

#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/rtp.rs"]
mod targets;

#[expect(unreachable_pub, reason = "shared with the replay of other crates")]
#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;

/// The name of a fuzz target, which is the folder of its corpus, and what it does with its bytes.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 8] = [
    ("rtp", targets::rtp),
    ("rtcp", targets::rtcp),
    ("vp8", targets::vp8),
    ("vp9", targets::vp9),
    ("h264", targets::h264),
    ("h265", targets::h265),
    ("av1_dd", targets::av1_dd),
    ("red", targets::red),
];

fn all(data: &[u8]) {
    for (_, target) in TARGETS {
        target(data);
    }
}

#[test]
fn the_corpus_passes() {
    for (name, target) in TARGETS {
        corpus::each(name, |data| {
            for len in 0..=data.len() {
                target(&data[..len]);
            }
        });
    }
}

#[test]
fn every_cut_of_every_sample_is_read() {
    let files = [samples::VP8, samples::VP9, samples::AV1, samples::H264, samples::RED, samples::RTX, samples::RTCP];
    for packet in files.into_iter().flat_map(|file| samples::packets(file).into_iter().take(12)) {
        for len in 0..=packet.len() {
            targets::rtp(&packet[..len]);
            targets::rtcp(&packet[..len]);
        }
        let payload = tutti_rtp::RtpPacket::parse(&packet).map_or(&[][..], |packet| packet.payload());
        for len in 0..=payload.len() {
            all(&payload[..len]);
        }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn noise_is_read(data in prop::collection::vec(any::<u8>(), 0..300)) {
        all(&data);
    }

    #[test]
    fn a_changed_packet_is_read(
        packet in prop::sample::select(
            [samples::VP8, samples::VP9, samples::AV1, samples::RED, samples::RTCP].concat().lines()
                .filter(|line| !line.starts_with('#')).map(samples::hex).collect::<Vec<_>>()
        ),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut packet = packet;
        for (index, byte) in changes {
            let at = index.index(packet.len());
            packet[at] = byte;
        }
        targets::rtp(&packet);
        targets::rtcp(&packet);
        all(packet.get(24..).unwrap_or_default());
    }
}
