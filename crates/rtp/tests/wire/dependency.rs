//! The dependency descriptor: built bit by bit, and as Chromium sends it for each codec.

use proptest::prelude::*;
use tutti_rtp::payload::FrameSize;
use tutti_rtp::payload::dependency::{
    Descriptor, Indication, REFERENCES_MAX, Reader, set_frame_number, write_active_targets,
};
use tutti_rtp::{Error, RtpPacket};

use crate::bits::BitWriter;
use crate::cases;
use crate::samples::{self, hex};

const WHAT: &str = "dependency descriptor";

/// A structure as a sender would write it.
#[derive(Debug, Clone)]
struct Plan {
    id_offset: u8,
    /// For each template: how it follows the one before (0 same layer, 1 next temporal, 2 next spatial).
    layers: Vec<u32>,
    targets: u32,
    indications: Vec<Vec<u32>>,
    references: Vec<Vec<u32>>,
    protected_by: Vec<u32>,
    chains: u32,
    chain_differences: Vec<Vec<u32>>,
    sizes: Option<Vec<(u32, u32)>>,
}

impl Plan {
    /// Two temporal layers, two decode targets, one chain, one size.
    fn two_temporal_layers() -> Self {
        Self {
            id_offset: 62,
            layers: vec![0, 0, 1],
            targets: 2,
            indications: vec![vec![2, 2], vec![2, 2], vec![0, 1]],
            references: vec![vec![], vec![2], vec![1]],
            protected_by: vec![0, 0],
            chains: 1,
            chain_differences: vec![vec![0], vec![2], vec![1]],
            sizes: Some(vec![(640, 360)]),
        }
    }

    fn write(&self, bits: &mut BitWriter) {
        bits.put(self.id_offset.into(), 6).put(self.targets - 1, 5);
        for follows in &self.layers[1..] {
            bits.put(*follows, 2);
        }
        bits.put(3, 2);
        for indication in self.indications.iter().flatten() {
            bits.put(*indication, 2);
        }
        for references in &self.references {
            for difference in references {
                bits.put(1, 1).put(difference - 1, 4);
            }
            bits.put(0, 1);
        }
        bits.put_non_symmetric(self.chains, self.targets + 1);
        if self.chains > 0 {
            for chain in &self.protected_by {
                bits.put_non_symmetric(*chain, self.chains);
            }
            for difference in self.chain_differences.iter().flatten() {
                bits.put(*difference, 4);
            }
        }
        bits.put(self.sizes.is_some().into(), 1);
        for (width, height) in self.sizes.iter().flatten() {
            bits.put(width - 1, 16).put(height - 1, 16);
        }
    }

    /// Spatial and temporal layer of each template.
    fn template_layers(&self) -> Vec<(u8, u8)> {
        let mut at = (0, 0);
        self.layers
            .iter()
            .map(|follows| {
                at = match follows {
                    0 => at,
                    1 => (at.0, at.1 + 1),
                    _ => (at.0 + 1, 0),
                };
                at
            })
            .collect()
    }
}

fn mandatory(start: bool, end: bool, template: u32, number: u16) -> BitWriter {
    let mut bits = BitWriter::default();
    bits.put(start.into(), 1).put(end.into(), 1).put(template % 64, 6).put(number.into(), 16);
    bits
}

/// The descriptor of a key frame that brings `plan`.
fn key_frame(plan: &Plan, number: u16) -> Vec<u8> {
    let mut bits = mandatory(true, true, plan.id_offset.into(), number);
    bits.put(0b10000, 5);
    plan.write(&mut bits);
    bits.bytes()
}

