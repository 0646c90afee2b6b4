//! Random calls: loss, repairs, reordering, layer changes, requests. What holds must hold for every seed.
//!
//! The subscribers check by themselves that no index is ever used for two packets and that every repeat on the RTX stream equals its
//! original; see `support::subscriber`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tutti_forward::{LayerTarget, SendKind};
use tutti_rtp::Codec;
use tutti_rtp::payload::vp8::Descriptor;

use crate::support::camera::{Shot, Vp8Encoder};
use crate::support::subscriber::Got;
use crate::support::{Dice, Node, publish_simulcast, subscribe};

const STEP: Duration = Duration::from_millis(11);

/// A call whose network and people throw dice.
struct Call {
    dice: Dice,
    node: Node,
    cameras: Vec<Vp8Encoder>,
    /// What each camera sent, by sequence number.
    sent: Vec<BTreeMap<u16, Vec<u8>>>,
    /// Packets on their way: due step and bytes.
    flying: VecDeque<(u32, Vec<u8>)>,
    loss_percent: u64,
    key_wanted: [bool; 3],
    step: u32,
}

impl Call {
    fn new(seed: u64, loss_percent: u64, rtx: bool) -> Self {
        let mut dice = Dice(seed);
        let mut node = Node::new(&publish_simulcast(Codec::Vp8, 3));
        node.add(&subscribe(Codec::Vp8, rtx), dice.next());
        let rids = ["q", "h", "f"];
        let mut cameras: Vec<Vp8Encoder> =
            (0..3).map(|number| Vp8Encoder::new(Some(rids[number as usize]), number)).collect();
        for camera in &mut cameras {
            camera.sequence = dice.next() as u16;
            camera.picture_id = dice.next() as u16 & 0x7FFF;
        }
        Self {
            dice,
            node,
            cameras,
            sent: vec![BTreeMap::new(); 3],
            flying: VecDeque::new(),
            loss_percent,
            key_wanted: [true; 3],
            step: 0,
        }
    }

    fn run(&mut self, steps: u32) {
        for _ in 0..steps {
            self.step += 1;
            if self.step.is_multiple_of(3) {
                self.shoot();
            }
            self.land();
            self.change_mind();
            self.complain();
            self.node.sleep(STEP);
            self.answer();
        }
    }

    fn shoot(&mut self) {
        let temporal = [0, 2, 1, 2][(self.step / 3) as usize % 4];
        for number in 0..3 {
            let key = self.key_wanted[number] && self.dice.percent(50);
            self.key_wanted[number] &= !key;
            let packets = 1 + self.dice.below(4) as usize;
            let shot = Shot { key, temporal: if key { 0 } else { temporal }, packets };
            let at = self.node.elapsed();
            for packet in self.cameras[number].encode(at, shot) {
                let sequence = u16::from_be_bytes([packet[2], packet[3]]);
                self.sent[number].insert(sequence, packet.clone());
                self.fly(packet);
            }
            if self.dice.percent(5) {
                let probe = self.cameras[number].padding(at);
                self.sent[number].insert(u16::from_be_bytes([probe[2], probe[3]]), probe.clone());
                self.fly(probe);
            }
        }
    }

    /// Sends a packet of the publisher: it is lost, or arrives after one to four steps.
    fn fly(&mut self, packet: Vec<u8>) {
        if !self.dice.percent(self.loss_percent) {
            let delay = if self.loss_percent > 0 && self.dice.percent(10) { 1 + self.dice.below(4) as u32 } else { 1 };
            self.flying.push_back((self.step + delay, packet));
        }
    }

    fn land(&mut self) {
        let mut left = VecDeque::new();
        while let Some((due, packet)) = self.flying.pop_front() {
            if due <= self.step {
                self.node.arrive(&packet);
            } else {
                left.push_back((due, packet));
            }
        }
        self.flying = left;
    }

    /// The subscriber wants something else.
    fn change_mind(&mut self) {
        if self.dice.percent(2) {
            let target = LayerTarget {
                paused: self.dice.percent(10),
                spatial: self.dice.below(4) as u8,
                temporal: self.dice.below(4) as u8,
            };
            self.node.set_target(0, target);
        }
    }

    /// The subscriber misses packets and pictures.
    fn complain(&mut self) {
        if self.dice.percent(20) {
            let media = self.node.subscribers[0].media();
            let count = media.len() as u64;
            let lost: Vec<u16> = (0..3)
                .filter_map(|_| Some(media[self.dice.below(count.max(1)) as usize..].first()?.index as u16))
                .collect();
            self.node.nack(0, &lost);
        }
        if self.dice.percent(1) {
            let (now, layers) = (self.node.now, self.node.receive.layers());
            self.node.subscribers[0].send.handle_key_frame_request(now, layers);
            self.node.settle();
        }
    }

