//! Reports in both directions: lip sync, loss, round trip, quality windows, padding.

use std::time::Duration;

use tutti_forward::{ForwardEvent, LayerMode, LegQuality};
use tutti_rtp::rtcp::{ReportBlock, SenderInfo};
use tutti_rtp::{Codec, CompactNtp, NtpTime, RtpTimestamp, Ssrc};

use crate::support::camera::{Shot, Vp8Encoder};
use crate::support::microphone::Microphone;
use crate::support::{Node, publish_single, subscribe};

const TICK: Duration = Duration::from_millis(20);

fn wall(at: Duration) -> NtpTime {
    NtpTime::from_unix(Duration::from_secs(1_700_000_000)) + at
}

fn report(node: &mut Node, rtp: u32, at: Duration) {
    let info = SenderInfo { ssrc: Ssrc(0x1000), ntp: wall(at), rtp: RtpTimestamp(rtp), packets: 0, octets: 0 };
    node.receive.handle_sender_report(node.now, info.ssrc, &info);
}

#[test]
fn audio_and_video_of_one_publisher_stay_in_step() {
    let mut video = Node::new(&publish_single(Codec::Vp8, LayerMode::Simulcast));
    let mut audio = Node::new(&publish_single(Codec::Opus, LayerMode::Simulcast));
    video.add(&subscribe(Codec::Vp8, true), 1);
    audio.add(&subscribe(Codec::Opus, false), 2);
    let (mut camera, mut microphone) = (Vp8Encoder::new(None, 0), Microphone::new());
    for number in 0..500 {
        let at = video.elapsed();
        for packet in camera.encode(at, if number == 0 { Shot::KEY } else { Shot::DELTA }) {
            video.arrive(&packet);
        }
        let packet = microphone.speak(at, 96, 40);
        audio.arrive(&packet);
        // The publisher's reports arrive at odd times and with different delays.
        match number {
            70 => report(&mut video, camera.timestamp(at - TICK), at - TICK),
            90 => report(&mut audio, microphone.timestamp(at - TICK * 3), at - TICK * 3),
            _ => {}
        }
        video.sleep(TICK);
        audio.sleep(TICK);
    }
    // The publisher's wall clock at which something was captured, as the receiver computes it.
    let captured = |node: &Node, timestamp: u32, rate: f64| {
        let report = node.subscribers[0].reports.last().expect("reports flow");
        let ticks = f64::from(timestamp.wrapping_sub(report.rtp.0) as i32);
        report.ntp.to_unix().as_secs_f64() + ticks / rate
    };
    let (last_video, last_audio) = (video.subscribers[0].media(), audio.subscribers[0].media());
    let video_at = captured(&video, last_video.last().unwrap().timestamp(), 90_000.0);
    let audio_at = captured(&audio, last_audio.last().unwrap().timestamp(), 48_000.0);
    assert!((video_at - audio_at).abs() < 0.000_1, "captured {} s apart", video_at - audio_at);
    let truth = wall(TICK * 499).to_unix().as_secs_f64();
    assert!((video_at - truth).abs() < 0.000_1, "on the publisher's own clock");
    // About one every three seconds once the clock is known.
    assert!((2..=4).contains(&video.subscribers[0].reports.len()));
    let counts = video.subscribers[0].reports.last().unwrap();
    assert!(counts.packets > 700 && counts.octets > 7_000);
}

#[test]
fn no_report_goes_out_while_nothing_flows() {
    let mut node = Node::new(&publish_single(Codec::Opus, LayerMode::Simulcast));
    node.add(&subscribe(Codec::Opus, false), 2);
    let mut microphone = Microphone::new();
    for _ in 0..10 {
        let packet = microphone.speak(node.elapsed(), 96, 40);
        node.arrive(&packet);
        node.sleep(TICK);
    }
    report(&mut node, 5, Duration::ZERO);
    node.sleep(Duration::from_secs(1));
    assert_eq!(node.subscribers[0].reports.len(), 1);
    for _ in 0..30 {
        node.sleep(Duration::from_secs(1));
    }
    assert_eq!(node.subscribers[0].reports.len(), 1);
    assert_eq!(node.subscribers[0].send.poll_timeout(), None, "nor is there anything to wait for");
}

#[test]
fn reception_reports_follow_the_rfc() {
    let mut node = Node::new(&publish_single(Codec::Opus, LayerMode::Simulcast));
    let mut microphone = Microphone::new();
    let mut arrived = 0;
    for number in 0..100 {
        let packet = microphone.speak(node.elapsed(), 96, 40);
        if number % 4 != 3 {
            node.arrive(&packet);
            arrived += 1;
        }
        if number == 50 {
            report(&mut node, 5, Duration::from_secs(1));
        }
        node.sleep(TICK);
    }
    let blocks: Vec<ReportBlock> = node.receive.report_blocks(node.now).collect();
    let [block] = blocks[..] else { panic!("one stream, one block") };
    // 65530 + 98 wrapped once; the hundredth packet is lost and not yet missed.
    assert_eq!(block.highest_sequence, 1 << 16 | 92);
    assert_eq!(block.cumulative_lost, 99 - arrived);
    assert_eq!(block.fraction_lost, ((24 << 8) / 99) as u8);
    assert_eq!(block.last_sender_report, wall(Duration::from_secs(1)).compact());
    assert_eq!(block.delay.to_duration().as_millis(), 980 + 20);
    assert!(block.jitter < 48, "evenly spaced: {}", block.jitter);
    let again = node.receive.report_blocks(node.now).next().unwrap();
    assert_eq!((again.fraction_lost, again.cumulative_lost), (0, block.cumulative_lost));
}

