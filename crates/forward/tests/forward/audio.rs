//! Audio: RED for those who take it, Opus for the others, repeats without RTX, and who is speaking.

use std::time::Duration;

use tutti_forward::{ForwardEvent, LayerMode, PublishTrack, SendKind, SubscribeTrack};
use tutti_rtp::{Codec, red};

use crate::support::camera::read_origin;
use crate::support::microphone::Microphone;
use crate::support::{Node, format, publish_single, subscribe};

const PACKET: Duration = Duration::from_millis(20);

fn publish() -> PublishTrack {
    let mut publish = publish_single(Codec::Opus, LayerMode::Simulcast);
    publish.formats = vec![format(Codec::Red, 63, None, true), format(Codec::Opus, 111, None, true)];
    publish
}

fn listener(formats: &[(Codec, u8)]) -> SubscribeTrack {
    let mut subscribe = subscribe(Codec::Opus, false);
    subscribe.section.formats =
        formats.iter().map(|&(codec, payload_type)| format(codec, payload_type, None, true)).collect();
    subscribe
}

#[test]
fn red_is_passed_on_or_unpacked() {
    let mut node = Node::new(&publish());
    node.add(&listener(&[(Codec::Red, 120), (Codec::Opus, 121)]), 1);
    node.add(&listener(&[(Codec::Opus, 109)]), 2);
    node.add(&listener(&[(Codec::Pcmu, 0)]), 3);
    let mut microphone = Microphone::new();
    for number in 0..50 {
        // A browser leaves RED out when it has nothing to repeat.
        let packet = match number % 10 {
            9 => microphone.speak(node.elapsed(), 111, 30),
            _ => microphone.speak_red(node.elapsed(), 63, 30),
        };
        node.arrive(&packet);
        node.sleep(PACKET);
    }
    for (subscriber, types) in [(0, [120, 121]), (1, [109, 109])] {
        let media = node.subscribers[subscriber].media();
        assert_eq!(media.len(), 50);
        assert_eq!(node.subscribers[subscriber].holes(), []);
        for (number, got) in media.iter().enumerate() {
            assert_eq!(got.packet().payload_type(), types[usize::from(number % 10 == 9)]);
            let frame = match subscriber {
                0 if number % 10 != 9 => red::primary(got.payload()).unwrap().data,
                _ => got.payload(),
            };
            assert_eq!(frame.len(), 16, "one frame and nothing else");
            assert_eq!(read_origin(frame).unwrap().1, 65_530u16.wrapping_add(number as u16));
        }
    }
    assert!(node.subscribers[2].got.is_empty());
    let event = node.subscribers[2].send.poll_event();
    assert!(matches!(event, Some(ForwardEvent::CodecMismatch { .. })), "{event:?}");
    assert_eq!(node.subscribers[2].send.poll_event(), None, "told once");
}

#[test]
fn encrypted_red_is_not_unpacked() {
    let mut publish = publish();
    publish.encrypted = true;
    let mut node = Node::new(&publish);
    let mut subscribe = listener(&[(Codec::Opus, 109)]);
    subscribe.section.ssrc = 5;
    let kind = node.receive.kind();
    let mut send = tutti_forward::SendTrack::new(node.now, &subscribe, kind, true, 9);
    send.refresh(node.now, node.receive.layers());
    let packet = Microphone::new().speak_red(node.elapsed(), 63, 30);
    let at = node.arrive(&packet).unwrap();
    let layers = node.receive.layers();
    assert!(send.forward(node.now, layers, at.layer, layers.slot(at).unwrap()).is_none());
    assert!(matches!(send.poll_event(), Some(ForwardEvent::CodecMismatch { .. })));
}

/// Lets a microphone with two copies in each packet speak `count` times, every 20 ms; `lost` tells which packets do not
/// arrive, and they come back.
fn speak_with_loss(
    node: &mut Node,
    microphone: &mut Microphone,
    count: u16,
    lost: impl Fn(u16) -> bool,
) -> Vec<Vec<u8>> {
    let mut missing = Vec::new();
    for _ in 0..count {
        let sequence = microphone.sequence;
        let packet = microphone.speak_red(node.elapsed(), 63, 30);
        if lost(sequence) {
            missing.push(packet);
        } else {
            node.arrive(&packet);
        }
        node.sleep(PACKET);
    }
    missing
}

/// Publisher's numbers in the order in which the subscriber's numbers have them, each with its time since the first.
fn frames(node: &Node) -> Vec<(u16, u32)> {
    let media = node.subscribers[0].media();
    let first = media[0].timestamp();
    media.iter().map(|got| (got.origin.unwrap().1, got.timestamp().wrapping_sub(first))).collect()
}

