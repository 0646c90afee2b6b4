//! The client offers, we answer: roles [`super::Role::Publisher`] and [`super::Role::Single`].

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;
use tutti_forward::SubscriptionKey;
use tutti_rtp::{Codec, MediaKind};
use tutti_sdp::{MediaSection, SessionDescription, Setup};
use tutti_transport::{DtlsRole, RemoteParameters};

use super::answer::Answer;
use super::offered::{self, Fate, Wanted};
use super::received::Received;
use super::{
    Answered, Ended, NegotiationError, Offered, OfferedSection, Published, Role, SectionPolicy, Sends, Shared, local,
    remote,
};

/// The sections that the client made, and its offer under way.
#[derive(Debug, Default)]
pub(super) struct Answering {
    sections: Vec<Section>,
    pending: Option<Box<Pending>>,
    /// What the client said of its transport last.
    remote: Option<RemoteParameters>,
    /// The last answer may have been lost with its socket.
    uncertain: bool,
}

/// A section as it was answered last.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) mid: String,
    pub(super) kind: tutti_sdp::MediaKind,
    /// Audio or video that lives.
    pub(super) media: Option<MediaKind>,
    /// The client is ready to receive on it.
    pub(super) receives: bool,
    pub(super) incoming: Incoming,
    /// What we send on it.
    pub(super) outgoing: Option<SubscriptionKey>,
    /// What we sent on it before the last answer.
    before: Option<SubscriptionKey>,
    /// We have sent on it.
    pub(super) used: bool,
}

/// What the client sends on a section.
#[derive(Debug, Default)]
pub(super) enum Incoming {
    /// Nothing.
    #[default]
    Silent,
    /// Something that has no track yet.
    Waiting(Received),
    /// A track.
    Attached { policy: SectionPolicy, received: Received },
    /// Something that the server does not want any more.
    Detached { cid: String },
}

/// An offer that was read and not answered yet.
#[derive(Debug)]
struct Pending {
    id: u32,
    description: SessionDescription,
    remote: RemoteParameters,
    setup: Setup,
    restart: bool,
    wanted: Vec<Wanted>,
    ended: Vec<Ended>,
}

impl Answering {
    pub(super) fn read_offer(
        &mut self,
        shared: &Shared,
        offer: &proto::SessionDescription,
    ) -> Result<Offered, NegotiationError> {
        let description = local::read(offer, "offer")?;
        offered::check(&description, &self.sections)?;
        let setup = remote::setup(&description);
        // Fixed by the first offer. Where the client leaves it to us it starts the handshake, because the side that
        // answers it chooses the SRTP profile: browsers as DTLS servers take AES-CM with HMAC-SHA1 although they offer
        // AES-GCM, which costs a fifth.
        let dtls_role = match (&self.remote, setup) {
            (Some(remote), _) => remote.dtls_role,
            (None, Some(Setup::Passive)) => DtlsRole::Client,
            (None, _) => DtlsRole::Server,
        };
        let remote = remote::parameters(&description, dtls_role)?;
        let setup = match (setup, dtls_role) {
            (Some(Setup::Active), _) => Setup::Passive,
            (Some(Setup::Passive), _) | (_, DtlsRole::Client) => Setup::Active,
            (_, DtlsRole::Server) => Setup::Passive,
        };
        let restart = self.remote.as_ref().is_some_and(|before| before.ice != remote.ice);
        let wanted = self.wanted(shared, &description);
        let sections = self.offered_sections(&description, &wanted);
        let ended = self.ended(&description, &wanted);
        let offered = Offered { id: offer.id, restart, sections, ended: ended.clone() };
        let pending = Pending { id: offer.id, description, remote, setup, restart, wanted, ended };
        self.pending = Some(Box::new(pending));
        Ok(offered)
    }

    /// What each section wants.
    fn wanted(&self, shared: &Shared, description: &SessionDescription) -> Vec<Wanted> {
        let bundle: BTreeSet<&str> = description.bundle.iter().map(String::as_str).collect();
        let first = description.media.iter().position(|section| !section.is_rejected());
        let sections = description.media.iter().enumerate();
        let wanted = sections.map(|(at, section)| {
            let mid = section.mid.as_deref().unwrap_or_default();
            // Without BUNDLE there is one transport for one section.
            let bundled = if bundle.is_empty() { first == Some(at) } else { bundle.contains(mid) };
            offered::wanted(section, bundled, self.prior(at, mid), &shared.codecs, &shared.peer)
        });
        wanted.collect()
    }

    /// What was agreed for the section with this place and name.
    fn prior(&self, at: usize, mid: &str) -> Option<&Section> {
        self.sections.get(at).filter(|section| section.mid == mid)
    }

