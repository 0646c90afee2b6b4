//! One stream to one subscriber: numbers, clocks, extensions, retransmission.

use std::time::Duration;

use crate::support::camera::{Shot, Vp8Encoder};
use crate::support::{self, Node, publish_single, subscribe};
use tutti_forward::{LayerMode, SendKind};
use tutti_rtp::{Codec, Extension};

const FRAME: Duration = Duration::from_millis(33);

fn node(rtx: bool) -> (Node, Vp8Encoder) {
    let mut node = Node::new(&publish_single(Codec::Vp8, LayerMode::Simulcast));
    node.add(&subscribe(Codec::Vp8, rtx), 0x0123_4567_89AB_CDEF);
    (node, Vp8Encoder::new(None, 0))
}

#[test]
fn packets_arrive_complete_and_in_sequence() {
    let (mut node, mut camera) = node(true);
    for number in 0..200 {
        let shot = if number == 0 { Shot::KEY } else { Shot::DELTA };
        for packet in camera.encode(node.elapsed(), shot) {
            node.arrive(&packet);
        }
        node.sleep(FRAME);
    }
    let subscriber = &node.subscribers[0];
    assert_eq!(subscriber.holes(), []);
    assert_eq!(subscriber.media().len(), 3 + 199 * 2);
    let sent = camera.timestamp(FRAME * 199).wrapping_sub(camera.timestamp(Duration::ZERO));
    let media = subscriber.media();
    assert_eq!(media.last().unwrap().timestamp().wrapping_sub(media[0].timestamp()), sent);
    assert!(media.iter().all(|got| got.packet().payload_type() == 100));
}

#[test]
fn nothing_is_sent_before_a_key_frame() {
    let (mut node, mut camera) = node(true);
    for _ in 0..5 {
        for packet in camera.encode(node.elapsed(), Shot::DELTA) {
            node.arrive(&packet);
        }
        node.sleep(FRAME);
    }
    assert!(node.subscribers[0].got.is_empty());
    assert_eq!(node.asked().key_frames, [camera.ssrc]);
    for packet in camera.encode(node.elapsed(), Shot::KEY) {
        node.arrive(&packet);
    }
    assert_eq!(node.subscribers[0].media().len(), 3);
    node.sleep(Duration::from_secs(3));
    assert_eq!(node.asked().key_frames, [], "it came");
}

#[test]
fn the_mid_is_told_until_the_receiver_reports() {
    let (mut node, mut camera) = node(true);
    let ids = support::subscriber_extensions();
    for round in 0..2 {
        for packet in camera.encode(node.elapsed(), Shot::KEY) {
            node.arrive(&packet);
        }
        let got = node.subscribers[0].media().last().copied().unwrap().clone();
        let packet = got.packet();
        let extensions = packet.read_extensions(&ids);
        assert_eq!(extensions.mid, (round == 0).then_some("3"));
        assert!(extensions.transport_cc.is_some() && extensions.abs_send_time.is_some());
        let block = tutti_rtp::rtcp::ReportBlock { ssrc: tutti_rtp::Ssrc(0xABCD), ..Default::default() };
        node.subscribers[0].send.handle_report(node.now, &block);
        node.sleep(FRAME);
    }
}

#[test]
fn a_missing_packet_is_repeated_on_the_rtx_stream() {
    let (mut node, mut camera) = node(true);
    for packet in camera.encode(node.elapsed(), Shot::KEY) {
        node.arrive(&packet);
    }
    let numbers: Vec<u16> = node.subscribers[0].media().iter().map(|got| got.index as u16).collect();
    node.sleep(Duration::from_millis(50));
    node.nack(0, &numbers);
    node.nack(0, &numbers);
    let repeats: Vec<_> = node.subscribers[0].got.iter().filter(|got| got.ssrc == 0xABCE).collect();
    assert_eq!(repeats.len(), 3, "the second request comes too soon");
    assert!(repeats.iter().all(|got| got.packet().payload_type() == 101));
    assert_eq!(node.subscribers[0].send.counters().resend_too_soon, 3);
    // The same packet is not repeated for ever.
    for _ in 0..20 {
        node.sleep(Duration::from_millis(150));
        node.nack(0, &numbers[..1]);
    }
    assert_eq!(node.subscribers[0].send.counters().resent, 3 + 5);
    node.nack(0, &[numbers[0].wrapping_sub(1), numbers[2].wrapping_add(1)]);
    assert_eq!(node.subscribers[0].send.counters().resend_unknown, 1, "one lies ahead of all that was sent");
}

#[test]
fn without_rtx_a_repeat_is_the_same_bits_under_the_same_index() {
    let (mut node, mut camera) = node(false);
    let ids = support::subscriber_extensions();
    for packet in camera.encode(node.elapsed(), Shot::KEY) {
        node.arrive(&packet);
    }
    let first: Vec<_> = node.subscribers[0].media().into_iter().cloned().collect();
    for got in &first {
        assert_eq!(got.packet().extension(ids.id(Extension::TransportCc).unwrap()), None);
        assert_eq!(got.packet().extension(ids.id(Extension::AbsSendTime).unwrap()), None);
        assert!(got.packet().read_extensions(&ids).mid.is_some());
    }
    // Between the first transmission and the repeat the MID falls away for new packets; not for these.
    let block = tutti_rtp::rtcp::ReportBlock { ssrc: tutti_rtp::Ssrc(0xABCD), ..Default::default() };
    node.subscribers[0].send.handle_report(node.now, &block);
    node.sleep(Duration::from_millis(50));
    let numbers: Vec<u16> = first.iter().map(|got| got.index as u16).collect();
    node.nack(0, &numbers);
    let repeats: Vec<_> = node.subscribers[0].got.iter().filter(|got| got.kind == SendKind::Retransmission).collect();
    assert_eq!(repeats.len(), 3);
    for (first, again) in first.iter().zip(repeats) {
        assert_eq!((first.index, first.ssrc, &first.bytes), (again.index, again.ssrc, &again.bytes));
    }
}

