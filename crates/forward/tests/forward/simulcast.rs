//! Simulcast: which layer a subscriber gets, where it changes, and that the subscriber does not see the seam.

use std::time::Duration;

use tutti_forward::{LayerIndex, LayerLimit, LayerTarget};
use tutti_rtp::payload::vp8::Descriptor;
use tutti_rtp::rtcp::SenderInfo;
use tutti_rtp::{Codec, NtpTime, RtpTimestamp, Ssrc};

use crate::support::camera::{Shot, Vp8Encoder};
use crate::support::subscriber::Got;
use crate::support::{Node, publish_simulcast, subscribe};

const FRAME: Duration = Duration::from_millis(33);

/// A publisher with three layers, a node and one subscriber.
struct Call {
    node: Node,
    cameras: Vec<Vp8Encoder>,
    /// Layers that the publisher sends.
    on: Vec<bool>,
    frames: u32,
}

impl Call {
    fn new() -> Self {
        let mut node = Node::new(&publish_simulcast(Codec::Vp8, 3));
        node.add(&subscribe(Codec::Vp8, true), 42);
        let rids = ["q", "h", "f"];
        let cameras = (0..3).map(|number| Vp8Encoder::new(Some(rids[number as usize]), number)).collect();
        Self { node, cameras, on: vec![true; 3], frames: 0 }
    }

    /// One frame of every layer; key frames where `key` says so. Temporal layers 0 2 1 2.
    fn frame(&mut self, key: impl Fn(usize) -> bool) {
        let temporal = [0, 2, 1, 2][self.frames as usize % 4];
        self.frames += 1;
        for (number, camera) in self.cameras.iter_mut().enumerate() {
            if !self.on[number] {
                continue;
            }
            let key = key(number);
            let shot = Shot { key, temporal: if key { 0 } else { temporal }, packets: 1 + number };
            for packet in camera.encode(self.node.elapsed(), shot) {
                self.node.arrive(&packet);
            }
        }
        self.node.sleep(FRAME);
    }

    fn frames(&mut self, count: usize) {
        for _ in 0..count {
            self.frame(|_| false);
        }
    }

    /// The publisher's sender reports. Its layers have unrelated clocks.
    fn report(&mut self) {
        for camera in &self.cameras {
            let elapsed = self.node.elapsed();
            let info = SenderInfo {
                ssrc: Ssrc(camera.ssrc),
                ntp: NtpTime::from_unix(Duration::from_secs(1_700_000_000)) + elapsed,
                rtp: RtpTimestamp(camera.timestamp(elapsed)),
                packets: 0,
                octets: 0,
            };
            self.node.receive.handle_sender_report(self.node.now, info.ssrc, &info);
        }
    }

    fn target(&mut self, spatial: u8, temporal: u8) {
        self.node.set_target(0, LayerTarget { paused: false, spatial, temporal });
    }

    fn current(&self) -> Option<u8> {
        self.node.subscribers[0].send.current().map(|LayerIndex(layer)| layer)
    }

    fn media(&self) -> Vec<&Got> {
        self.node.subscribers[0].media()
    }

    fn asked(&mut self) -> Vec<u32> {
        self.node.asked().key_frames
    }
}

fn descriptor(got: &Got) -> Descriptor {
    Descriptor::parse(got.payload()).expect("a descriptor").0
}

/// Checks that what one subscriber got is one flawless stream.
fn assert_seamless(media: &[&Got]) {
    for pair in media.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        assert_eq!(after.index, before.index + 1);
        let (old, new) = (descriptor(before), descriptor(after));
        let (old_id, new_id) = (old.picture_id.unwrap().value(), new.picture_id.unwrap().value());
        let step = new_id.wrapping_sub(old_id) & 0x7FFF;
        let time = after.timestamp().wrapping_sub(before.timestamp());
        if new.starts_frame() {
            assert_eq!(step, 1, "picture ids are contiguous");
            assert!(time > 0 && time < 90_000 * 10, "time moves on, by {time}");
            assert!(before.packet().marker());
            let tl0 = new.tl0_pic_idx.unwrap().wrapping_sub(old.tl0_pic_idx.unwrap());
            assert_eq!(tl0, u8::from(new.temporal.unwrap().id == 0), "TL0PICIDX counts base frames");
        } else {
            assert_eq!((step, time), (0, 0), "a frame has one picture id and one time");
        }
        if before.origin.unwrap().0 != after.origin.unwrap().0 {
            let len = Descriptor::parse(after.payload()).unwrap().1;
            assert!(new.starts_frame() && after.payload()[len] & 1 == 0, "streams change at key frames only");
            assert_eq!(new.key_index.unwrap(), (old.key_index.unwrap() + 1) % 32);
        }
    }
}

