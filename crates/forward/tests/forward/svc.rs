//! Spatial layers inside one stream: what is left out, where it may change, and what the receiver is told.

use std::time::Duration;

use tutti_forward::{LayerMode, LayerTarget};
use tutti_rtp::payload::dependency::Reader;
use tutti_rtp::payload::vp9;
use tutti_rtp::{Codec, Extension};

use crate::support::subscriber::Got;
use crate::support::svc::{Dependence, SvcEncoder};
use crate::support::{Node, publish_single, subscribe, subscriber_extensions};

const FRAME: Duration = Duration::from_millis(33);

struct Call {
    node: Node,
    camera: SvcEncoder,
    codec: Codec,
    dependence: Dependence,
    pictures: usize,
    /// Spatial layers that VP9 pictures have.
    layers: u8,
}

impl Call {
    fn new(codec: Codec, dependence: Dependence) -> Self {
        let mut node = Node::new(&publish_single(codec, LayerMode::Svc));
        node.add(&subscribe(codec, true), 42);
        Self { node, camera: SvcEncoder::new(), codec, dependence, pictures: 0, layers: 3 }
    }

    fn picture(&mut self, key: bool) {
        let temporal = if key || self.camera.described { 0 } else { [0, 2, 1, 2][self.pictures % 4] };
        self.pictures = if key { 1 } else { self.pictures + 1 };
        let at = self.node.elapsed();
        let packets = match self.codec {
            Codec::Vp9 => self.camera.vp9(at, key, temporal, self.layers, self.dependence),
            _ => self.camera.av1(at, key, self.dependence),
        };
        for packet in packets {
            self.node.arrive(&packet);
        }
        self.node.sleep(FRAME);
    }

    fn pictures(&mut self, count: usize) {
        (0..count).for_each(|_| self.picture(false));
    }

    fn target(&mut self, spatial: u8, temporal: u8) {
        self.node.set_target(0, LayerTarget { paused: false, spatial, temporal });
    }

    fn media(&self) -> Vec<&Got> {
        self.node.subscribers[0].media()
    }

    /// For each picture the spatial layers that came, and that its last packet alone says so.
    fn layers_of_pictures(&self) -> Vec<Vec<u8>> {
        let media = self.media();
        assert_eq!(self.node.subscribers[0].holes(), []);
        let mut reader = Reader::default();
        let id = subscriber_extensions().id(Extension::DependencyDescriptor).unwrap();
        let mut pictures: Vec<(u32, bool, Vec<u8>)> = Vec::new();
        for got in media {
            let packet = got.packet();
            let spatial = match self.codec {
                Codec::Vp9 => vp9::Descriptor::parse(packet.payload()).unwrap().0.spatial(),
                _ => reader.read(packet.extension(id).unwrap()).unwrap().spatial,
            };
            match pictures.last_mut() {
                Some((time, ended, layers)) if *time == got.timestamp() => {
                    assert!(!*ended, "a marker comes last");
                    *ended = packet.marker();
                    if layers.last() != Some(&spatial) {
                        layers.push(spatial);
                    }
                }
                _ => pictures.push((got.timestamp(), packet.marker(), vec![spatial])),
            }
        }
        assert!(pictures.iter().all(|(_, ended, _)| *ended), "every picture ends with a marker");
        pictures.into_iter().map(|(_, _, layers)| layers).collect()
    }
}

#[test]
fn spatial_layers_of_vp9_go_down_at_once_and_up_at_key_pictures() {
    let mut call = Call::new(Codec::Vp9, Dependence::Full);
    call.picture(true);
    call.pictures(2);
    call.target(1, 7);
    call.pictures(2);
    call.target(0, 7);
    call.pictures(1);
    call.node.sleep(Duration::from_secs(1));
    call.node.asked();
    call.target(2, 7);
    call.pictures(2);
    assert_eq!(call.node.asked().key_frames, [0x1000]);
    call.picture(true);
    call.pictures(1);
    let all = vec![0, 1, 2];
    let expected =
        [all.clone(), all.clone(), all.clone(), vec![0, 1], vec![0, 1], vec![0], vec![0], vec![0], all.clone(), all];
    assert_eq!(call.layers_of_pictures(), expected);
}

