//! The media sections of a published track, and what their payload types mean.

use tutti_rtp::ExtensionMap;

use crate::{LayerMode, PayloadFormat, PublishTrack};

/// A payload format that a publisher may send, and the section it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFormat {
    /// Number of the section, in the order of their publishing.
    pub section: u8,
    /// The format as negotiated with the publisher.
    pub format: PayloadFormat,
}

/// What a payload type carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Index of the format in [`crate::Layers`].
    pub(crate) format: u8,
    /// Retransmissions of that format.
    pub(crate) repair: bool,
}

/// One media section: the codec it was published with, or a backup codec.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) mid: String,
    pub(crate) mode: LayerMode,
    pub(crate) extensions: ExtensionMap,
    payload_types: [Option<Carried>; 128],
}

impl Section {
    /// The section of `publish`, whose formats have the indexes from `first_format` on.
    pub(crate) fn new(publish: &PublishTrack, first_format: u8) -> Self {
        let mut section = Self {
            mid: publish.mid.clone(),
            mode: publish.layer_mode,
            extensions: publish.extensions,
            payload_types: [None; 128],
        };
        for (format, index) in publish.formats.iter().zip(first_format..) {
            section.learn(format, index);
        }
        section
    }

    fn learn(&mut self, format: &PayloadFormat, index: u8) {
        let mut put = |payload_type: u8, carried: Carried| {
            if let Some(place) = self.payload_types.get_mut(usize::from(payload_type)) {
                *place = Some(carried);
            }
        };
        put(format.payload_type, Carried { format: index, repair: false });
        if let Some(payload_type) = format.rtx_payload_type {
            put(payload_type, Carried { format: index, repair: true });
        }
    }

    /// What `payload_type` carries, if it was negotiated.
    pub(crate) fn carried(&self, payload_type: u8) -> Option<Carried> {
        self.payload_types.get(usize::from(payload_type)).copied().flatten()
    }
}