fn upstream(node: &mut Node) -> Vec<(LegQuality, u8)> {
    std::iter::from_fn(|| node.receive.poll_event())
        .filter_map(|event| match event {
            ForwardEvent::Upstream { quality, layers, .. } => Some((quality, layers)),
            _ => None,
        })
        .collect()
}

#[test]
fn upstream_quality_counts_what_was_not_repaired() {
    let mut node = Node::new(&publish_single(Codec::Vp8, LayerMode::Simulcast));
    let mut camera = Vp8Encoder::new(None, 0);
    for number in 0..300u32 {
        let at = node.elapsed();
        for (part, packet) in camera.encode(at, Shot { packets: 10, ..Shot::DELTA }).into_iter().enumerate() {
            match part {
                3 if number % 2 == 0 => {
                    let repair = camera.repair(&packet);
                    node.arrive(&repair);
                }
                3 => {}
                _ => {
                    node.arrive(&packet);
                }
            }
        }
        node.sleep(TICK);
    }
    let windows = upstream(&mut node);
    let [(quality, layers)] = windows[..] else { panic!("{windows:?}") };
    assert_eq!(layers, 1);
    assert!((5_000..5_100).contains(&quality.window_ms));
    assert!((2_480..=2_510).contains(&quality.packets_expected), "{quality:?}");
    assert!((120..=130).contains(&quality.packets_lost), "{quality:?}");
    // Muted, nothing is told.
    node.receive.set_muted(node.now, true);
    for _ in 0..600 {
        node.sleep(TICK);
    }
    assert_eq!(upstream(&mut node), []);
    node.receive.set_muted(node.now, false);
    for _ in 0..260 {
        node.sleep(TICK);
    }
    let windows = upstream(&mut node);
    assert_eq!(windows.len(), 1, "a silent track that is not muted is told of");
    assert_eq!((windows[0].0.packets_expected, windows[0].1), (0, 0));
}

#[test]
fn downstream_quality_comes_from_receiver_reports() {
    let mut node = Node::new(&publish_single(Codec::Opus, LayerMode::Simulcast));
    node.add(&subscribe(Codec::Opus, false), 2);
    let mut microphone = Microphone::new();
    let mut first = None;
    for number in 0..260u32 {
        let packet = microphone.speak(node.elapsed(), 96, 40);
        node.arrive(&packet);
        first = first.or_else(|| node.subscribers[0].media().first().map(|got| got.index as u32));
        if number == 30 {
            report(&mut node, 5, Duration::ZERO);
        }
        if number % 50 == 49 {
            let sent = node.subscribers[0].reports.last().map(|report| report.ntp.compact());
            let block = ReportBlock {
                ssrc: Ssrc(0xABCD),
                highest_sequence: first.unwrap() + number,
                cumulative_lost: number as i32 / 10,
                jitter: 480,
                last_sender_report: sent.unwrap_or_default(),
                delay: CompactNtp::default(),
                ..ReportBlock::default()
            };
            node.subscribers[0].send.handle_report(node.now, &block);
        }
        node.sleep(TICK);
    }
    let events: Vec<_> = std::iter::from_fn(|| node.subscribers[0].send.poll_event()).collect();
    let [ForwardEvent::Downstream { quality, spatial, .. }] = events[..] else { panic!("{events:?}") };
    assert_eq!(spatial, Some(0));
    assert_eq!((quality.packets_expected, quality.packets_lost), (250, 24));
    assert!((quality.jitter_ms - 10.0).abs() < 0.01);
    assert!(quality.rtt_ms.is_some());
    assert_eq!(quality.bytes, 250 * 16);
}

#[test]
fn a_subscriber_that_needs_packets_gets_padding_until_media_comes() {
    let mut node = Node::new(&publish_single(Codec::Vp8, LayerMode::Simulcast));
    let mut subscribe = subscribe(Codec::Vp8, true);
    subscribe.section.needs_padding = true;
    node.add(&subscribe, 2);
    for _ in 0..50 {
        node.sleep(TICK);
    }
    let padding = node.subscribers[0].got.len();
    assert_eq!(padding, 10);
    assert!(node.subscribers[0].got.iter().all(|got| got.packet().is_padding_only()));
    let mut camera = Vp8Encoder::new(None, 0);
    for number in 0..20 {
        for packet in camera.encode(node.elapsed(), if number == 0 { Shot::KEY } else { Shot::DELTA }) {
            node.arrive(&packet);
        }
        node.sleep(TICK);
    }
    assert_eq!(node.subscribers[0].holes(), []);
    assert_eq!(node.subscribers[0].got.len(), padding + 3 + 19 * 2);
    // One that never gets media is not padded for ever.
    node.add(&subscribe, 3);
    let mut idle = Node::new(&publish_single(Codec::Vp8, LayerMode::Simulcast));
    idle.add(&subscribe, 3);
    for _ in 0..1_000 {
        idle.sleep(TICK);
    }
    assert_eq!(idle.subscribers[0].got.len(), 50);
    assert_eq!(idle.subscribers[0].send.poll_timeout(), None);
}