#[test]
fn temporal_layers_of_vp9_go_up_at_switching_points() {
    let mut call = Call::new(Codec::Vp9, Dependence::Full);
    call.target(2, 0);
    call.picture(true);
    call.pictures(7);
    assert_eq!(call.layers_of_pictures().len(), 2);
    call.target(2, 7);
    call.pictures(4);
    let temporal: Vec<u8> = call
        .media()
        .iter()
        .map(|got| vp9::Descriptor::parse(got.payload()).unwrap().0.temporal())
        .collect::<Vec<_>>()
        .chunks(6)
        .map(|picture| picture[0])
        .collect();
    assert_eq!(temporal, [0, 0, 0, 2, 1, 2]);
}

/// VP9 with layers that rest on each other in key pictures only, told by its own descriptor or by decode targets.
fn separate_layers(structured: bool, described: bool) -> Call {
    let mut call = Call::new(Codec::Vp9, Dependence::Key);
    (call.camera.structured, call.camera.described) = (structured, described);
    call
}

#[test]
fn layers_of_vp9_that_are_of_no_use_are_left_out() {
    for (structured, described) in [(true, false), (false, false), (false, true)] {
        for (wanted, spatial) in [(0, 0), (1, 1), (2, 2), (7, 2)] {
            let mut call = separate_layers(structured, described);
            call.target(wanted, 7);
            call.picture(true);
            // How the stream is made is seen in the first picture that refers to an earlier one.
            call.pictures(1);
            call.pictures(4);
            call.picture(true);
            call.pictures(4);
            let pictures = call.layers_of_pictures();
            let whole: Vec<u8> = (0..=spatial).collect();
            assert_eq!((&pictures[0], &pictures[6]), (&whole, &whole), "{wanted} {structured} {described}");
            assert!(pictures[2..6].iter().chain(&pictures[7..]).all(|picture| *picture == [spatial]), "{pictures:?}");
            assert_eq!(call.node.asked().key_frames, [], "there is nothing to wait for");
        }
    }
}

#[test]
fn separate_layers_of_vp9_change_at_key_pictures() {
    for described in [false, true] {
        let mut call = separate_layers(true, described);
        call.picture(true);
        call.pictures(2);
        call.node.sleep(Duration::from_secs(1));
        call.node.asked();
        for (wanted, before) in [(1, 2), (0, 1), (2, 0)] {
            call.target(wanted, 7);
            let first = call.layers_of_pictures().len();
            call.pictures(2);
            assert_eq!(call.node.asked().key_frames, [0x1000], "{wanted}");
            call.picture(true);
            call.pictures(2);
            let pictures = call.layers_of_pictures();
            let whole: Vec<u8> = (0..=wanted).collect();
            let expected = [vec![before], vec![before], whole, vec![wanted], vec![wanted]];
            assert_eq!(pictures[first..], expected, "{wanted} {described}");
            call.node.sleep(Duration::from_secs(1));
        }
        // Nothing was left out since the key picture: down at once.
        call.picture(true);
        call.target(1, 7);
        let first = call.layers_of_pictures().len();
        call.pictures(2);
        assert_eq!(call.layers_of_pictures()[first..], [[1], [1]], "{described}");
        // With decode targets it is not known beforehand.
        assert!(described || call.node.asked().key_frames.is_empty());
    }
}

#[test]
fn a_layer_of_vp9_that_stops_is_left_with_a_key_picture() {
    let mut call = separate_layers(true, false);
    call.picture(true);
    call.pictures(3);
    call.node.sleep(Duration::from_secs(1));
    call.node.asked();
    call.layers = 2;
    call.pictures(2);
    assert_eq!(call.node.asked().key_frames, [], "it may come back");
    call.pictures(2);
    assert_eq!(call.node.asked().key_frames, [0x1000]);
    call.picture(true);
    call.pictures(2);
    let pictures = call.layers_of_pictures();
    assert_eq!(pictures[4..], [vec![0, 1], vec![1], vec![1]]);
}

