//! Header extensions: the ids of our own offers, and which ones a section of the client gets.

use tutti_rtp::{Extension, ExtensionMap, IDENTIFIER_LEN_MAX, MediaKind};
use tutti_sdp::{Direction, ExtensionMapping, MediaSection};

/// What we read of a stream that the client sends.
const fn received(kind: MediaKind) -> &'static [Extension] {
    use Extension::*;
    match kind {
        MediaKind::Audio => &[Mid, Rid, AudioLevel, AbsCaptureTime, TransportCc],
        MediaKind::Video => &[Mid, Rid, RepairedRid, AbsCaptureTime, TransportCc, DependencyDescriptor],
    }
}

/// What we write on a stream to the client.
const fn sent(kind: MediaKind, playout_delay: bool) -> &'static [Extension] {
    use Extension::*;
    match (kind, playout_delay) {
        (MediaKind::Audio, _) => &[Mid, AbsCaptureTime, TransportCc],
        (MediaKind::Video, false) => &[Mid, AbsCaptureTime, TransportCc, DependencyDescriptor],
        (MediaKind::Video, true) => &[Mid, AbsCaptureTime, TransportCc, DependencyDescriptor, PlayoutDelay],
    }
}

/// The id that an extension has in all our offers: one number for one meaning, as BUNDLE demands (RFC 9143, section
/// 7.1), and below 15 for one-byte headers.
const fn own_id(extension: Extension) -> u16 {
    match extension {
        Extension::Mid => 1,
        Extension::Rid => 2,
        Extension::RepairedRid => 3,
        Extension::AudioLevel => 4,
        Extension::AbsSendTime => 5,
        Extension::TransportCc => 6,
        Extension::AbsCaptureTime => 7,
        Extension::PlayoutDelay => 8,
        Extension::DependencyDescriptor => 9,
        Extension::VideoOrientation => 10,
    }
}

/// The extensions of our offer for a section of `kind`.
pub(super) fn own_extensions(kind: MediaKind, playout_delay: bool) -> Vec<ExtensionMapping> {
    let mapping = |extension: &Extension| ExtensionMapping {
        id: own_id(*extension),
        direction: None,
        uri: extension.uri().to_owned(),
    };
    sent(kind, playout_delay).iter().map(mapping).collect()
}

/// The extensions that both sides want on one section.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SectionExtensions {
    /// As our answer states them: the client's ids, in its order.
    pub(super) mappings: Vec<ExtensionMapping>,
    /// Those on streams from the client.
    pub(super) received: ExtensionMap,
    /// Those on streams to the client.
    pub(super) sent: ExtensionMap,
}

/// What the client offers on a section: its own extensions, and those of its session that it does not state anew
/// (RFC 8285, section 5). A name that no packet of ours could carry is not asked for.
pub(super) fn offered<'a>(
    session: &'a [ExtensionMapping],
    section: &'a MediaSection,
) -> impl Iterator<Item = &'a ExtensionMapping> {
    let own = &section.extensions;
    let inherited = session.iter().filter(|of_all| own.iter().all(|it| it.id != of_all.id && it.uri != of_all.uri));
    let nameable = section.mid.as_ref().is_some_and(|mid| mid.len() <= IDENTIFIER_LEN_MAX);
    own.iter().chain(inherited).filter(move |offered| nameable || offered.uri != Extension::Mid.uri())
}

/// Chooses from what the client offers. Both directions share the ids, so that a section may change its direction
/// later and keep them (docs/protocol.md#peer-connections).
pub(super) fn choose<'a>(
    offers: impl Iterator<Item = &'a ExtensionMapping>,
    kind: MediaKind,
    sends: bool,
    playout_delay: bool,
) -> SectionExtensions {
    let mut chosen = SectionExtensions::default();
    for offered in offers {
        let Some((extension, id)) = known(offered) else { continue };
        // Directions are the client's.
        let direction = offered.direction.unwrap_or(Direction::SendRecv);
        let reads = direction.sends() && received(kind).contains(&extension);
        let writes = sends && direction.receives() && sent(kind, playout_delay).contains(&extension);
        if !reads && !writes {
            continue;
        }
        if reads {
            chosen.received.set(extension, id);
        }
        if writes {
            chosen.sent.set(extension, id);
        }
        let direction = offered.direction.map(|direction| Direction::new(direction.receives(), direction.sends()));
        chosen.mappings.push(ExtensionMapping { id: offered.id, direction, uri: offered.uri.clone() });
    }
    chosen
}

/// The extensions of our offer that the client's answer kept.
pub(super) fn kept(answer: &MediaSection, kind: MediaKind, playout_delay: bool) -> ExtensionMap {
    let mut map = ExtensionMap::default();
    for answered in &answer.extensions {
        let Some((extension, id)) = known(answered) else { continue };
        if answered.id == own_id(extension) && sent(kind, playout_delay).contains(&extension) {
            map.set(extension, id);
        }
    }
    map
}

/// The extension, if we know it, and its id, if it is one for packets.
fn known(mapping: &ExtensionMapping) -> Option<(Extension, u8)> {
    let id = u8::try_from(mapping.id).ok().filter(|id| *id > 0)?;
    Some((Extension::from_uri(&mapping.uri)?, id))
}
