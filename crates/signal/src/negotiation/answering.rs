//! The client offers, we answer: roles [`super::Role::Publisher`] and [`super::Role::Single`].

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;
use tutti_forward::SubscriptionKey;
use tutti_rtp::{Codec, MediaKind};
use tutti_sdp::{Direction, Feedback, MediaSection, Payload, Rid, RidDirection, SessionDescription, Setup, Simulcast};
use tutti_transport::{DtlsRole, RemoteParameters};

use super::extension::{self, SectionExtensions};
use super::format::{self, Format};
use super::offered::{self, Fate, Wanted, WantedMedia};
use super::received::{self, Received};
use super::{
    Answered, Ended, NegotiationError, Offered, OfferedSection, Published, Role, SectionPolicy, Sends, Shared,
    Subscribed, local, remote,
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

/// An answer under construction.
#[derive(Default)]
struct Answer {
    sections: Vec<MediaSection>,
    published: Vec<Published>,
    waiting: Vec<String>,
    refused: Vec<String>,
    sends: Sends,
}

impl Answer {
    /// Answers one section for audio or video.
    fn media(
        &mut self,
        shared: &mut Shared,
        section: &mut Section,
        offered: &MediaSection,
        media: &WantedMedia,
        policy: Option<&SectionPolicy>,
    ) -> MediaSection {
        let mut answered = MediaSection::new(offered.kind.clone(), offered.protocol.clone());
        answered.mid = Some(section.mid.clone());
        answered.rtcp_mux = true;
        answered.rtcp_rsize = offered.rtcp_rsize;

        let policy = match (&section.incoming, media.fate) {
            (Incoming::Attached { policy, .. }, Fate::Attached) => Some(policy.clone()),
            (_, Fate::Unattached) => policy.cloned(),
            _ => None,
        };
        let takes = matches!(media.fate, Fate::Unattached | Fate::Attached);
        let sent = section.outgoing.and_then(|subscription| shared.sending.get(subscription));
        let formats = match sent {
            Some(track) if !takes => {
                let mut formats = track.usable(&media.formats, &shared.peer);
                let rest: Vec<Format> = media.formats.iter().copied().filter(|f| !formats.contains(f)).collect();
                formats.extend(rest);
                formats
            }
            _ => by_preference(&media.formats, policy.as_ref(), takes && shared.peer.needs_only_preferred_codec()),
        };
        let stereo = sent.is_some_and(|track| track.outgoing.stereo);
        let delay = sent.is_some_and(|track| track.outgoing.playout_delay) && shared.peer.takes_playout_delay();
        let extensions = extension::choose(offered, media.kind, shared.role == Role::Single, delay);
        answered.extensions.clone_from(&extensions.mappings);
        let opus = opus_parameters(takes.then_some(policy.as_ref()).flatten(), stereo);
        answered.payloads = payloads(offered, &formats, &opus);

        if takes {
            let encodings = received::encodings(offered);
            answered.rids = encodings.iter().filter_map(|encoding| encoding.rid.as_deref()).map(recv).collect();
            if offered.simulcast.is_some() && !answered.rids.is_empty() {
                let recv = answered.rids.iter().map(|rid| rid.id.clone()).collect();
                answered.simulcast = Some(Simulcast { send: Vec::new(), recv });
            }
            let received = Received {
                cid: media.cid.clone(),
                formats: formats.iter().map(|format| format.agreed()).collect(),
                extensions: extensions.received,
                transport_cc: extensions.received.id(tutti_rtp::Extension::TransportCc).is_some()
                    && formats.iter().any(|format| format.feedback.contains(Feedback::TransportCc)),
                encodings,
            };
            self.receive(section, media.kind, received, policy);
        } else if media.fate == Fate::Silent {
            section.incoming = Incoming::Silent;
        }
        if let Some(subscription) = section.outgoing {
            self.send(shared, subscription, &mut answered, &formats, &extensions);
        }
        answered.direction = Direction::new(section.outgoing.is_some(), takes);
        answered
    }

    /// Settles the incoming half of a section.
    fn receive(&mut self, section: &mut Section, kind: MediaKind, received: Received, policy: Option<SectionPolicy>) {
        let Some(policy) = policy else {
            self.waiting.push(section.mid.clone());
            section.incoming = Incoming::Waiting(received);
            return;
        };
        let published = received.publish(&section.mid, kind, &policy);
        let told = match &section.incoming {
            Incoming::Attached { policy: before, received } => Some(received.publish(&section.mid, kind, before)),
            _ => None,
        };
        if told.as_ref() != Some(&published) {
            self.published.push(published);
        }
        section.incoming = Incoming::Attached { policy, received };
    }

    /// Settles the outgoing half of a section, and describes it.
    fn send(
        &mut self,
        shared: &mut Shared,
        subscription: SubscriptionKey,
        answered: &mut MediaSection,
        formats: &[Format],
        extensions: &SectionExtensions,
    ) {
        let Some(track) = shared.sending.get_mut(subscription) else { return };
        let usable = track.usable(formats, &shared.peer);
        let repairs = usable.iter().any(|format| format.rtx.is_some());
        let agreed = Subscribed {
            subscription,
            mid: answered.mid.clone().unwrap_or_default(),
            ssrc: 0,
            rtx_ssrc: None,
            formats: usable.into_iter().map(Format::agreed).collect(),
            extensions: extensions.sent,
            needs_padding: shared.peer.needs_padding(),
        };
        let same = |told: &Subscribed| {
            (&told.mid, &told.formats, told.extensions) == (&agreed.mid, &agreed.formats, agreed.extensions)
        };
        if track.changed || !track.told.as_ref().is_some_and(same) {
            // Another stream, another SSRC: forwarding starts it from its own numbers.
            let ssrcs = (shared.local.next_ssrc(), shared.local.next_ssrc());
            let told = Subscribed { ssrc: ssrcs.0, rtx_ssrc: repairs.then_some(ssrcs.1), ..agreed };
            track.ssrcs = Some(ssrcs);
            track.changed = false;
            track.told = Some(told.clone());
            self.sends.subscribed.push(told);
        }
        track.describe(answered, repairs);
    }
}

/// The formats of our answer for what the client sends, preferred first. Clients send with the first one.
fn by_preference(formats: &[Format], policy: Option<&SectionPolicy>, only_first: bool) -> Vec<Format> {
    let mut formats = formats.to_vec();
    if let Some(policy) = policy {
        if !policy.red && formats.iter().any(|format| format.codec != Codec::Red) {
            formats.retain(|format| format.codec != Codec::Red);
        }
        let rank = |format: &Format| match format.codec {
            Codec::Red => 0,
            codec if Some(codec) == policy.codec => 1,
            _ => 2,
        };
        // RED stands for the Opus in it; with another codec preferred it goes last.
        let red_first = policy.red && matches!(policy.codec, None | Some(Codec::Opus | Codec::Red));
        formats.sort_by_key(|format| if format.codec == Codec::Red && !red_first { 3 } else { rank(format) });
    }
    if only_first {
        let first = formats.first().map(|format| format.codec);
        formats.retain(|format| Some(format.codec) == first);
    }
    formats
}

/// The parameters of Opus in our answer: what we want to be sent, and what we send.
fn opus_parameters(policy: Option<&SectionPolicy>, sends_stereo: bool) -> String {
    let dtx = policy.is_some_and(|policy| policy.dtx);
    let stereo = policy.is_some_and(|policy| policy.stereo);
    format::opus_parameters(dtx, stereo, sends_stereo)
}

/// The payloads of our answer: the client's own, without what we do not share.
fn payloads(offered: &MediaSection, formats: &[Format], opus: &str) -> Vec<Payload> {
    let mut payloads = Vec::with_capacity(2 * formats.len());
    for format in formats {
        let Some(theirs) = offered.payload(format.payload_type) else { continue };
        let parameters = match format.codec {
            Codec::Opus => opus.to_owned(),
            // Limits of the client's decoder, which mean nothing for us.
            Codec::Vp8 => String::new(),
            Codec::Vp9 => format!("profile-id={}", format.profile),
            _ => theirs.parameters.clone(),
        };
        let payload = Payload { parameters, feedback: format.feedback, ..theirs.clone() };
        let repair = format.rtx.map(|number| format::retransmission(number, &payload));
        payloads.push(payload);
        payloads.extend(repair);
    }
    payloads
}

fn recv(rid: &str) -> Rid {
    Rid { id: rid.to_owned(), direction: RidDirection::Recv, restrictions: String::new() }
}
