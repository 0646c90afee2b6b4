//! An offer of the client, read against what was agreed before: what it wants of each section.

use std::collections::{BTreeMap, BTreeSet};

use tutti_rtp::MediaKind;
use tutti_sdp::{MediaSection, SessionDescription};

use super::answering::{Incoming, Section};
use super::format::{Format, formats};
use super::{CodecPolicy, NegotiationError, Peer, received, remote};

/// Longest mid that fits the header extension (RFC 9143, section 15.1).
const MID_BYTES_MAX: usize = 16;

/// What one section of an offer wants.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Nothing that we have: it is to be rejected. `true` = the client wanted to send there.
    Nothing(bool),
    /// Data channels.
    Data,
    /// Audio or video.
    Media(WantedMedia),
}

/// What a section for audio or video wants.
#[derive(Debug)]
pub(super) struct WantedMedia {
    pub(super) kind: MediaKind,
    /// The client sends, and what becomes of the track that is or is not attached.
    pub(super) fate: Fate,
    /// The client receives.
    pub(super) receives: bool,
    /// Formats that both sides have. Not empty.
    pub(super) formats: Vec<Format>,
    pub(super) stream: String,
    pub(super) cid: String,
}

/// What an offer does to the incoming half of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The client does not send.
    Silent,
    /// It sends something that has no track.
    Unattached,
    /// It goes on sending the attached track.
    Attached,
    /// It goes on sending a track that the server took away.
    Detached,
}

/// Checks that `offer` continues `agreed`: every section in its place, every name once.
pub(super) fn check(offer: &SessionDescription, agreed: &[Section]) -> Result<(), NegotiationError> {
    if offer.media.len() < agreed.len() {
        return Err(NegotiationError::MissingSections { expected: agreed.len(), found: offer.media.len() });
    }
    let places: BTreeMap<&str, usize> =
        agreed.iter().zip(0..).map(|(section, at)| (section.mid.as_str(), at)).collect();
    let mut seen = BTreeSet::new();
    for (at, section) in offer.media.iter().enumerate() {
        let mid = mid_of(section, at)?;
        if !seen.insert(mid) {
            return Err(NegotiationError::DuplicateMid(mid.to_owned()));
        }
        let known = places.get(mid).copied();
        let changed = known.is_some_and(|place| place != at || agreed.get(at).is_some_and(|s| s.kind != section.kind));
        if changed {
            return Err(NegotiationError::ChangedSection { mid: mid.to_owned() });
        }
    }
    Ok(())
}

/// The name of a section.
pub(super) fn mid_of(section: &MediaSection, at: usize) -> Result<&str, NegotiationError> {
    section.mid.as_deref().filter(|mid| mid.len() <= MID_BYTES_MAX).ok_or(NegotiationError::NoMid(at))
}

/// What `section` wants. `prior` is what was agreed for it, if it is not new.
pub(super) fn wanted(
    section: &MediaSection,
    bundled: bool,
    prior: Option<&Section>,
    codecs: &CodecPolicy,
    peer: &Peer,
) -> Wanted {
    if section.is_rejected() || !bundled {
        return Wanted::Nothing(false);
    }
    if remote::is_data(section) {
        return Wanted::Data;
    }
    let kind = match section.kind {
        tutti_sdp::MediaKind::Audio => MediaKind::Audio,
        tutti_sdp::MediaKind::Video => MediaKind::Video,
        _ => return Wanted::Nothing(false),
    };
    if !section.protocol.text().contains("SAVPF") || !section.rtcp_mux {
        return Wanted::Nothing(false);
    }
    let sends = section.direction.sends();
    let mut formats = formats(section, kind);
    formats.retain(|format| {
        let may = if sends { peer.may_publish(format.codec) } else { peer.may_receive(format.codec) };
        may && codecs.allows(format.codec)
    });
    if formats.is_empty() {
        return Wanted::Nothing(sends);
    }
    let msid = section.msid().cloned().unwrap_or_default();
    let stream = if msid.stream == "-" { String::new() } else { msid.stream };
    let fate = fate(sends, &msid.track, prior.map(|section| &section.incoming));
    Wanted::Media(WantedMedia { kind, fate, receives: section.direction.receives(), formats, stream, cid: msid.track })
}

/// What becomes of the incoming half, by the track id that the client states now.
fn fate(sends: bool, cid: &str, prior: Option<&Incoming>) -> Fate {
    if !sends {
        return Fate::Silent;
    }
    let same = |before: &str| before == cid || before.is_empty() || cid.is_empty();
    match prior {
        Some(Incoming::Attached { received, .. }) if same(&received.cid) => Fate::Attached,
        Some(Incoming::Detached { cid: before }) if same(before) => Fate::Detached,
        _ => Fate::Unattached,
    }
}

/// Restriction ids of a section, owned.
pub(super) fn rids(section: &MediaSection) -> Vec<String> {
    received::rids(section).into_iter().map(str::to_owned).collect()
}