    fn offered_sections(&self, description: &SessionDescription, wanted: &[Wanted]) -> Vec<OfferedSection> {
        let mut sections = Vec::new();
        for (at, (section, wanted)) in description.media.iter().zip(wanted).enumerate() {
            let Wanted::Media(media) = wanted else { continue };
            if matches!(media.fate, Fate::Silent | Fate::Detached) {
                continue;
            }
            let mid = section.mid.clone().unwrap_or_default();
            let track = match self.prior(at, &mid).map(|prior| &prior.incoming) {
                Some(Incoming::Attached { policy, .. }) if media.fate == Fate::Attached => Some(policy.track),
                _ => None,
            };
            let mut codecs: Vec<Codec> = media.formats.iter().map(|format| format.codec).collect();
            codecs.dedup();
            sections.push(OfferedSection {
                mid,
                kind: media.kind,
                stream: media.stream.clone(),
                cid: media.cid.clone(),
                rids: offered::rids(section),
                codecs,
                track,
            });
        }
        sections
    }

    /// Attached sections that the offer ends.
    fn ended(&self, description: &SessionDescription, wanted: &[Wanted]) -> Vec<Ended> {
        let mut ended = Vec::new();
        for (at, section) in self.sections.iter().enumerate() {
            let Incoming::Attached { policy, .. } = &section.incoming else { continue };
            let same = description.media.get(at).is_some_and(|offered| offered.mid.as_ref() == Some(&section.mid));
            let goes_on = matches!(wanted.get(at), Some(Wanted::Media(media)) if media.fate == Fate::Attached);
            if !same || !goes_on {
                ended.push(Ended { mid: section.mid.clone(), track: policy.track });
            }
        }
        ended
    }

    pub(super) fn answer(
        &mut self,
        shared: &mut Shared,
        policies: &BTreeMap<String, SectionPolicy>,
    ) -> Result<Answered, NegotiationError> {
        let pending = self.pending.take().ok_or(NegotiationError::NoOffer)?;
        let Pending { id, description, remote, setup, restart, wanted, ended } = *pending;
        let mut answer = Answer::default();
        self.take_sections(&description, &wanted);
        self.settle_places(shared, &wanted, &mut answer.sends);
        for (at, (offered, wanted)) in description.media.iter().zip(&wanted).enumerate() {
            let Some(section) = self.sections.get_mut(at) else { continue };
            let answered = match wanted {
                Wanted::Nothing(sends) => {
                    if *sends {
                        answer.refused.push(section.mid.clone());
                    }
                    section.incoming = Incoming::Silent;
                    local::rejected_section(offered)
                }
                Wanted::Data => local::data_section(&section.mid, offered.protocol.clone(), setup),
                Wanted::Media(media) => {
                    let policy = policies.get(&section.mid);
                    let mut answered = answer.media(shared, section, offered, media, policy);
                    answered.transport.setup = Some(setup);
                    answered
                }
            };
            answer.sections.push(answered);
        }
        let bundle = bundle(&description, &answer.sections);
        let mut text = shared.local.describe(bundle, answer.sections);
        text.extmap_allow_mixed =
            description.extmap_allow_mixed || description.media.iter().any(|section| section.extmap_allow_mixed);
        self.remote = Some(remote.clone());
        Ok(Answered {
            description: proto::SessionDescription {
                r#type: "answer".to_owned(),
                sdp: text.to_string(),
                id,
                mid_to_track_id: self.track_ids(shared).collect(),
            },
            remote,
            restart,
            candidates: remote::candidates(&description),
            published: answer.published,
            ended,
            waiting: answer.waiting,
            refused: answer.refused,
            sends: answer.sends,
        })
    }

    /// Brings the list of sections in line with the offer. What was sent on a section that is another one now loses
    /// its place in [`Self::settle_places`], because the new one does not know of it.
    fn take_sections(&mut self, description: &SessionDescription, wanted: &[Wanted]) {
        for (at, (offered, wanted)) in description.media.iter().zip(wanted).enumerate() {
            let mid = offered.mid.clone().unwrap_or_default();
            let (media, receives) = match wanted {
                Wanted::Media(media) => (Some(media.kind), media.receives),
                _ => (None, false),
            };
            match self.sections.get_mut(at) {
                Some(section) if section.mid == mid => {
                    section.media = media;
                    section.receives = receives;
                }
                place => {
                    let section = Section {
                        mid,
                        kind: offered.kind.clone(),
                        media,
                        receives,
                        incoming: Incoming::Silent,
                        outgoing: None,
                        before: None,
                        used: false,
                    };
                    match place {
                        Some(place) => *place = section,
                        None => self.sections.push(section),
                    }
                }
            }
        }
    }

