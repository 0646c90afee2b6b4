//! Which of the publisher's payload formats a subscriber can take, and as what.
//!
//! Pure matching of two lists of formats; a packet looks its own up by index.

use tutti_rtp::Codec;

use crate::PayloadFormat;
use crate::layers::SourceFormat;

/// How the packets of one source format are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    /// The subscriber's format.
    pub format: PayloadFormat,
    /// RED is unpacked: the primary block is sent, and copies of what was lost before it.
    pub unpack: bool,
}

/// The route of every source format.
#[derive(Debug, Default)]
pub(super) struct Routes {
    routes: Vec<Option<Route>>,
}

impl Routes {
    /// Matches the publisher's formats with the subscriber's. RED that is encrypted cannot be unpacked.
    pub(super) fn match_all(&mut self, sources: &[SourceFormat], formats: &[PayloadFormat], encrypted: bool) {
        self.routes.clear();
        self.routes.extend(sources.iter().map(|source| route(&source.format, formats, encrypted)));
    }

    /// How many source formats are known.
    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    /// Any route there is.
    pub(super) fn any(&self) -> Option<Route> {
        self.routes.iter().copied().flatten().next()
    }

    /// The route of the source format with this index.
    pub(super) fn get(&self, source: Option<u8>) -> Option<Route> {
        self.routes.get(usize::from(source?)).copied().flatten()
    }
}

fn route(source: &PayloadFormat, formats: &[PayloadFormat], encrypted: bool) -> Option<Route> {
    let same = |format: &&PayloadFormat| format.codec == source.codec && format.profile == source.profile;
    let alike = |format: &&PayloadFormat| format.codec == source.codec && is_alike(source, format);
    if let Some(&format) = formats.iter().find(same).or_else(|| formats.iter().find(alike)) {
        return Some(Route { format, unpack: false });
    }
    if source.codec == Codec::Red && !encrypted {
        let opus = formats.iter().find(|format| format.codec == Codec::Opus);
        return opus.map(|&format| Route { format, unpack: true });
    }
    None
}

/// Whether a decoder of `format` decodes `source` too. H.264: the same profile_idc and packetization mode; what
/// the constraint flags promise is kept by every encoder here. Codecs without profiles differ in nothing.
const fn is_alike(source: &PayloadFormat, format: &PayloadFormat) -> bool {
    match source.codec {
        Codec::H264 => source.profile >> 16 == format.profile >> 16 && source.profile & 0xFF == format.profile & 0xFF,
        Codec::Vp9 | Codec::Av1 => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn format(codec: Codec, payload_type: u8, profile: u32) -> PayloadFormat {
        PayloadFormat { codec, payload_type, rtx_payload_type: None, profile, nack: false }
    }

    #[test]
    fn formats_match_by_codec_and_profile() {
        let subscriber = [
            format(Codec::Vp8, 96, 0),
            format(Codec::Vp9, 98, 0),
            format(Codec::H264, 125, 0x42_E0_01),
            format(Codec::H264, 108, 0x42_E0_00),
            format(Codec::Opus, 111, 0),
        ];
        // (publisher's format, encrypted, the subscriber's payload type and whether RED is unpacked)
        let cases = [
            (format(Codec::Vp8, 100, 0), false, Some((96, false))),
            (format(Codec::Vp9, 100, 0), false, Some((98, false))),
            (format(Codec::Vp9, 100, 2), false, None),
            (format(Codec::H264, 100, 0x42_E0_00), false, Some((108, false))),
            (format(Codec::H264, 100, 0x42_00_01), false, Some((125, false))),
            (format(Codec::H264, 100, 0x64_00_01), false, None),
            (format(Codec::Opus, 63, 0), false, Some((111, false))),
            (format(Codec::Red, 63, 0), false, Some((111, true))),
            (format(Codec::Red, 63, 0), true, None),
            (format(Codec::Av1, 63, 0), false, None),
        ];
        for (source, encrypted, expected) in cases {
            let mut routes = Routes::default();
            routes.match_all(&[SourceFormat { section: 0, format: source }], &subscriber, encrypted);
            let found = routes.get(Some(0)).map(|route| (route.format.payload_type, route.unpack));
            assert_eq!(found, expected, "{source:?}");
        }
        assert_eq!(Routes::default().get(Some(0)), None);
        assert_eq!(Routes::default().get(None), None);
    }
}
