//! The client offers, we answer: roles [`super::Role::Publisher`] and [`super::Role::Single`].

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;
use tutti_rtp::{Codec, MediaKind};
use tutti_sdp::{MediaSection, SessionDescription, Setup};
use tutti_transport::{DtlsRole, RemoteParameters};

use super::answer::Answer;
use super::format::Format;
use super::offered::{self, Fate, Wanted};
use super::section::{Incoming, Section};
use super::{
    Answered, Ended, NegotiationError, Offered, OfferedSection, Published, Refused, Role, SectionPolicy, Sends, Shared,
    local, remote,
};

/// The sections that the client made, and its offer under way.
#[derive(Debug, Default)]
pub(super) struct Answering {
    sections: Vec<Section>,
    pending: Option<Box<Pending>>,
    /// An answer was given.
    described: bool,
    /// What the client said of its transport last.
    remote: Option<RemoteParameters>,
    /// The last answer may have been lost with its socket.
    uncertain: bool,
}

/// An offer that was read and not answered yet.
#[derive(Debug)]
struct Pending {
    id: u32,
    description: SessionDescription,
    /// A name for each section.
    mids: Vec<String>,
    /// `None`: no section of the offer is taken.
    remote: Option<RemoteParameters>,
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
        let mids = offered::names(&description)?;
        offered::check(&description, &mids, &self.sections)?;
        let setup = remote::setup(&description);
        // Fixed by the first offer. Where the client leaves it to us it starts the handshake, because the side that
        // answers it chooses the SRTP profile: browsers as DTLS servers take AES-CM with HMAC-SHA1 although they offer
        // AES-GCM, which costs a fifth.
        let dtls_role = match (&self.remote, setup) {
            (Some(remote), _) => remote.dtls_role,
            (None, Some(Setup::Passive)) => DtlsRole::Client,
            (None, _) => DtlsRole::Server,
        };
        let setup = match dtls_role {
            DtlsRole::Client => Setup::Active,
            DtlsRole::Server => Setup::Passive,
        };
        let wanted = self.wanted(shared, &description, &mids);
        // Where nothing is taken there is no transport to speak of.
        let lives = wanted.iter().any(|wanted| !matches!(wanted, Wanted::Nothing { .. }));
        let remote = if lives { Some(remote::parameters(&description, dtls_role)?) } else { None };
        let restart = matches!((&self.remote, &remote), (Some(before), Some(remote)) if before.ice != remote.ice);
        let sections = self.offered_sections(&description, &mids, &wanted);
        let ended = self.ended(&mids, &wanted);
        let offered = Offered { id: offer.id, restart, sections, ended: ended.clone() };
        let pending = Pending { id: offer.id, description, mids, remote, setup, restart, wanted, ended };
        self.pending = Some(Box::new(pending));
        Ok(offered)
    }

    /// What each section wants.
    fn wanted(&self, shared: &Shared, description: &SessionDescription, mids: &[String]) -> Vec<Wanted> {
        let transport = offered::Transport::of(description);
        let sections = description.media.iter().zip(mids).enumerate();
        let wanted = sections.map(|(at, (section, mid))| {
            let mux = transport.mux(section);
            offered::wanted(section, transport.carries(at, section), mux, self.prior(at, mid), shared)
        });
        wanted.collect()
    }

    /// What was agreed for the section with this place and name.
    fn prior(&self, at: usize, mid: &str) -> Option<&Section> {
        self.sections.get(at).filter(|section| section.mid == mid)
    }

    fn offered_sections(
        &self,
        description: &SessionDescription,
        mids: &[String],
        wanted: &[Wanted],
    ) -> Vec<OfferedSection> {
        let mut sections = Vec::new();
        for (at, ((section, mid), wanted)) in description.media.iter().zip(mids).zip(wanted).enumerate() {
            let Wanted::Media(media) = wanted else { continue };
            if matches!(media.fate, Fate::Silent | Fate::Detached) {
                continue;
            }
            let track = match self.prior(at, mid).map(|prior| &prior.incoming) {
                Some(Incoming::Attached { policy, .. }) if media.fate == Fate::Attached => Some(policy.track),
                _ => None,
            };
            let mut codecs: Vec<Codec> = media.formats.iter().map(|format| format.codec).collect();
            codecs.dedup();
            sections.push(OfferedSection {
                mid: mid.clone(),
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
    fn ended(&self, mids: &[String], wanted: &[Wanted]) -> Vec<Ended> {
        let mut ended = Vec::new();
        for (at, section) in self.sections.iter().enumerate() {
            let Incoming::Attached { policy, .. } = &section.incoming else { continue };
            let same = mids.get(at) == Some(&section.mid);
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
        let Pending { id, description, mids, remote, setup, restart, wanted, ended } = *pending;
        let mut answer = Answer::default();
        self.take_sections(&description, &mids, &wanted);
        self.settle_places(shared, &wanted, &mut answer.sends);
        for (at, (offered, wanted)) in description.media.iter().zip(&wanted).enumerate() {
            let Some(section) = self.sections.get_mut(at) else { continue };
            let mut answered = match wanted {
                Wanted::Nothing { sends } => {
                    if *sends {
                        answer.refused.push(Refused { mid: section.mid.clone(), cid: offered::cid(offered) });
                    }
                    section.incoming = Incoming::Silent;
                    local::rejected_section(offered)
                }
                Wanted::Data => local::answered_data_section(offered),
                Wanted::Media(media) => {
                    let policy = policies.get(&section.mid);
                    answer.media(shared, section, offered, media, &description.extensions, policy)
                }
            };
            if !answered.is_rejected() {
                answered.transport.setup = Some(setup);
            }
            // A name is in the answer where it was in the offer (RFC 8829, section 5.3.1).
            answered.mid.clone_from(&offered.mid);
            answer.sections.push(answered);
        }
        let bundle = bundle(&description, &answer.sections);
        let mut text = shared.local.describe(bundle, answer.sections);
        text.extmap_allow_mixed =
            description.extmap_allow_mixed || description.media.iter().any(|section| section.extmap_allow_mixed);
        self.described = true;
        if remote.is_some() {
            self.remote.clone_from(&remote);
        }
        Ok(Answered {
            description: proto::SessionDescription {
                r#type: "answer".to_owned(),
                sdp: text.to_string(),
                id,
                mid_to_track_id: self.track_ids(shared, &description).collect(),
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
    fn take_sections(&mut self, description: &SessionDescription, mids: &[String], wanted: &[Wanted]) {
        for (at, ((offered, mid), wanted)) in description.media.iter().zip(mids).zip(wanted).enumerate() {
            match self.sections.get_mut(at) {
                Some(section) if section.mid == *mid => {}
                Some(place) => *place = Section::new(mid.clone(), offered.kind.clone()),
                None => self.sections.push(Section::new(mid.clone(), offered.kind.clone())),
            }
            if let Some(section) = self.sections.get_mut(at) {
                (section.media, section.receives) = match wanted {
                    Wanted::Media(media) => (Some(media.kind), media.receives),
                    _ => (None, false),
                };
            }
        }
    }

    /// Gives every send its section for this answer: most keep theirs, some lose it, those that wait get a free one.
    fn settle_places(&mut self, shared: &mut Shared, wanted: &[Wanted], sends: &mut Sends) {
        // A section whose track goes is described as inactive first: its next track is announced only then.
        let mut freed = self.free_abandoned(shared);
        self.keep_places(shared, wanted, sends, &mut freed);
        if shared.role == Role::Single {
            self.give_places(shared, wanted, sends, &freed);
        }
    }

    /// Frees the sections whose tracks are gone. Those that the last answer freed count as well, if it may be lost.
    fn free_abandoned(&mut self, shared: &Shared) -> BTreeSet<usize> {
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
        freed
    }

    /// Takes its section from every track that cannot be sent there any more.
    fn keep_places(&mut self, shared: &mut Shared, wanted: &[Wanted], sends: &mut Sends, freed: &mut BTreeSet<usize>) {
        for (subscription, at) in shared.sending.placed() {
            let section = self.sections.get_mut(at).filter(|section| section.outgoing == Some(subscription));
            let Some(track) = shared.sending.get_mut(subscription) else { continue };
            let unsupported = track.usable(formats(wanted, at), &shared.peer).is_empty();
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
    }

    /// Gives a free section to every track that waits for one.
    fn give_places(&mut self, shared: &mut Shared, wanted: &[Wanted], sends: &mut Sends, freed: &BTreeSet<usize>) {
        let reuses = shared.peer.reuses_sections();
        for subscription in shared.sending.pending_keys() {
            let Some(track) = shared.sending.get_mut(subscription) else { continue };
            let kind = track.outgoing.kind;
            let mut mismatch = false;
            for (at, section) in self.sections.iter_mut().enumerate() {
                if !section.is_free(kind, reuses) || freed.contains(&at) {
                    continue;
                }
                if track.usable(formats(wanted, at), &shared.peer).is_empty() {
                    mismatch = true;
                    continue;
                }
                section.outgoing = Some(subscription);
                section.used = true;
                track.section = Some(at);
                break;
            }
            // Free sections there are, but none with a codec of this track.
            if track.section.is_none() && mismatch {
                track.unsupported = true;
                sends.unsupported.push(subscription);
            }
        }
    }

    /// `mid_to_track_id`: every section on which we send and that the client named.
    fn track_ids<'a>(
        &'a self,
        shared: &'a Shared,
        offer: &'a SessionDescription,
    ) -> impl Iterator<Item = (String, String)> + 'a {
        let named = self.sections.iter().zip(&offer.media).filter(|(_, offered)| offered.mid.is_some());
        named.filter_map(|(section, _)| {
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
        self.described
    }
}

/// The formats that both sides have on the section with this number.
fn formats(wanted: &[Wanted], at: usize) -> &[Format] {
    match wanted.get(at) {
        Some(Wanted::Media(media)) => media.formats.as_slice(),
        _ => &[],
    }
}

/// Mids of the sections that live, in the order of the client's BUNDLE group.
fn bundle(offer: &SessionDescription, answer: &[MediaSection]) -> Vec<String> {
    let alive: BTreeSet<&str> =
        answer.iter().filter(|section| !section.is_rejected()).filter_map(|section| section.mid.as_deref()).collect();
    offer.bundle.iter().filter(|mid| alive.contains(mid.as_str())).cloned().collect()
}