#[test]
fn the_first_picture_comes_from_any_layer_then_the_stream_climbs() {
    let mut call = Call::new();
    call.frames(1);
    // As the layers came to life, each was the best so far; in the end the highest is wanted.
    assert_eq!(call.asked(), [0x1000, 0x1001, 0x1002]);
    call.frame(|layer| layer == 0);
    assert_eq!(call.current(), Some(0));
    call.frame(|layer| layer == 1);
    assert_eq!(call.current(), Some(1));
    call.frames(3);
    call.frame(|layer| layer == 2);
    assert_eq!(call.current(), Some(2));
    call.frames(10);
    assert_seamless(&call.media());
    assert_eq!(call.node.subscribers[0].send.counters().switches, 3);
}

#[test]
fn a_key_frame_of_a_layer_that_is_too_high_starts_nothing() {
    let mut call = Call::new();
    call.target(1, 7);
    call.frames(1);
    call.frame(|layer| layer == 2);
    assert_eq!(call.current(), None);
    call.frame(|layer| layer == 1);
    assert_eq!(call.current(), Some(1));
}

#[test]
fn targets_are_followed_at_key_frames() {
    let mut call = Call::new();
    call.frame(|_| true);
    call.frames(5);
    assert_eq!(call.current(), Some(2));
    call.target(0, 7);
    call.frames(3);
    assert_eq!(call.current(), Some(2), "the current layer goes on until the wanted one opens");
    assert_eq!(call.asked(), [0x1000]);
    call.frame(|layer| layer == 1);
    assert_eq!(call.current(), Some(1), "on the way down every step is taken");
    call.frame(|layer| layer == 0);
    assert_eq!(call.current(), Some(0));
    call.frames(5);
    call.target(7, 7);
    call.frame(|_| true);
    call.frames(5);
    assert_eq!(call.current(), Some(2));
    assert_seamless(&call.media());
}

#[test]
fn a_limit_caps_the_target() {
    let mut call = Call::new();
    call.frame(|_| true);
    let limit = LayerLimit { spatial: 1, ..LayerLimit::NONE };
    let (now, layers) = (call.node.now, call.node.receive.layers());
    call.node.subscribers[0].send.set_limit(now, layers, limit);
    call.frame(|_| true);
    assert_eq!(call.current(), Some(1));
    let limit = LayerLimit { paused: true, ..LayerLimit::NONE };
    let (now, layers) = (call.node.now, call.node.receive.layers());
    call.node.subscribers[0].send.set_limit(now, layers, limit);
    let before = call.media().len();
    call.frame(|_| true);
    assert_eq!((call.current(), call.media().len()), (None, before));
}

#[test]
fn temporal_layers_are_dropped_without_a_trace() {
    for temporal in [0, 1, 2] {
        let mut call = Call::new();
        call.target(2, temporal);
        call.frame(|_| true);
        call.frames(40);
        assert_seamless(&call.media());
        assert!(call.media().iter().all(|got| descriptor(got).temporal.unwrap().id <= temporal));
        let frames = call.media().iter().filter(|got| descriptor(got).starts_frame()).count();
        // The first picture came in all three sizes.
        assert_eq!(frames, [13, 23, 43][usize::from(temporal)]);
    }
}

#[test]
fn temporal_layers_come_back_at_a_sync_frame() {
    let mut call = Call::new();
    call.target(2, 0);
    call.frame(|_| true);
    call.frames(7);
    call.target(2, 7);
    call.frames(8);
    call.target(2, 1);
    call.frames(8);
    assert_seamless(&call.media());
    let seen: Vec<u8> = call
        .media()
        .iter()
        .map(|got| descriptor(got))
        .filter(Descriptor::starts_frame)
        .map(|descriptor| descriptor.temporal.unwrap().id)
        .collect();
    assert_eq!(seen, [0, 0, 0, 0, 0, 2, 1, 2, 0, 2, 1, 2, 0, 1, 0, 1]);
}

#[test]
fn pausing_and_resuming_is_seamless_and_takes_a_key_frame() {
    let mut call = Call::new();
    call.frame(|_| true);
    call.frames(5);
    call.node.set_target(0, LayerTarget { paused: true, ..LayerTarget::ALL });
    assert!(call.node.subscribers[0].send.interest().is_empty());
    call.frames(50);
    let before = call.media().len();
    call.asked();
    call.node.set_target(0, LayerTarget::ALL);
    call.frames(3);
    assert_eq!(call.media().len(), before);
    assert_eq!(call.asked(), [0x1002]);
    call.frame(|_| true);
    call.frames(5);
    assert!(call.media().len() > before);
    assert_seamless(&call.media());
}