#[test]
fn a_structure_and_the_frames_that_rest_on_it() {
    let plan = Plan::two_temporal_layers();
    let mut reader = Reader::default();
    let key = reader.read(&key_frame(&plan, 7)).unwrap();
    assert!(key.is_key_frame() && key.structure_attached && key.start_of_frame && key.end_of_frame);
    assert_eq!((key.frame_number, key.spatial, key.temporal, key.active_targets), (7, 0, 0, None));
    assert_eq!(key.size, Some(FrameSize { width: 640, height: 360 }));
    assert_eq!(key.indications.iter().collect::<Vec<_>>(), [Indication::Switch; 2]);

    let structure = reader.structure().unwrap();
    assert_eq!((structure.decode_targets(), structure.chains(), structure.spatial_layers()), (2, 1, 1));
    assert_eq!((structure.target_layers(0), structure.target_layers(1)), (Some((0, 0)), Some((0, 1))));
    assert_eq!((structure.target_layers(2), structure.target_with_layers(0, 1)), (None, Some(1)));
    assert_eq!((structure.chain_of_target(1), structure.chain_of_target(2)), (Some(0), None));

    // Template ids wrap at 64: 62, 63, 0.
    let upper = reader.read(&mandatory(true, false, 0, 8).bytes()).unwrap();
    assert_eq!((upper.temporal, upper.start_of_frame, upper.end_of_frame), (1, true, false));
    assert_eq!(upper.references.as_slice(), [1]);
    assert_eq!(upper.chains.as_slice(), [1]);
    assert_eq!(upper.indications.get(0), Indication::NotPresent);
    assert_eq!(upper.indications.get(1), Indication::Discardable);
    assert_eq!(upper.indications.get(2), Indication::NotPresent);
    assert!(!upper.is_key_frame());
    assert_eq!(reader.read(&mandatory(true, true, 1, 9).bytes()), Err(Error::UnknownTemplate));
}

#[test]
fn frames_can_depart_from_their_template() {
    let mut reader = Reader::default();
    reader.read(&key_frame(&Plan::two_temporal_layers(), 7)).unwrap();
    let mut bits = mandatory(true, true, 63, 8);
    bits.put(0b01111, 5).put(0b01, 2);
    bits.put(0b11_01, 4);
    bits.put(1, 2).put(4, 4).put(2, 2).put(200, 8).put(3, 2).put(4000, 12).put(0, 2);
    bits.put(99, 8);
    let custom = reader.read(&bits.bytes()).unwrap();
    assert_eq!(custom.active_targets, Some(0b01));
    assert_eq!(custom.indications.iter().collect::<Vec<_>>(), [Indication::Required, Indication::Discardable]);
    assert_eq!(custom.references.as_slice(), [5, 201, 4001]);
    assert_eq!(custom.chains.as_slice(), [99]);
}

#[test]
fn a_new_structure_takes_the_place_of_the_old_if_it_is_whole() {
    let mut reader = Reader::default();
    assert_eq!(reader.read(&mandatory(true, true, 0, 1).bytes()), Err(Error::UnknownTemplate));
    assert!(reader.structure().is_none());
    let first = Plan::two_temporal_layers();
    reader.read(&key_frame(&first, 1)).unwrap();
    let second = Plan { id_offset: 3, sizes: None, ..first };
    let bytes = key_frame(&second, 2);
    for len in 0..bytes.len() {
        let before = reader.structure().cloned();
        let result = reader.read(&bytes[..len]);
        assert_eq!(reader.structure().cloned(), before, "{len} bytes");
        assert!(result.is_err(), "{len} bytes");
    }
    reader.read(&bytes).unwrap();
    assert_eq!(reader.structure().unwrap().size(0), None);
    assert!(reader.read(&mandatory(true, true, 4, 3).bytes()).is_ok());
    assert_eq!(reader.read(&mandatory(true, true, 61, 3).bytes()), Err(Error::UnknownTemplate));
}

