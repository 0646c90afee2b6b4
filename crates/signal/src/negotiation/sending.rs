//! The tracks to send: what each one needs of a section, and whether it has one.

use std::collections::BTreeMap;

use tutti_forward::{SendSection, SubscriptionKey};
use tutti_rtp::{Codec, MediaKind};
use tutti_sdp::{GroupSemantics, MediaSection, Msid, Source, SourceGroup};

use super::format::Format;
use super::{CodecPolicy, Outgoing, Peer};

/// Longest canonical name, bytes.
const CNAME_BYTES_MAX: usize = 255;

/// Every track to send, in the order of their keys, which is the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Sending {
    tracks: BTreeMap<SubscriptionKey, SendingTrack>,
}

/// One track to send.
#[derive(Debug)]
pub(super) struct SendingTrack {
    pub(super) outgoing: Outgoing,
    /// Number of its section.
    pub(super) section: Option<usize>,
    /// The section must be described again, as another stream.
    pub(super) changed: bool,
    /// The client was found to take none of its codecs.
    pub(super) unsupported: bool,
    /// SSRCs on that section: media and retransmissions.
    pub(super) ssrcs: Option<(u32, u32)>,
    /// What forwarding was told last.
    pub(super) told: Option<SendSection>,
}

impl Sending {
    /// Adds a track, or changes what it needs.
    pub(super) fn add(&mut self, mut outgoing: Outgoing) {
        outgoing.stream = token(&outgoing.stream);
        outgoing.track_sid = token(&outgoing.track_sid);
        match self.tracks.get_mut(&outgoing.subscription) {
            Some(track) if track.outgoing == outgoing => {}
            Some(track) => {
                track.outgoing = outgoing;
                track.changed = track.section.is_some();
                track.unsupported = false;
            }
            None => {
                let track = SendingTrack {
                    outgoing,
                    section: None,
                    changed: false,
                    unsupported: false,
                    ssrcs: None,
                    told: None,
                };
                self.tracks.insert(track.outgoing.subscription, track);
            }
        }
    }

    /// Takes a track out and says which section it had.
    pub(super) fn remove(&mut self, subscription: SubscriptionKey) -> Option<usize> {
        self.tracks.remove(&subscription)?.section
    }

    pub(super) fn get(&self, subscription: SubscriptionKey) -> Option<&SendingTrack> {
        self.tracks.get(&subscription)
    }

    pub(super) fn get_mut(&mut self, subscription: SubscriptionKey) -> Option<&mut SendingTrack> {
        self.tracks.get_mut(&subscription)
    }

    /// Tracks that wait for a section.
    pub(super) fn pending(&self) -> impl Iterator<Item = &SendingTrack> {
        self.tracks.values().filter(|track| track.is_pending())
    }

    /// The same, by key.
    pub(super) fn pending_keys(&self) -> Vec<SubscriptionKey> {
        self.pending().map(|track| track.outgoing.subscription).collect()
    }

    /// Tracks that have a section, and its number.
    pub(super) fn placed(&self) -> Vec<(SubscriptionKey, usize)> {
        self.tracks.iter().filter_map(|(subscription, track)| Some((*subscription, track.section?))).collect()
    }

    /// Some section must be described again.
    pub(super) fn has_changed(&self) -> bool {
        self.tracks.values().any(|track| track.changed)
    }
}

impl SendingTrack {
    fn is_pending(&self) -> bool {
        self.section.is_none() && !self.unsupported
    }

    /// Takes its section from it.
    pub(super) fn displace(&mut self) {
        self.section = None;
        self.changed = false;
        self.ssrcs = None;
        self.told = None;
    }

    /// One canonical name for all tracks of a participant: they share a clock (RFC 8834, section 4.9).
    pub(super) fn cname(&self) -> &str {
        let name = self.outgoing.stream.split('|').next().unwrap_or_default();
        // What a source description holds (RFC 3550, section 6.5); a token is ASCII.
        name.get(..CNAME_BYTES_MAX).unwrap_or(name)
    }

    /// Puts the track into a section that we describe: who it is, and with which sources it comes.
    pub(super) fn describe(&self, section: &mut MediaSection, repairs: bool) {
        let Outgoing { stream, track_sid, .. } = &self.outgoing;
        section.msids = vec![Msid { stream: stream.clone(), track: track_sid.clone() }];
        let Some((media, repair)) = self.ssrcs else { return };
        let source = |ssrc| Source { ssrc, cname: Some(self.cname().to_owned()), msid: None };
        section.sources = vec![source(media)];
        if repairs {
            section.source_groups = vec![SourceGroup { semantics: GroupSemantics::Fid, ssrcs: vec![media, repair] }];
            section.sources.push(source(repair));
        }
    }

    /// The codecs to name in our offer: its own first, then all others that the client may get. It decides by the first
    /// section of a kind what it takes in all of them, if it is built on pion. No section is rejected for want of a
    /// codec that every client takes.
    pub(super) fn offered_codecs(&self, policy: &CodecPolicy, peer: &Peer) -> Vec<Codec> {
        let kind = self.outgoing.kind;
        let enabled = self.outgoing.codecs.iter().copied().filter(|codec| policy.allows(*codec));
        let mut codecs: Vec<Codec> = Vec::new();
        for codec in enabled.chain(policy.codecs(kind)).filter(|codec| peer.may_receive(*codec)) {
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        let common = common_codec(kind);
        if !codecs.contains(&common) {
            codecs.push(common);
        }
        codecs
    }

    /// The formats of a section with which it can be sent, preferred first.
    pub(super) fn usable(&self, formats: &[Format], peer: &Peer) -> Vec<Format> {
        let codecs = self.outgoing.codecs.iter().filter(|codec| peer.may_receive(**codec));
        codecs.flat_map(|codec| formats.iter().copied().filter(move |format| format.codec == *codec)).collect()
    }
}

/// The codec that every client takes (RFC 7874, section 3; RFC 7742, section 5).
pub(super) const fn common_codec(kind: MediaKind) -> Codec {
    match kind {
        MediaKind::Audio => Codec::Opus,
        MediaKind::Video => Codec::Vp8,
    }
}

/// `text` as a token of a description (RFC 8866, section 9): participants choose some of it, and may not write lines.
fn token(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`{|}~".contains(c);
    let token: String = text.chars().take(256).map(|c| if allowed(c) { c } else { '_' }).collect();
    if token.is_empty() { "-".to_owned() } else { token }
}
