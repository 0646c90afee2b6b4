//! An offer of the client, read against what was agreed before: what it wants of each section.

use std::collections::{BTreeMap, BTreeSet};

use tutti_rtp::MediaKind;
use tutti_sdp::{MediaSection, SessionDescription};

use super::format::{Format, formats, prefer_common_profiles};
use super::remote::sctp_port;
use super::section::{Incoming, Section};
use super::{NegotiationError, Shared, received};

/// What one section of an offer wants.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Nothing that we have: it is to be rejected.
    Nothing {
        /// The client wanted to send there.
        sends: bool,
    },
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

/// A name for each section of an offer. Sections that have none are given one that no other has (RFC 8829, section
/// 5.10): the same in every offer, as long as it is free.
pub(super) fn names(offer: &SessionDescription) -> Result<Vec<String>, NegotiationError> {
    let mut seen = BTreeSet::new();
    for mid in offer.media.iter().filter_map(|section| section.mid.as_deref()) {
        if !seen.insert(mid) {
            return Err(NegotiationError::DuplicateMid(mid.to_owned()));
        }
    }
    let unnamed = |at: usize| {
        let mut name = format!("unnamed{at}");
        while seen.contains(name.as_str()) {
            name.push('x');
        }
        name
    };
    let names = offer.media.iter().enumerate().map(|(at, section)| section.mid.clone().unwrap_or_else(|| unnamed(at)));
    Ok(names.collect())
}

/// Checks that `offer`, whose sections have these names, continues `agreed`: every section in its place.
pub(super) fn check(offer: &SessionDescription, mids: &[String], agreed: &[Section]) -> Result<(), NegotiationError> {
    if offer.media.len() < agreed.len() {
        return Err(NegotiationError::MissingSections { expected: agreed.len(), found: offer.media.len() });
    }
    let places: BTreeMap<&str, usize> =
        agreed.iter().zip(0..).map(|(section, at)| (section.mid.as_str(), at)).collect();
    for (at, (section, mid)) in offer.media.iter().zip(mids).enumerate() {
        let known = places.get(mid.as_str()).copied();
        let changed = known.is_some_and(|place| place != at || agreed.get(at).is_some_and(|s| s.kind != section.kind));
        if changed {
            return Err(NegotiationError::ChangedSection { mid: mid.clone() });
        }
    }
    Ok(())
}

/// Which sections of an offer share the one transport that there is.
pub(super) struct Transport<'a> {
    bundle: BTreeSet<&'a str>,
    /// Without BUNDLE: the first section that lives, alone.
    first: Option<usize>,
    /// Some section of the bundle says `a=rtcp-mux`, which then holds for all (RFC 9143, section 7.1.3).
    mux: bool,
}

impl<'a> Transport<'a> {
    pub(super) fn of(offer: &'a SessionDescription) -> Self {
        let bundle: BTreeSet<&str> = offer.bundle.iter().map(String::as_str).collect();
        let first = offer.media.iter().position(|section| !section.is_rejected());
        let mut transport = Self { bundle, first, mux: false };
        transport.mux = offer.media.iter().any(|section| section.rtcp_mux && transport.bundles(section));
        transport
    }

    fn bundles(&self, section: &MediaSection) -> bool {
        section.mid.as_deref().is_some_and(|mid| self.bundle.contains(mid))
    }

    /// The section number `at` is on it.
    pub(super) fn carries(&self, at: usize, section: &MediaSection) -> bool {
        if self.bundle.is_empty() { self.first == Some(at) } else { self.bundles(section) }
    }

    /// RTP and RTCP of the section share a port.
    pub(super) fn mux(&self, section: &MediaSection) -> bool {
        section.rtcp_mux || (self.mux && self.bundles(section))
    }
}

/// What `section` wants. `carried`: it is on our transport, `mux`: with its RTCP on the same port. `prior` is what was
/// agreed for it, if it is not new.
pub(super) fn wanted(
    section: &MediaSection,
    carried: bool,
    mux: bool,
    prior: Option<&Section>,
    shared: &Shared,
) -> Wanted {
    let nothing = Wanted::Nothing { sends: false };
    if section.is_rejected() || !carried {
        return nothing;
    }
    if section.is_data_channels() {
        // Port 0 is none (RFC 8841, section 5.2).
        return if sctp_port(section) == Some(0) { nothing } else { Wanted::Data };
    }
    let kind = match section.kind {
        tutti_sdp::MediaKind::Audio => MediaKind::Audio,
        tutti_sdp::MediaKind::Video => MediaKind::Video,
        _ => return nothing,
    };
    if !section.protocol.is_dtls_rtp() || !mux {
        return nothing;
    }
    let sends = section.direction.sends();
    let mut formats = formats(section, kind);
    formats.retain(|format| {
        let peer = &shared.peer;
        let may = if sends { peer.may_publish(format.codec) } else { peer.may_receive(format.codec) };
        may && shared.codecs.allows(format.codec)
    });
    if sends {
        prefer_common_profiles(&mut formats);
    }
    if formats.is_empty() {
        return Wanted::Nothing { sends };
    }
    let msid = section.msid().cloned().unwrap_or_default();
    let stream = if msid.stream == "-" { String::new() } else { msid.stream };
    let fate = fate(sends, &msid.track, prior.map(|section| &section.incoming));
    Wanted::Media(WantedMedia { kind, fate, receives: section.direction.receives(), formats, stream, cid: msid.track })
}

/// Track id of a section.
pub(super) fn cid(section: &MediaSection) -> String {
    section.msid().map(|msid| msid.track.clone()).unwrap_or_default()
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