#[test]
fn refuses_structures_over_the_limits() {
    let malformed = |result: Result<Descriptor, Error>| match result {
        Err(Error::Malformed { what, .. }) => what == WHAT,
        _ => false,
    };
    let base = Plan::two_temporal_layers();
    let wide = |layers: Vec<u32>| {
        let count = layers.len();
        Plan {
            layers,
            indications: vec![vec![2, 2]; count],
            references: vec![vec![]; count],
            chain_differences: vec![vec![0]; count],
            sizes: None,
            ..base.clone()
        }
    };
    for (layers, fits) in [
        (vec![0; 64], true),
        (vec![0; 65], false),
        ([vec![0], vec![1; 7]].concat(), true),
        ([vec![0], vec![1; 8]].concat(), false),
        ([vec![0], vec![2; 3]].concat(), true),
        ([vec![0], vec![2; 4]].concat(), false),
    ] {
        let result = Reader::default().read(&key_frame(&wide(layers.clone()), 1));
        assert_eq!(result.is_ok(), fits, "{layers:?}");
        assert_eq!(malformed(result), !fits, "{layers:?}");
    }
    let many = |count| Plan { references: vec![vec![1; count], vec![2], vec![1]], ..base.clone() };
    assert!(Reader::default().read(&key_frame(&many(REFERENCES_MAX), 1)).is_ok());
    assert!(malformed(Reader::default().read(&key_frame(&many(REFERENCES_MAX + 1), 1))));
}

#[test]
fn patches_the_frame_number() {
    let mut bytes = hex("c00001 c00318");
    set_frame_number(&mut bytes, 0xabcd);
    assert_eq!(bytes, hex("c0abcd c00318"));
    set_frame_number(&mut [1, 2], 0xabcd);
}

#[test]
fn patches_the_active_targets() {
    let plan = Plan::two_temporal_layers();
    let key = key_frame(&plan, 7);
    let mut reader = Reader::default();
    reader.read(&key).unwrap();
    let structure = reader.structure().cloned();

    let mut custom = mandatory(true, true, 63, 8);
    custom.put(0b01010, 5).put(0b11, 2).put(1, 2).put(4, 4).put(0, 2);
    for (name, data) in [("key", key), ("plain", mandatory(true, true, 0, 9).bytes()), ("custom", custom.bytes())] {
        let before = reader.read(&data).unwrap();
        let mut out = [0xff; 64];
        let len = write_active_targets(&data, structure.as_ref(), 0xffff_fff1, &mut out).unwrap();
        assert!(len <= data.len() + 5, "{name}");
        let after = reader.read(&out[..len]).unwrap();
        assert_eq!(after, Descriptor { active_targets: Some(0b01), ..before }, "{name}");
        for room in 0..len {
            let no_room = Err(Error::NoRoom { what: WHAT });
            assert_eq!(write_active_targets(&data, structure.as_ref(), 1, &mut out[..room]), no_room, "{name}");
        }
    }
    let plain = mandatory(true, true, 0, 9).bytes();
    assert_eq!(write_active_targets(&plain, None, 1, &mut [0; 64]), Err(Error::UnknownTemplate));
}

/// The descriptors of a sample, in order.
fn sample(file: &str) -> (Reader, Vec<(bool, Descriptor)>) {
    let mut reader = Reader::default();
    let mut descriptors = vec![];
    for bytes in samples::packets(file) {
        let packet = RtpPacket::parse(&bytes).unwrap();
        let data = packet.read_extensions(&samples::ids()).dependency_descriptor.expect("every packet has one");
        descriptors.push((packet.marker(), reader.read(data).unwrap()));
    }
    (reader, descriptors)
}

#[test]
fn chromium_describes_every_codec() {
    for (name, file, spatial, temporal, targets) in [
        ("VP8 L1T3", samples::VP8, 1, 3, 3),
        ("VP9 L2T3_KEY", samples::VP9, 2, 3, 6),
        ("AV1 L2T2", samples::AV1, 2, 2, 4),
        ("H264", samples::H264, 1, 1, 1),
    ] {
        let (reader, descriptors) = sample(file);
        let structure = reader.structure().unwrap();
        assert_eq!(structure.decode_targets(), targets, "{name}");
        let layers: Vec<_> = (0..targets).map(|target| structure.target_layers(target).unwrap()).collect();
        let expected: Vec<_> =
            (0..spatial).flat_map(|spatial| (0..temporal).map(move |temporal| (spatial, temporal))).collect();
        assert_eq!(layers, expected, "{name}");
        let top = FrameSize { width: 640, height: 360 };
        let told = structure.size(structure.spatial_layers() - 1);
        assert_eq!(told, (name != "H264").then_some(top), "{name}");

        assert!(descriptors[0].1.is_key_frame(), "{name}");
        let mut open = false;
        let mut number = descriptors[0].1.frame_number.wrapping_sub(1);
        for (marker, descriptor) in descriptors {
            assert_eq!(descriptor.start_of_frame, !open, "{name}: a frame starts where the last ended");
            if descriptor.start_of_frame {
                number = number.wrapping_add(1);
            }
            assert_eq!(descriptor.frame_number, number, "{name}");
            open = !descriptor.end_of_frame;
            assert!(!marker || descriptor.end_of_frame, "{name}");
            assert!(descriptor.references.as_slice().iter().all(|difference| *difference <= number), "{name}");
        }
    }
}