fn in_step(numbers: impl Iterator<Item = u16>, first: u16) -> Vec<(u16, u32)> {
    numbers.map(|number| (number, u32::from(number.wrapping_sub(first)) * 960)).collect()
}

fn listener_with_copies() -> (Node, Microphone) {
    let mut node = Node::new(&publish());
    node.add(&listener(&[(Codec::Opus, 109)]), 2);
    let mut microphone = Microphone::new();
    (microphone.copies, microphone.sequence) = (2, 65_500);
    (node, microphone)
}

#[test]
fn what_was_lost_is_taken_out_of_the_copies() {
    let (mut node, mut microphone) = listener_with_copies();
    let late = speak_with_loss(&mut node, &mut microphone, 60, |sequence| sequence % 3 == 2);
    let all: Vec<u16> = (0..60).map(|at| 65_500u16.wrapping_add(at)).collect();
    // The last may be lost, and nothing follows it.
    let end = all.iter().rposition(|number| number % 3 != 2).unwrap();
    assert_eq!(frames(&node), in_step(all[..=end].iter().copied(), 65_500));
    let subscriber = &node.subscribers[0];
    assert_eq!(subscriber.holes(), []);
    assert!(subscriber.media().iter().all(|got| got.payload().len() == 16), "frames alone");
    let recovered = subscriber.send.counters().recovered;
    assert_eq!(recovered, all[..end].iter().filter(|number| *number % 3 == 2).count() as u64);

    // In the order of their numbers, as they would have come.
    let numbers: Vec<u64> = subscriber.got.iter().map(|got| got.index).collect();
    assert!(numbers.is_sorted());
    // Those that come late after all are not sent twice.
    let count = numbers.len();
    for packet in &late[..late.len() - 1] {
        node.arrive(packet);
    }
    assert_eq!(node.subscribers[0].got.len(), count);
}

#[test]
fn a_burst_leaves_holes_where_no_copy_is_and_they_are_filled_late() {
    let (mut node, mut microphone) = listener_with_copies();
    let late = speak_with_loss(&mut node, &mut microphone, 20, |sequence| (65_505..65_509).contains(&sequence));
    let expected = |missing: &[u16]| in_step((65_500..65_520).filter(|number| !missing.contains(number)), 65_500);
    assert_eq!(frames(&node), expected(&[65_505, 65_506]));
    assert_eq!(node.subscribers[0].holes().len(), 2);
    for packet in &late {
        node.arrive(packet);
    }
    assert_eq!(frames(&node), expected(&[]));
    assert_eq!(node.subscribers[0].holes(), []);
}

#[test]
fn packets_that_change_places_are_not_doubled() {
    let (mut node, mut microphone) = listener_with_copies();
    for _ in 0..10 {
        let first = microphone.speak_red(node.elapsed(), 63, 30);
        node.sleep(PACKET);
        let second = microphone.speak_red(node.elapsed(), 63, 30);
        node.arrive(&second);
        node.arrive(&first);
        node.sleep(PACKET);
    }
    // The first of all was not expected.
    assert_eq!(frames(&node), in_step(65_501..65_520, 65_501));
    assert_eq!(node.subscribers[0].got.len(), 19);
}

#[test]
fn a_repeat_of_a_copy_is_the_same_bits_also_when_the_original_came() {
    let (mut node, mut microphone) = listener_with_copies();
    let late = speak_with_loss(&mut node, &mut microphone, 10, |sequence| sequence == 65_505);
    node.arrive(&late[0]);
    let numbers: Vec<u16> = node.subscribers[0].media().iter().map(|got| got.index as u16).collect();
    node.nack(0, &numbers);
    // The ledger of the subscriber has compared each with its first transmission.
    let repeats = node.subscribers[0].got.iter().filter(|got| got.kind == SendKind::Retransmission).count();
    assert_eq!(repeats, 10);
}

