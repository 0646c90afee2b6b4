//! Key frames of H.264 and H.265 however they are packetized: a viewer gets them from their first packet on.

use std::time::Duration;

use tutti_forward::{LayerMode, LayerTarget};
use tutti_rtp::{Codec, HeaderExtensions, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};

use crate::support::camera::{origin, packet};
use crate::support::{Node, publish_single, subscribe};

const FRAME: Duration = Duration::from_millis(33);

/// Units of an access unit, by the first bytes that tell what they are.
const H264: Units = Units {
    codec: Codec::H264,
    delimiter: &[0x09, 0x30],
    parameters: &[&[0x67, 0x42], &[0x68, 0xCE]],
    sei: &[0x06, 0x05],
    key: &[0x65, 0x88],
    key_more: &[0x65, 0x08],
    delta: &[0x41, 0x9A],
    aggregate: &[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xCE, 0, 13, 0x06],
    fragments: [&[0x7C, 0x85, 0x88], &[0x7C, 0x05], &[0x7C, 0x45]],
};
const H265: Units = Units {
    codec: Codec::H265,
    delimiter: &[0x46, 0x01, 0x50],
    parameters: &[&[0x40, 0x01, 0x0C], &[0x42, 0x01, 0x01], &[0x44, 0x01, 0xC0]],
    sei: &[0x4E, 0x01, 0x05],
    key: &[0x26, 0x01, 0xA0],
    key_more: &[0x26, 0x01, 0x20],
    delta: &[0x02, 0x01, 0xD0],
    aggregate: &[0x60, 1, 0, 3, 0x40, 1, 0x0C, 0, 3, 0x42, 1, 1, 0, 3, 0x44, 1, 0xC0, 0, 14, 0x4E, 1],
    fragments: [&[0x62, 0x01, 0x93, 0xA0], &[0x62, 0x01, 0x13], &[0x62, 0x01, 0x53]],
};

#[derive(Clone, Copy)]
struct Units {
    codec: Codec,
    delimiter: &'static [u8],
    parameters: &'static [&'static [u8]],
    sei: &'static [u8],
    key: &'static [u8],
    key_more: &'static [u8],
    delta: &'static [u8],
    /// The parameter sets in one packet, and the head of an SEI unit that holds the origin.
    aggregate: &'static [u8],
    /// The key frame's slice in three.
    fragments: [&'static [u8]; 3],
}

impl Units {
    /// Key frames as senders packetize them.
    fn layouts(&self) -> Vec<(&'static str, Vec<&'static [u8]>)> {
        let parameters = || self.parameters.to_vec();
        let [first, middle, last] = self.fragments;
        vec![
            ("slice alone", vec![self.key]),
            ("parameter sets in packets of their own", [parameters(), vec![self.key]].concat()),
            ("delimiter first", [vec![self.delimiter], parameters(), vec![self.sei, self.key]].concat()),
            ("SEI first", [vec![self.sei], parameters(), vec![self.key]].concat()),
            ("delimiter and SEI, no parameter sets", vec![self.delimiter, self.sei, self.key]),
            ("aggregate", vec![self.aggregate, self.key]),
            ("aggregate behind a delimiter", vec![self.delimiter, self.aggregate, self.sei, self.key]),
            ("fragments", [parameters(), vec![first, middle, last]].concat()),
            ("fragments behind a delimiter", vec![self.delimiter, self.aggregate, first, middle, last]),
            ("several slices", vec![self.delimiter, self.sei, self.key, self.key_more, self.key_more]),
        ]
    }
}

struct Call {
    node: Node,
    units: Units,
    sequence: u16,
    /// Sequence numbers that are lost.
    lost: Vec<u16>,
    late: Vec<Vec<u8>>,
    /// Every packet of an access unit has a marker.
    marks_all: bool,
}

impl Call {
    fn new(units: Units) -> Self {
        let node = Node::new(&publish_single(units.codec, LayerMode::Simulcast));
        Self { node, units, sequence: 65_530, lost: Vec::new(), late: Vec::new(), marks_all: false }
    }

    fn watch(&mut self) {
        self.node.add(&subscribe(self.units.codec, true), 42);
        self.node.settle();
    }