#[test]
fn a_layer_that_stops_is_left_and_taken_up_again() {
    let mut call = Call::new();
    call.frame(|_| true);
    call.frames(5);
    call.asked();
    call.on[2] = false;
    call.frames(12);
    assert_eq!(call.asked(), [], "it may be a pause");
    call.frames(8);
    assert_eq!(call.asked(), [0x1001]);
    call.frame(|layer| layer == 1);
    assert_eq!(call.current(), Some(1));
    call.on[2] = true;
    call.frames(1);
    assert_eq!(call.asked(), [0x1002]);
    call.frame(|layer| layer == 2);
    assert_eq!(call.current(), Some(2));
    assert_seamless(&call.media());
}

#[test]
fn a_publisher_that_pauses_altogether_loses_no_layer() {
    let mut call = Call::new();
    call.frame(|_| true);
    let version = call.node.receive.layers().version();
    for _ in 0..10 {
        call.node.sleep(Duration::from_millis(1_500));
        call.frames(1);
    }
    assert_eq!(call.node.receive.layers().version(), version);
    assert_eq!(call.current(), Some(2));
}

#[test]
fn sender_reports_put_layers_on_one_clock() {
    for reported in [false, true] {
        let mut call = Call::new();
        call.frame(|_| true);
        if reported {
            call.report();
        }
        call.frames(5);
        call.target(0, 7);
        // The wanted layer's key frame comes 200 ms late through the network: only reports can tell.
        let captured = call.node.elapsed();
        call.node.sleep(Duration::from_millis(200));
        for packet in call.cameras[0].encode(captured, Shot { key: true, temporal: 0, packets: 1 }) {
            call.node.arrive(&packet);
        }
        let media = call.media();
        let [.., before, after] = media[..] else { panic!() };
        let step = after.timestamp().wrapping_sub(before.timestamp());
        let expected = if reported { 33 * 90 } else { 233 * 90 };
        assert!(step.abs_diff(expected) <= 2, "{step} instead of {expected}");
    }
}

#[test]
fn reports_go_on_where_only_one_layer_is_reported() {
    let mut call = Call::new();
    call.frame(|_| true);
    let camera = call.cameras[2].clone();
    let elapsed = call.node.elapsed();
    let ntp = NtpTime::from_unix(Duration::from_secs(1_700_000_000)) + elapsed;
    let rtp = RtpTimestamp(camera.timestamp(elapsed));
    let info = SenderInfo { ssrc: Ssrc(camera.ssrc), ntp, rtp, packets: 0, octets: 0 };
    call.node.receive.handle_sender_report(call.node.now, info.ssrc, &info);
    call.frames(100);
    call.target(0, 7);
    call.frame(|_| true);
    call.frames(200);
    assert_eq!(call.current(), Some(0));
    let (media, reports) = (call.media(), &call.node.subscribers[0].reports);
    assert!(reports.len() >= 3);
    let (report, last) = (reports.last().unwrap(), media.last().unwrap());
    let ticks = i64::from(last.timestamp().wrapping_sub(report.rtp.0) as i32);
    let captured = report.ntp.to_unix().as_secs_f64() + ticks as f64 / 90_000.0;
    let truth = 1_700_000_000.0 + (call.node.elapsed() - FRAME).as_secs_f64();
    assert!((captured - truth).abs() < 0.002, "{}", captured - truth);
}

#[test]
fn a_stream_that_changes_its_ssrc_begins_afresh_once() {
    let mut call = Call::new();
    call.frame(|_| true);
    call.frames(5);
    let late = call.cameras[2].encode(call.node.elapsed(), Shot::DELTA);
    call.cameras[2].ssrc = 0x9999;
    call.cameras[2].sequence = 4_000;
    call.frame(|layer| layer == 2);
    for packet in &late {
        assert_eq!(call.node.arrive(packet), None, "late packets of the old SSRC change nothing");
    }
    call.frames(5);
    assert_eq!(call.node.receive.counters().restarts, 1);
    assert_eq!(call.current(), Some(2));
    assert_seamless(&call.media());
}