prop_compose! {
    fn any_plan()(
        layers in prop::collection::vec(0u32..3, 0..20),
        targets in 1u32..=32,
        id_offset in 0u8..64,
        chains in 0u32..=32,
        with_sizes in any::<bool>(),
    )(
        indications in prop::collection::vec(prop::collection::vec(0u32..4, targets as usize), layers.len() + 1),
        references in prop::collection::vec(prop::collection::vec(1u32..=16, 0..=4), layers.len() + 1),
        protected_by in prop::collection::vec(0..chains.min(targets).max(1), targets as usize),
        chain_differences in
            prop::collection::vec(prop::collection::vec(0u32..16, chains.min(targets) as usize), layers.len() + 1),
        sizes in prop::collection::vec((1u32..=65536, 1u32..=65536), 4),
        layers in Just(layers), targets in Just(targets), id_offset in Just(id_offset),
        chains in Just(chains.min(targets)), with_sizes in Just(with_sizes),
    ) -> Plan {
        let mut all = vec![0];
        let (mut spatial, mut temporal) = (0, 0);
        for follows in layers {
            let follows = match follows {
                1 if temporal == 7 => 0,
                2 if spatial == 3 => 0,
                follows => follows,
            };
            match follows {
                1 => temporal += 1,
                2 => (spatial, temporal) = (spatial + 1, 0),
                _ => {}
            }
            all.push(follows);
        }
        let sizes = with_sizes.then(|| sizes[..=spatial].to_vec());
        Plan { id_offset, layers: all, targets, indications, references, protected_by, chains, chain_differences, sizes }
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_structure_is_read_back(plan in any_plan(), number: u16) {
        let bytes = key_frame(&plan, number);
        let mut reader = Reader::default();
        reader.read(&bytes).unwrap();
        let structure = reader.structure().unwrap();
        prop_assert_eq!(u32::from(structure.decode_targets()), plan.targets);
        prop_assert_eq!(u32::from(structure.chains()), plan.chains);
        for (index, template) in structure.templates().iter().enumerate() {
            prop_assert_eq!((template.spatial, template.temporal), plan.template_layers()[index]);
            let indications: Vec<_> = template.indications.iter().map(|indication| indication as u32).collect();
            prop_assert_eq!(&indications, &plan.indications[index]);
            let references: Vec<_> = template.references.as_slice().iter().map(|d| u32::from(*d)).collect();
            prop_assert_eq!(&references, &plan.references[index]);
            let chains: Vec<_> = template.chains.as_slice().iter().map(|d| u32::from(*d)).collect();
            prop_assert_eq!(&chains, &plan.chain_differences[index]);
        }
        prop_assert_eq!(structure.templates().len(), plan.layers.len());
        for (target, chain) in (0..).zip(&plan.protected_by) {
            prop_assert_eq!(structure.chain_of_target(target).map(u32::from), (plan.chains > 0).then_some(*chain));
        }
        for spatial in 0..structure.spatial_layers() {
            let size = plan.sizes.as_ref().map(|sizes| sizes[usize::from(spatial)]);
            prop_assert_eq!(structure.size(spatial), size.map(|(width, height)| FrameSize { width, height }));
        }
        for len in 0..bytes.len() {
            prop_assert!(Reader::default().read(&bytes[..len]).is_err());
        }
    }
}