    fn access_unit(&mut self, units: &[&[u8]]) {
        for (number, unit) in units.iter().enumerate() {
            let header = RtpHeader {
                marker: self.marks_all || number + 1 == units.len(),
                payload_type: 96,
                sequence: SequenceNumber(self.sequence),
                timestamp: RtpTimestamp((self.node.elapsed().as_micros() * 9 / 100) as u32),
                ssrc: Ssrc(0x1000),
                padding: false,
            };
            let payload = [unit.to_vec(), origin(0x1000, self.sequence)].concat();
            let extensions = HeaderExtensions { mid: Some("1"), ..HeaderExtensions::default() };
            let bytes = packet(&header, &extensions, &payload);
            if self.lost.contains(&self.sequence) {
                self.late.push(bytes);
            } else {
                self.node.arrive(&bytes);
            }
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.node.sleep(FRAME);
    }

    fn deltas(&mut self, count: usize) {
        (0..count).for_each(|_| self.access_unit(&[self.units.delta]));
    }

    /// The publisher's sequence numbers that the viewer got, in the order of its own.
    fn got(&self) -> Vec<u16> {
        assert_eq!(self.node.subscribers[0].holes(), []);
        self.node.subscribers[0].media().iter().map(|got| got.origin.unwrap().1).collect()
    }

    fn from(&self, first: u16) -> Vec<u16> {
        (0..self.sequence.wrapping_sub(first)).map(|at| first.wrapping_add(at)).collect()
    }
}

#[test]
fn a_viewer_gets_a_key_frame_from_its_first_packet_on() {
    for units in [H264, H265] {
        for (name, layout) in units.layouts() {
            for marks_all in [false, true] {
                // There from the beginning.
                let mut call = Call { marks_all, ..Call::new(units) };
                call.watch();
                call.deltas(3);
                let first = call.sequence;
                call.access_unit(&layout);
                call.deltas(3);
                assert_eq!(call.got(), call.from(first), "{:?}, {name}", units.codec);
                assert_eq!(call.node.receive.counters().key_frames, 1, "{:?}, {name}", units.codec);

                // Comes when the key frame lies in the ring.
                let mut call = Call { marks_all, ..Call::new(units) };
                call.deltas(3);
                let first = call.sequence;
                call.access_unit(&layout);
                call.deltas(3);
                call.watch();
                call.deltas(1);
                assert_eq!(call.got(), call.from(first), "{:?}, {name}", units.codec);
                assert_eq!(call.node.subscribers[0].send.counters().key_frame_requests, 0);

                // Was paused.
                call.node.set_target(0, LayerTarget { paused: true, ..LayerTarget::ALL });
                call.deltas(40);
                call.node.set_target(0, LayerTarget::ALL);
                let before = call.got();
                let first = call.sequence;
                call.access_unit(&layout);
                assert_eq!(call.got(), [before, call.from(first)].concat(), "{:?}, {name}", units.codec);
            }
        }
    }
}

#[test]
fn a_key_frame_without_its_first_packets_opens_nothing_until_they_come() {
    for units in [H264, H265] {
        // The first two of the access unit are lost: nobody knows whether parameter sets were among them.
        let mut call = Call::new(units);
        call.watch();
        call.deltas(2);
        let first = call.sequence;
        call.lost = vec![first, first.wrapping_add(1)];
        call.access_unit(&[units.delimiter, units.sei, units.key, units.key_more]);
        call.deltas(2);
        assert_eq!(call.got(), []);
        for packet in std::mem::take(&mut call.late).iter().rev() {
            call.node.arrive(packet);
        }
        call.deltas(1);
        assert_eq!(call.got(), call.from(first));

        // The delimiter alone is lost, the parameter sets are there.
        let mut call = Call::new(units);
        call.watch();
        call.deltas(2);
        let first = call.sequence;
        call.lost = vec![first];
        call.access_unit(&[units.delimiter, units.aggregate, units.key]);
        call.deltas(2);
        assert_eq!(call.got(), call.from(first.wrapping_add(1)));
        call.node.arrive(&call.late[0].clone());
        assert_eq!(call.got(), call.from(first.wrapping_add(1)), "what came before it is of no use any more");
    }
}

#[test]
fn sub_layers_of_h265_come_back_at_an_access_picture_behind_a_delimiter() {
    let mut call = Call::new(H265);
    call.watch();
    call.node.set_target(0, LayerTarget { temporal: 0, ..LayerTarget::ALL });
    call.access_unit(&[H265.delimiter, H265.aggregate, H265.key]);
    // Of sub-layer 1: a delimiter, and a slice on which later pictures of the sub-layer rest, or which begins it.
    let (delimiter, trailing, access): ([u8; 3], [u8; 3], [u8; 3]) =
        ([0x46, 0x02, 0x50], [0x02, 0x02, 0xD0], [0x06, 0x02, 0xD0]);
    call.access_unit(&[&delimiter, &trailing]);
    call.node.set_target(0, LayerTarget::ALL);
    call.access_unit(&[&delimiter, &trailing]);
    let (before, first) = (call.got(), call.sequence);
    assert_eq!(before.len(), 3);
    call.access_unit(&[&delimiter, &access]);
    call.access_unit(&[&delimiter, &trailing]);
    assert_eq!(call.got(), [before, call.from(first.wrapping_add(1))].concat(), "the first delimiter is not needed");
}