#[test]
fn a_backup_codec_is_taken_by_those_who_lack_the_first() {
    let mut publish = publish_simulcast(Codec::Vp9, 1);
    publish.mid = "0".to_owned();
    let mut node = Node::new(&publish);
    node.add(&subscribe(Codec::Vp8, true), 1);
    let mut nine = crate::support::svc::SvcEncoder::new();
    nine.ssrc = 0x7000;
    let mut packet = nine.vp9(node.elapsed(), true, 0, 1, crate::support::svc::Dependence::Full).remove(0);
    // The first section has MID 0.
    let at = packet.windows(2).position(|pair| pair == [0x10, b'1']).unwrap();
    packet[at + 1] = b'0';
    assert!(node.arrive(&packet).is_some());
    let events: Vec<_> = std::iter::from_fn(|| node.subscribers[0].send.poll_event()).collect();
    assert!(matches!(events[..], [tutti_forward::ForwardEvent::CodecMismatch { .. }]), "{events:?}");
    node.receive.add_section(node.now, &publish_simulcast(Codec::Vp8, 2)).unwrap();
    let mut camera = Vp8Encoder::new(Some("h"), 1);
    for _ in 0..5 {
        for packet in camera.encode(node.elapsed(), Shot::KEY) {
            node.arrive(&packet);
        }
        node.sleep(FRAME);
    }
    assert_eq!(node.subscribers[0].send.current(), Some(LayerIndex(2)));
    assert_eq!(node.subscribers[0].media().len(), 15);
    assert_seamless(&node.subscribers[0].media());
}

#[test]
fn many_requests_for_a_key_frame_become_few() {
    let mut call = Call::new();
    call.frame(|_| true);
    call.frames(40);
    let mut asked = 0;
    for _ in 0..100 {
        let (now, layers) = (call.node.now, call.node.receive.layers());
        call.node.subscribers[0].send.handle_key_frame_request(now, layers);
        call.node.settle();
        asked += call.asked().len();
        call.node.sleep(Duration::from_millis(10));
    }
    assert_eq!(asked, 1, "once a second for the highest layer");
    call.node.sleep(Duration::from_millis(10));
    assert_eq!(call.asked(), [0x1002], "and again, since none came");
    call.frame(|_| true);
    call.node.sleep(Duration::from_secs(5));
    assert_eq!(call.asked(), []);
}

#[test]
fn a_late_subscriber_starts_from_the_key_frame_in_the_ring() {
    let mut call = Call::new();
    call.frame(|_| true);
    call.frames(10);
    call.node.add(&subscribe(Codec::Vp8, true), 77);
    let late = call.node.subscribers[1].media().len();
    assert_eq!(late, 11 * 3, "the whole of the highest layer since its key frame");
    call.frames(5);
    assert_seamless(&call.node.subscribers[1].media());
    // A stale one is not used.
    call.frames(60);
    call.node.add(&subscribe(Codec::Vp8, true), 78);
    assert!(call.node.subscribers[2].media().is_empty());
}

#[test]
fn a_key_frame_with_a_hole_behind_it_starts_nobody() {
    let mut call = Call::new();
    call.frame(|_| true);
    call.frames(2);
    // A packet of each stream is lost, so that nothing in the rings is whole.
    let at = call.node.elapsed();
    let mut lost = Vec::new();
    for camera in &mut call.cameras {
        let packets = camera.encode(at, Shot { packets: 2, ..Shot::DELTA });
        call.node.arrive(&packets[1]);
        lost.push(packets[0].clone());
    }
    call.node.sleep(FRAME);
    call.node.asked();
    call.node.add(&subscribe(Codec::Vp8, true), 77);
    assert!(call.node.subscribers[1].media().is_empty(), "decoding would stop at the hole");
    assert_eq!(call.node.subscribers[1].send.counters().key_frame_requests, 1, "another one is asked for");
    // Once it is filled the same key frame serves the next.
    for (camera, packet) in call.cameras.iter_mut().zip(&lost) {
        call.node.arrive(&camera.repair(packet));
    }
    call.node.add(&subscribe(Codec::Vp8, true), 78);
    assert_eq!(call.node.subscribers[2].media().len(), 3 * 3 + 2);
}

#[test]
fn a_key_frame_whose_first_packet_was_late_is_taken_whole() {
    let mut call = Call::new();
    call.frames(1);
    let packets = call.cameras[2].encode(call.node.elapsed(), Shot { packets: 4, ..Shot::KEY });
    for packet in &packets[1..] {
        call.node.arrive(packet);
    }
    assert!(call.media().is_empty());
    let repair = call.cameras[2].repair(&packets[0]);
    call.node.arrive(&repair);
    assert_eq!(call.media().len(), 4);
    call.node.sleep(FRAME);
    call.frames(3);
    assert_seamless(&call.media());
}