#[test]
fn what_is_found_late_takes_the_number_kept_for_it() {
    let (mut node, mut camera) = node(true);
    for packet in camera.encode(node.elapsed(), Shot::KEY) {
        node.arrive(&packet);
    }
    node.sleep(FRAME);
    let lost = camera.encode(node.elapsed(), Shot { packets: 3, ..Shot::DELTA });
    node.arrive(&lost[0]);
    node.arrive(&lost[2]);
    assert_eq!(node.subscribers[0].holes().len(), 1);
    node.sleep(Duration::from_millis(10));
    let asked = node.asked().missing;
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].0, camera.ssrc);
    let repair = camera.repair(&lost[1]);
    assert!(node.arrive(&repair).is_some());
    assert!(node.arrive(&repair).is_none(), "twice is once");
    assert!(node.arrive(&lost[1]).is_none(), "late is late");
    let subscriber = &node.subscribers[0];
    assert_eq!(subscriber.holes(), []);
    let origins: Vec<u16> = subscriber.media().iter().map(|got| got.origin.unwrap().1).collect();
    let expected: Vec<u16> = (0..6).map(|at| origins[0].wrapping_add(at)).collect();
    assert_eq!(origins, expected);
    assert_eq!(node.receive.counters().recovered, 1);
}

#[test]
fn a_packet_offered_twice_is_sent_once() {
    let (mut node, mut camera) = node(true);
    let mut offered = Vec::new();
    for packet in camera.encode(node.elapsed(), Shot::KEY) {
        offered.extend(node.arrive(&packet));
    }
    let layers = node.receive.layers();
    for at in offered {
        let slot = layers.slot(at).unwrap();
        assert!(node.subscribers[0].send.forward(node.now, layers, at.layer, slot).is_none());
    }
    assert_eq!(node.subscribers[0].send.counters().late, 3);
}

#[test]
fn probes_of_the_publisher_leave_no_gap() {
    let (mut node, mut camera) = node(true);
    for number in 0..30 {
        let shot = if number == 0 { Shot::KEY } else { Shot::DELTA };
        for packet in camera.encode(node.elapsed(), shot) {
            node.arrive(&packet);
        }
        let probe = camera.padding(node.elapsed());
        node.arrive(&probe);
        node.sleep(FRAME);
    }
    assert_eq!(node.subscribers[0].holes(), []);
    assert_eq!(node.subscribers[0].media().len(), 3 + 29 * 2);
}

#[test]
fn a_probe_that_is_found_late_is_filled_with_padding() {
    let (mut node, mut camera) = node(true);
    for packet in camera.encode(node.elapsed(), Shot::KEY) {
        node.arrive(&packet);
    }
    let probe = camera.padding(node.elapsed());
    node.sleep(FRAME);
    for packet in camera.encode(node.elapsed(), Shot::DELTA) {
        node.arrive(&packet);
    }
    assert_eq!(node.subscribers[0].holes().len(), 1);
    node.arrive(&probe);
    assert_eq!(node.subscribers[0].holes(), []);
    let padding: Vec<_> = node.subscribers[0].got.iter().filter(|got| got.kind == SendKind::Padding).collect();
    assert_eq!(padding.len(), 1);
    assert!(padding[0].packet().is_padding_only());
    // The subscriber may lose the padding, too.
    let number = padding[0].index as u16;
    node.sleep(FRAME);
    node.nack(0, &[number]);
    assert_eq!(node.subscribers[0].send.counters().resent, 1);
}

#[test]
fn a_stream_that_begins_afresh_goes_on_for_the_subscriber() {
    let (mut node, mut camera) = node(true);
    for number in 0..10 {
        let shot = if number == 0 { Shot::KEY } else { Shot::DELTA };
        for packet in camera.encode(node.elapsed(), shot) {
            node.arrive(&packet);
        }
        node.sleep(FRAME);
    }
    camera.sequence = camera.sequence.wrapping_add(20_000);
    camera.timestamp_base = camera.timestamp_base.wrapping_sub(900_000_000);
    camera.picture_id = 5;
    for number in 0..10 {
        let shot = if number % 3 == 1 { Shot::KEY } else { Shot::DELTA };
        for packet in camera.encode(node.elapsed(), shot) {
            node.arrive(&packet);
        }
        node.sleep(FRAME);
    }
    let media = node.subscribers[0].media();
    assert_eq!(node.subscribers[0].holes(), []);
    assert_eq!(node.receive.counters().restarts, 1);
    assert_eq!(node.receive.counters().given_up, 0, "nothing is missing between two lives of a stream");
    let steps: Vec<u32> = media.windows(2).map(|pair| pair[1].timestamp().wrapping_sub(pair[0].timestamp())).collect();
    assert!(steps.iter().all(|step| *step < 20_000), "{steps:?}");
}