    /// The publisher answers what the node asks.
    fn answer(&mut self) {
        let asked = self.node.asked();
        for ssrc in asked.key_frames {
            self.key_wanted[(ssrc - 0x1000) as usize] = true;
        }
        for (ssrc, sequence) in asked.missing {
            let number = (ssrc - 0x1000) as usize;
            let packet = self.sent[number].get(&sequence).expect("asked for what was sent");
            // Browsers keep no probes.
            if packet[0] & 0x20 == 0 {
                let repair = self.cameras[number].repair(packet);
                self.fly(repair);
            }
        }
    }
}

fn descriptor(got: &Got) -> Option<Descriptor> {
    (got.kind == SendKind::Media).then(|| Descriptor::parse(got.payload()).expect("a descriptor").0)
}

/// Whether a packet opens a key frame.
fn is_key(got: &Got) -> bool {
    let (descriptor, len) = Descriptor::parse(got.payload()).expect("a descriptor");
    descriptor.starts_frame() && got.payload()[len] & 1 == 0
}

/// The packets around a place where something is wrong.
fn story(media: &[&Got], pair: &[&Got]) -> String {
    let near = media.iter().filter(|got| got.index.abs_diff(pair[0].index) < 10);
    let line = |got: &&Got| {
        let frame =
            descriptor(got).map(|it| (it.picture_id.unwrap().value(), it.temporal.unwrap().id, it.partition_start));
        format!("\n{} time {} from {:?} picture, layer, start {frame:?}", got.index, got.timestamp(), got.origin)
    };
    near.map(line).collect()
}

/// What holds whatever happened: time runs on from frame to frame, a frame has one time and one picture id, streams
/// change at key frames.
fn assert_order(media: &[&Got]) {
    for pair in media.windows(2) {
        let (Some(old), Some(new)) = (descriptor(pair[0]), descriptor(pair[1])) else { continue };
        let time = pair[1].timestamp().wrapping_sub(pair[0].timestamp());
        assert!(time < 1 << 31, "time runs back: {}", story(media, pair));
        let id = |descriptor: &Descriptor| descriptor.picture_id.unwrap().value();
        let step = id(&new).wrapping_sub(id(&old)) & 0x7FFF;
        assert!(step < 1 << 14, "picture ids run back: {}", story(media, pair));
        assert_eq!(step == 0, time == 0, "one picture, one time: {}", story(media, pair));
        if pair[1].index == pair[0].index + 1 {
            assert_eq!(step > 0, new.starts_frame());
            assert!(pair[0].origin.unwrap().0 == pair[1].origin.unwrap().0 || is_key(pair[1]), "switched elsewhere");
            // Before a key frame taken up anew, room is left for frames that are missing.
            assert!(step <= 1 || is_key(pair[1]), "nothing lies between: {}", story(media, pair));
        }
    }
}

#[test]
fn without_loss_the_subscriber_sees_one_flawless_stream() {
    for seed in 0..60 {
        let mut call = Call::new(seed, 0, seed % 2 == 0);
        call.run(900);
        let subscriber = &call.node.subscribers[0];
        assert_eq!(subscriber.holes(), [], "seed {seed}");
        let media = subscriber.media();
        assert!(media.len() > 100, "seed {seed} tells nothing");
        assert_order(&media);
        assert!(media.iter().all(|got| got.kind == SendKind::Media), "seed {seed}");
        assert!(subscriber.send.counters().switches > 2, "seed {seed}");
    }
}

#[test]
fn with_loss_the_holes_are_what_never_came() {
    for seed in 100..160 {
        let mut call = Call::new(seed, 10 + seed % 4 * 10, seed % 2 == 0);
        call.run(900);
        let subscriber = &call.node.subscribers[0];
        let media = subscriber.media();
        assert!(media.len() > 100, "seed {seed} tells nothing");
        assert_order(&media);
        // A hole is a packet of the publisher that was lost and not repaired while its stream was forwarded. Those
        // are told of: given up, or on the way when the stream changed.
        let counters = call.node.receive.counters();
        let late = subscriber.send.counters().late;
        let unrepaired: u64 =
            call.sent.iter().map(|sent| sent.len() as u64).sum::<u64>().saturating_sub(counters.packets);
        let holes = subscriber.holes().len() as u64;
        assert!(holes <= unrepaired + late, "seed {seed}: {holes} holes, {unrepaired} lost, {late} late");
        assert!(counters.recovered > 10, "seed {seed}: {counters:?}");
    }
}