#[test]
fn temporal_layers_of_vp9_are_left_out_of_the_one_layer_that_is_sent() {
    let mut call = separate_layers(true, false);
    call.target(1, 1);
    call.picture(true);
    call.pictures(8);
    let layers: Vec<_> = call.media()[4..].iter().map(|got| vp9::Descriptor::parse(got.payload()).unwrap().0).collect();
    assert!(layers.iter().all(|it| it.temporal() <= 1));
    assert!(layers[2..].iter().all(|it| it.spatial() == 1));
    assert_eq!(call.layers_of_pictures().len(), 5);
}

#[test]
fn decode_targets_of_av1_select_frames() {
    // (dependence, target, layers of a delta picture)
    let cases: [(Dependence, u8, &[u8]); 6] = [
        (Dependence::Full, 2, &[0, 1, 2]),
        (Dependence::Full, 1, &[0, 1]),
        (Dependence::Full, 0, &[0]),
        (Dependence::Key, 2, &[2]),
        (Dependence::Key, 1, &[1]),
        (Dependence::Key, 0, &[0]),
    ];
    for (dependence, spatial, delta) in cases {
        let mut call = Call::new(Codec::Av1, dependence);
        call.target(spatial, 7);
        call.picture(true);
        call.pictures(3);
        let pictures = call.layers_of_pictures();
        assert_eq!(pictures[0], (0..=spatial).collect::<Vec<_>>(), "{dependence:?} {spatial}");
        assert!(pictures[1..].iter().all(|picture| picture == delta), "{dependence:?} {spatial}: {pictures:?}");
    }
}

#[test]
fn decode_targets_of_av1_change_where_the_descriptor_allows() {
    let mut call = Call::new(Codec::Av1, Dependence::Full);
    call.picture(true);
    call.pictures(1);
    call.target(1, 7);
    call.pictures(1);
    call.node.sleep(Duration::from_secs(2));
    assert_eq!(call.node.asked().key_frames, []);
    // Every frame of the highest layer says that one may switch to it, but rests on the one before.
    call.target(2, 7);
    call.pictures(2);
    assert_eq!(call.node.asked().key_frames, [0x1000]);
    call.picture(true);
    call.pictures(1);
    let pictures = call.layers_of_pictures();
    assert_eq!(pictures[2], [0, 1], "down at the next picture");
    assert_eq!(pictures[3..5], [[0, 1], [0, 1]]);
    assert_eq!(pictures[5..], [[0, 1, 2], [0, 1, 2]], "up at the key picture");

    let mut call = Call::new(Codec::Av1, Dependence::Key);
    call.picture(true);
    call.node.sleep(Duration::from_secs(1));
    call.node.asked();
    call.target(0, 7);
    call.pictures(2);
    call.target(2, 7);
    call.pictures(1);
    call.picture(true);
    call.pictures(1);
    call.target(0, 7);
    call.target(2, 7);
    call.pictures(1);
    call.target(0, 7);
    call.pictures(2);
    let pictures = call.layers_of_pictures();
    assert_eq!(pictures[1..3], [[0], [0]], "it rests on the key picture, which was forwarded whole");
    assert_eq!(pictures[3], [0], "up takes a key picture");
    assert_eq!(pictures[5..], [[2], [2], [2], [2]], "down as well, once the lower frames were left out");
}

#[test]
fn the_receiver_is_told_which_decode_targets_it_gets() {
    let mut call = Call::new(Codec::Av1, Dependence::Full);
    call.target(1, 7);
    call.picture(true);
    call.pictures(1);
    call.target(0, 7);
    call.pictures(2);
    let id = subscriber_extensions().id(Extension::DependencyDescriptor).unwrap();
    let mut reader = Reader::default();
    let masks: Vec<_> = call
        .media()
        .iter()
        .map(|got| reader.read(got.packet().extension(id).unwrap()).unwrap())
        .filter(|descriptor| descriptor.start_of_frame)
        .map(|descriptor| (descriptor.spatial, descriptor.active_targets))
        .collect();
    let expected = [(0, Some(0b011)), (1, None), (0, None), (1, None), (0, Some(0b001)), (0, None)];
    assert_eq!(masks[0], expected[0]);
    assert_eq!(masks[2..], expected[2..], "{masks:?}");
}
