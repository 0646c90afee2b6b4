//! What the dependency descriptor of a stream says of its decode targets, in the few bits that forwarding needs.
//!
//! Owns the stream's reader, whose structure later descriptors rest on. Chooses nothing.

use tutti_rtp::payload::dependency::{Descriptor, Indication, Indications, Reader, Structure};

use crate::decode_target::{DecodeTarget, DecodeTargetSet};

/// Reads the descriptors of one stream.
#[derive(Debug, Default)]
pub(super) struct TargetReader {
    reader: Reader,
    targets: Vec<DecodeTarget>,
    active: u32,
}

impl TargetReader {
    /// Reads one packet's descriptor; empty bytes are none. Malformed ones and ones without a structure are none too.
    pub(super) fn read(&mut self, bytes: &[u8]) -> (Option<DecodeTargetSet>, Option<Descriptor>) {
        if bytes.is_empty() {
            return (None, None);
        }
        let Ok(descriptor) = self.reader.read(bytes) else { return (None, None) };
        if descriptor.structure_attached {
            self.learn_structure();
        }
        if let Some(active) = descriptor.active_targets {
            self.active = active;
        }
        let (references, refers_far) = reference_mask(descriptor.references.as_slice());
        let set = DecodeTargetSet {
            present: mask(&descriptor.indications, |indication| indication != Indication::NotPresent),
            switch: mask(&descriptor.indications, |indication| indication == Indication::Switch),
            active: self.active,
            structure: descriptor.structure_attached,
            frame_number: descriptor.frame_number,
            references,
            refers_far,
        };
        (Some(set), Some(descriptor))
    }

    /// The decode targets of the newest structure, in its order: highest first by custom.
    pub(super) fn targets(&self) -> &[DecodeTarget] {
        &self.targets
    }

    /// The decode targets that the publisher sends, as it said last.
    pub(super) const fn active(&self) -> u32 {
        self.active
    }

    /// The newest structure.
    pub(super) fn structure(&self) -> Option<&Structure> {
        self.reader.structure()
    }

    fn learn_structure(&mut self) {
        self.targets.clear();
        let Some(structure) = self.reader.structure() else { return };
        let layers = (0..structure.decode_targets()).filter_map(|target| structure.target_layers(target));
        self.targets.extend(layers.map(|(spatial, temporal)| DecodeTarget { spatial, temporal }));
        self.active = u32::MAX;
    }
}

fn mask(indications: &Indications, holds: impl Fn(Indication) -> bool) -> u32 {
    indications.iter().zip(0u32..).filter(|(indication, _)| holds(*indication)).fold(0, |mask, (_, at)| mask | 1 << at)
}

/// The mask of `differences`, and whether some of them do not fit it.
fn reference_mask(differences: &[u16]) -> (u64, bool) {
    differences.iter().fold((0, false), |(mask, far), &difference| match difference {
        1..=64 => (mask | 1 << (difference - 1), far),
        _ => (mask, true),
    })
}
