//! Streams that the client sends on one section, and the track they become.

use tutti_forward::{Encoding, LayerMode, PayloadFormat, PublishTrack};
use tutti_rtp::{Codec, ExtensionMap, IDENTIFIER_LEN_MAX, MediaKind};
use tutti_sdp::{GroupSemantics, MediaSection, RidDirection};

use super::{Published, SectionPolicy};

/// Restriction ids from the smallest layer up, in every spelling in use (docs/protocol.md#layers-and-codecs).
const RIDS_BY_NAME: [&[&str]; 2] = [&["q", "h", "f"], &["2", "1", "0"]];

/// Simulcast streams of one section.
const ENCODINGS_MAX: usize = 8;

/// What was agreed about the streams of one section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Received {
    /// Track id in the description.
    pub(super) cid: String,
    pub(super) formats: Vec<PayloadFormat>,
    pub(super) extensions: ExtensionMap,
    pub(super) transport_cc: bool,
    /// As offered; `spatial` is filled in by [`Self::publish`].
    pub(super) encodings: Vec<Encoding>,
}

impl Received {
    /// The track that these streams are under `policy`.
    pub(super) fn publish(&self, mid: &str, kind: MediaKind, policy: &SectionPolicy) -> Published {
        let encodings = ordered(&self.encodings, &policy.rids);
        let codec = self.formats.first().map(|format| format.codec);
        // What the request says of layers it says of the codec that it asks for.
        let stated = policy.layer_mode.filter(|_| policy.codec.is_none() || policy.codec == codec);
        let layer_mode = if encodings.len() > 1 { LayerMode::Simulcast } else { layer_mode(codec, stated) };
        let first = codec.map_or("", Codec::name);
        let publish = PublishTrack {
            track: policy.track,
            kind,
            mid: mid.to_owned(),
            formats: self.formats.clone(),
            extensions: self.extensions,
            encodings,
            layer_mode,
            transport_cc: self.transport_cc,
            encrypted: policy.encrypted,
        };
        let family = match kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        };
        Published { publish, mime_type: format!("{family}/{first}"), cid: self.cid.clone() }
    }
}

/// How the layers of a single stream arrive: as stated, if the codec that was agreed on can, else as it does by default.
fn layer_mode(codec: Option<Codec>, stated: Option<LayerMode>) -> LayerMode {
    match codec {
        Some(Codec::Vp9 | Codec::Av1) => stated.unwrap_or(LayerMode::Svc),
        _ => LayerMode::Simulcast,
    }
}

/// The restriction ids that the client sends with: those of `a=simulcast`, else of `a=rid`. Ids that no packet
/// parser would take are left out.
pub(super) fn rids(section: &MediaSection) -> Vec<&str> {
    let sent = |id: &&str| section.rids.iter().any(|rid| rid.id == *id && rid.direction == RidDirection::Send);
    let named: Vec<&str> = match &section.simulcast {
        Some(simulcast) if !simulcast.send.is_empty() => simulcast.send.iter().map(String::as_str).collect(),
        _ => section.rids.iter().map(|rid| rid.id.as_str()).collect(),
    };
    // The letters of RFC 8851, section 10, as many as a packet can carry.
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let legal = |id: &&str| (1..=IDENTIFIER_LEN_MAX).contains(&id.len()) && id.bytes().all(letter);
    let mut rids: Vec<&str> = Vec::new();
    for id in named.into_iter().filter(sent).filter(legal) {
        if !rids.contains(&id) && rids.len() < ENCODINGS_MAX {
            rids.push(id);
        }
    }
    rids
}

/// The streams of a section, as offered: by restriction id, else by SSRC groups, else one.
pub(super) fn encodings(section: &MediaSection) -> Vec<Encoding> {
    let rids = rids(section);
    if !rids.is_empty() {
        // Their SSRCs are learned from packets: descriptions do not say which one has which id.
        let encoding = |rid: &str| Encoding { rid: Some(rid.to_owned()), ssrc: None, rtx_ssrc: None, spatial: 0 };
        return rids.into_iter().map(encoding).collect();
    }
    let group = |semantics: GroupSemantics| move |group: &&_| of(group, &semantics);
    let repair = |ssrc: u32| {
        let pairs = section.source_groups.iter().filter(group(GroupSemantics::Fid)).map(|group| &group.ssrcs);
        pairs.filter(|pair| pair.first() == Some(&ssrc)).find_map(|pair| pair.get(1).copied())
    };
    let encoding = |ssrc| Encoding { rid: None, ssrc: Some(ssrc), rtx_ssrc: repair(ssrc), spatial: 0 };
    if let Some(simulcast) = section.source_groups.iter().find(group(GroupSemantics::Sim)) {
        return simulcast.ssrcs.iter().take(ENCODINGS_MAX).copied().map(encoding).collect();
    }
    let paired = section.source_groups.iter().find(group(GroupSemantics::Fid)).and_then(|group| group.ssrcs.first());
    match paired.copied().or(section.sources.first().map(|source| source.ssrc)) {
        Some(ssrc) => vec![encoding(ssrc)],
        None => vec![Encoding { rid: None, ssrc: None, rtx_ssrc: None, spatial: 0 }],
    }
}

fn of(group: &tutti_sdp::SourceGroup, semantics: &GroupSemantics) -> bool {
    group.semantics == *semantics
}

/// Encodings in the order of their spatial layers. Ids that `stated` lacks follow the others as offered.
fn ordered(offered: &[Encoding], stated: &[String]) -> Vec<Encoding> {
    let known =
        |names: &[&str]| offered.iter().all(|encoding| encoding.rid.as_deref().is_some_and(|rid| names.contains(&rid)));
    let by_name = RIDS_BY_NAME.into_iter().find(|names| known(names)).unwrap_or_default();
    let place = |encoding: &Encoding| {
        let rid = encoding.rid.as_deref().unwrap_or_default();
        let place = match stated {
            [] => by_name.iter().position(|name| *name == rid),
            stated => stated.iter().position(|name| name == rid),
        };
        place.unwrap_or(usize::MAX)
    };
    let mut encodings = offered.to_vec();
    encodings.sort_by_key(place);
    for (spatial, encoding) in (0..).zip(&mut encodings) {
        encoding.spatial = spatial;
    }
    encodings
}