    /// Gives every send its section for this answer: most keep theirs, some lose it, those that wait get a free one.
    fn settle_places(&mut self, shared: &mut Shared, wanted: &[Wanted], sends: &mut Sends) {
        let formats = |at: usize| match wanted.get(at) {
            Some(Wanted::Media(media)) => media.formats.as_slice(),
            _ => &[],
        };
        // A section whose track goes is described as inactive first: its next track is announced only then.
        let mut freed = BTreeSet::new();
        let uncertain = std::mem::take(&mut self.uncertain);
        for (at, section) in self.sections.iter_mut().enumerate() {
            let before = std::mem::replace(&mut section.before, section.outgoing);
            if uncertain && before.is_some() {
                freed.insert(at);
            }
            if section.outgoing.is_some_and(|subscription| shared.sending.get(subscription).is_none()) {
                section.outgoing = None;
                freed.insert(at);
            }
        }
        for (subscription, at) in shared.sending.placed() {
            let section = self.sections.get_mut(at).filter(|section| section.outgoing == Some(subscription));
            let Some(track) = shared.sending.get_mut(subscription) else { continue };
            let unsupported = track.usable(formats(at), &shared.peer).is_empty();
            let receives = section.as_ref().is_some_and(|section| section.receives);
            if receives && !unsupported {
                continue;
            }
            track.displace();
            sends.displaced.push(subscription);
            if let Some(section) = section {
                section.outgoing = None;
                freed.insert(at);
            }
            if receives {
                track.unsupported = true;
                sends.unsupported.push(subscription);
            }
        }
        if shared.role != Role::Single {
            return;
        }
        let reuses = shared.peer.reuses_sections();
        for subscription in shared.sending.pending_keys() {
            let Some(track) = shared.sending.get_mut(subscription) else { continue };
            let kind = track.outgoing.kind;
            let mut free = (0..).zip(&mut self.sections);
            let mut free = free.by_ref().filter(|(at, section)| section.is_free(kind, reuses) && !freed.contains(at));
            let fits = |(at, _): &(usize, &mut Section)| !track.usable(formats(*at), &shared.peer).is_empty();
            let mut mismatch = false;
            match free.find(|place| {
                mismatch = true;
                fits(place)
            }) {
                Some((at, section)) => {
                    section.outgoing = Some(subscription);
                    section.used = true;
                    track.section = Some(at);
                }
                // Free sections there are, but none with a codec of this track.
                None if mismatch => {
                    track.unsupported = true;
                    sends.unsupported.push(subscription);
                }
                None => {}
            }
        }
    }

    /// `mid_to_track_id`: every section on which we send.
    fn track_ids<'a>(&'a self, shared: &'a Shared) -> impl Iterator<Item = (String, String)> + 'a {
        self.sections.iter().filter_map(|section| {
            let track = shared.sending.get(section.outgoing?)?;
            Some((section.mid.clone(), track.outgoing.track_sid.clone()))
        })
    }

    pub(super) fn attach(&mut self, mid: &str, policy: SectionPolicy) -> Result<Published, NegotiationError> {
        let unknown = || NegotiationError::UnknownSection(mid.to_owned());
        let section = self.sections.iter_mut().find(|section| section.mid == mid).ok_or_else(unknown)?;
        let kind = section.media.ok_or_else(unknown)?;
        match std::mem::take(&mut section.incoming) {
            Incoming::Waiting(received) => {
                let published = received.publish(mid, kind, &policy);
                section.incoming = Incoming::Attached { policy, received };
                Ok(published)
            }
            other => {
                section.incoming = other;
                Err(unknown())
            }
        }
    }

    pub(super) fn detach(&mut self, mid: &str) {
        let Some(section) = self.sections.iter_mut().find(|section| section.mid == mid) else { return };
        if let Incoming::Attached { received, .. } | Incoming::Waiting(received) = &section.incoming {
            section.incoming = Incoming::Detached { cid: received.cid.clone() };
        }
    }

    /// The last answer may have been lost.
    pub(super) fn doubt(&mut self) {
        self.uncertain = true;
    }

    /// Sections that could carry one more track.
    pub(super) fn free(&self, kind: MediaKind, reuses: bool) -> u32 {
        self.sections.iter().filter(|section| section.is_free(kind, reuses)).count() as u32
    }

    /// Sections on which the client is ready to receive.
    pub(super) fn receiving(&self, kind: MediaKind) -> u32 {
        self.sections.iter().filter(|section| section.receives && section.media == Some(kind)).count() as u32
    }

    /// Some section still carries a track that is gone.
    pub(super) fn has_stale(&self, shared: &Shared) -> bool {
        let gone = |subscription| shared.sending.get(subscription).is_none();
        self.sections.iter().any(|section| section.outgoing.is_some_and(gone))
    }

    /// An answer was given.
    pub(super) fn is_described(&self) -> bool {
        self.remote.is_some()
    }
}

impl Section {
    fn is_free(&self, kind: MediaKind, reuses: bool) -> bool {
        self.media == Some(kind) && self.receives && self.outgoing.is_none() && (reuses || !self.used)
    }
}

/// Mids of the sections that live, in the order of the client's BUNDLE group.
fn bundle(offer: &SessionDescription, answer: &[MediaSection]) -> Vec<String> {
    let alive: BTreeSet<&str> =
        answer.iter().filter(|section| !section.is_rejected()).filter_map(|section| section.mid.as_deref()).collect();
    offer.bundle.iter().filter(|mid| alive.contains(mid.as_str())).cloned().collect()
}
