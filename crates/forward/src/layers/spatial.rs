//! How the spatial layers inside a VP9 stream rest on each other, as its payload descriptors tell (RFC 9628, section
//! 4.2).
//!
//! Every packet's P and D bits say whether its frame refers to earlier pictures and to the layer below. But whether a
//! lower layer is needed must be known before the frame above it comes, so it is learned from the pictures before.
//! Streams with dependency descriptors tell more; see `targets`. Chooses nothing.

use tutti_rtp::payload::vp9::{Descriptor, Layer};

/// Pictures in a row that end below the highest spatial layer, after which that layer has stopped. An encoder leaves it
/// out of one when it is short of bits.
const PICTURES_SHORT_MAX: u8 = 3;

/// Which frames rest on the layer below.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Reliance {
    /// Nothing was heard but key pictures.
    #[default]
    Unknown,
    /// Those of key pictures at most (k-SVC).
    KeyPictures,
    /// Those of other pictures too.
    All,
}

/// Reads the descriptors of one stream.
#[derive(Debug, Default)]
pub(super) struct SpatialReader {
    reliance: Reliance,
    /// It was once not as it seemed: then nothing is taken for left out any more.
    mistaken: bool,
    /// Highest spatial layer.
    top: Option<u8>,
    /// Pictures in a row that ended below it.
    short: u8,
}

impl SpatialReader {
    /// Reads one packet's descriptor. Whether [`SpatialReader::separate`] changed by it.
    pub(super) fn read(&mut self, descriptor: &Descriptor, marker: bool) -> bool {
        let Some(layer) = descriptor.layer else { return false };
        let before = self.separate();
        self.learn_top(descriptor, layer, marker);
        self.learn_reliance(descriptor, layer);
        self.separate() != before
    }

    /// The highest spatial layer, if the layers rest on each other in key pictures only: then all but the wanted one can
    /// be left out of the others.
    pub(super) fn separate(&self) -> Option<u8> {
        self.top.filter(|_| self.reliance == Reliance::KeyPictures && !self.mistaken)
    }

    fn learn_top(&mut self, descriptor: &Descriptor, layer: Layer, marker: bool) {
        if let Some(structure) = descriptor.structure {
            (self.top, self.short) = (Some(structure.spatial_layers.saturating_sub(1)), 0);
        }
        match self.top {
            Some(top) if layer.spatial < top && marker => {
                self.short += 1;
                if self.short >= PICTURES_SHORT_MAX {
                    (self.top, self.short) = (Some(layer.spatial), 0);
                }
            }
            Some(top) if layer.spatial < top => {}
            None if !marker => {}
            _ => (self.top, self.short) = (Some(layer.spatial), 0),
        }
    }

    fn learn_reliance(&mut self, descriptor: &Descriptor, layer: Layer) {
        if descriptor.start_of_frame && descriptor.is_independent() && layer.spatial == 0 {
            // The encoder may have been set up differently.
            if self.reliance == Reliance::All {
                self.reliance = Reliance::Unknown;
            }
        } else if descriptor.inter_picture && layer.spatial > 0 {
            if layer.inter_layer {
                self.mistaken |= self.reliance == Reliance::KeyPictures;
                self.reliance = Reliance::All;
            } else if self.reliance == Reliance::Unknown {
                self.reliance = Reliance::KeyPictures;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    enum Picture {
        Key,
        Delta,
    }
    use Picture::{Delta, Key};

    /// One packet of a layer frame; `inter_layer` is its D bit.
    fn packet(reader: &mut SpatialReader, picture: Picture, spatial: u8, inter_layer: bool, marker: bool) {
        let descriptor = Descriptor {
            inter_picture: matches!(picture, Delta),
            start_of_frame: true,
            end_of_frame: true,
            layer: Some(Layer { spatial, inter_layer, ..Layer::default() }),
            ..Descriptor::default()
        };
        reader.read(&descriptor, marker);
    }

    fn picture(reader: &mut SpatialReader, picture: Picture, layers: u8, full: bool) {
        for spatial in 0..layers {
            let inter_layer = spatial > 0 && (full || matches!(picture, Key));
            packet(reader, picture, spatial, inter_layer, spatial + 1 == layers);
        }
    }

    #[test]
    fn layers_are_separate_once_a_picture_said_so() {
        let mut reader = SpatialReader::default();
        picture(&mut reader, Key, 3, false);
        assert_eq!(reader.separate(), None, "a key picture tells nothing of the others");
        picture(&mut reader, Delta, 3, false);
        assert_eq!(reader.separate(), Some(2));
        picture(&mut reader, Key, 3, false);
        assert_eq!(reader.separate(), Some(2));
    }

    #[test]
    fn full_prediction_keeps_all_layers_and_may_end_at_a_key_picture() {
        let mut reader = SpatialReader::default();
        picture(&mut reader, Key, 3, true);
        (0..5).for_each(|_| picture(&mut reader, Delta, 3, true));
        assert_eq!(reader.separate(), None);
        packet(&mut reader, Delta, 1, false, false);
        assert_eq!(reader.separate(), None, "one frame may do without");
        picture(&mut reader, Key, 3, false);
        picture(&mut reader, Delta, 3, false);
        assert_eq!(reader.separate(), Some(2));
        // A stream that is now this, now that, is not trusted any more.
        picture(&mut reader, Delta, 3, true);
        picture(&mut reader, Key, 3, false);
        picture(&mut reader, Delta, 3, false);
        assert_eq!(reader.separate(), None);
    }

    #[test]
    fn the_highest_layer_is_known_from_the_structure_or_from_pictures() {
        let mut reader = SpatialReader::default();
        picture(&mut reader, Key, 3, false);
        picture(&mut reader, Delta, 3, false);
        picture(&mut reader, Delta, 2, false);
        picture(&mut reader, Delta, 2, false);
        picture(&mut reader, Delta, 3, false);
        assert_eq!(reader.separate(), Some(2), "left out for a moment");
        (0..3).for_each(|_| picture(&mut reader, Delta, 2, false));
        assert_eq!(reader.separate(), Some(1), "stopped");
        picture(&mut reader, Delta, 3, false);
        assert_eq!(reader.separate(), Some(2), "came back");
        // Key picture with layer indices and a structure of one spatial layer.
        let (descriptor, _) = Descriptor::parse(&[0x2A, 0, 0, 0]).unwrap();
        assert!(reader.read(&descriptor, false));
        assert_eq!(reader.separate(), Some(0), "told");
    }
}