#[test]
fn copies_from_before_a_silence_are_not_used_again() {
    let (mut node, mut microphone) = listener_with_copies();
    speak_with_loss(&mut node, &mut microphone, 5, |_| false);
    // Nothing is sent for a while, and the packet with which speech begins again is lost.
    node.sleep(Duration::from_millis(100));
    speak_with_loss(&mut node, &mut microphone, 5, |sequence| sequence == 65_505);
    let times: Vec<u32> = frames(&node).iter().map(|frame| frame.1 / 960).collect();
    assert_eq!(times, [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    // A number is skipped without a packet of its own: what copies there are was sent before.
    microphone.sequence = microphone.sequence.wrapping_add(1);
    let count = node.subscribers[0].got.len();
    speak_with_loss(&mut node, &mut microphone, 1, |_| false);
    assert_eq!(node.subscribers[0].got.len(), count + 1);
}

#[test]
fn repeats_of_unpacked_audio_are_the_same_bits() {
    let mut node = Node::new(&publish());
    node.add(&listener(&[(Codec::Opus, 109)]), 2);
    let mut microphone = Microphone::new();
    for _ in 0..10 {
        let packet = microphone.speak_red(node.elapsed(), 63, 30);
        node.arrive(&packet);
        node.sleep(PACKET);
    }
    let numbers: Vec<u16> = node.subscribers[0].media().iter().map(|got| got.index as u16).collect();
    node.nack(0, &numbers);
    // The ledger of the subscriber has compared each with its first transmission.
    let repeats = node.subscribers[0].got.iter().filter(|got| got.kind == SendKind::Retransmission).count();
    assert_eq!(repeats, 10);
}

#[test]
fn missing_audio_is_asked_for() {
    let mut node = Node::new(&publish());
    let mut microphone = Microphone::new();
    let mut lost = Vec::new();
    for number in 0..10 {
        let packet = microphone.speak(node.elapsed(), 111, 30);
        if number == 4 {
            lost = packet;
        } else {
            node.arrive(&packet);
        }
        node.sleep(PACKET);
    }
    assert_eq!(node.asked().missing, [(0x1000, 65_534)]);
    assert!(node.arrive(&lost).is_some());
    node.sleep(Duration::from_secs(1));
    assert_eq!(node.asked().missing, []);
}

#[test]
fn silence_suppression_moves_nothing() {
    let mut node = Node::new(&publish());
    node.add(&listener(&[(Codec::Opus, 109)]), 2);
    let mut microphone = Microphone::new();
    for _ in 0..5 {
        for _ in 0..5 {
            let packet = microphone.speak(node.elapsed(), 111, 127);
            node.arrive(&packet);
            node.sleep(PACKET);
        }
        node.sleep(Duration::from_millis(400));
    }
    let media = node.subscribers[0].media();
    let steps: Vec<u32> = media.windows(2).map(|pair| pair[1].timestamp().wrapping_sub(pair[0].timestamp())).collect();
    assert!(steps.iter().enumerate().all(|(at, step)| *step == if at % 5 == 4 { 960 * 21 } else { 960 }), "{steps:?}");
}

fn speaker_events(node: &mut Node) -> Vec<(f32, bool)> {
    std::iter::from_fn(|| node.receive.poll_event())
        .filter_map(|event| match event {
            ForwardEvent::Speaker { level, active, .. } => Some((level, active)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_speaker_is_told_by_steps_and_once_when_done() {
    let mut node = Node::new(&publish());
    let mut microphone = Microphone::new();
    let mut talk = |node: &mut Node, dbov: u8, packets: usize| {
        for _ in 0..packets {
            let packet = microphone.speak(node.elapsed(), 111, dbov);
            node.arrive(&packet);
            node.sleep(PACKET);
        }
    };
    talk(&mut node, 60, 50);
    assert_eq!(speaker_events(&mut node), [], "too quiet");
    talk(&mut node, 10, 100);
    let events = speaker_events(&mut node);
    assert!(events.iter().all(|(level, active)| *active && (level * 8.0).fract() == 0.0 && *level <= 1.0));
    assert_eq!(events.last(), Some(&(0.375, true)), "-10 dBov is 0.32");
    talk(&mut node, 10, 100);
    assert_eq!(speaker_events(&mut node), [], "unchanged");
    talk(&mut node, 127, 50);
    let events = speaker_events(&mut node);
    assert_eq!(events.iter().filter(|(_, active)| !active).count(), 1);
    assert_eq!(events.last(), Some(&(0.0, false)));
    // Packets that stop altogether end the speech as well, and so does muting.
    talk(&mut node, 10, 50);
    assert!(!speaker_events(&mut node).is_empty());
    for _ in 0..50 {
        node.sleep(PACKET);
    }
    assert_eq!(speaker_events(&mut node).last(), Some(&(0.0, false)));
    talk(&mut node, 10, 50);
    assert!(!speaker_events(&mut node).is_empty());
    node.receive.set_muted(node.now, true);
    assert_eq!(speaker_events(&mut node), [(0.0, false)]);
}
