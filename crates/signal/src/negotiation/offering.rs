//! We offer, the client answers: role [`super::Role::Subscriber`].

use std::collections::HashMap;

use livekit_protocol as proto;
use tutti_forward::{SendSection, SubscriptionKey};
use tutti_rtp::MediaKind;
use tutti_sdp::{Direction, MediaSection, Protocol, SessionDescription, Setup};
use tutti_transport::{DtlsRole, IceCredentials};

use super::format::{self, Format};
use super::sending::{SendingTrack, common_codec};
use super::{NegotiationError, OfferAnswered, Sends, Shared, extension, local, remote};

/// Mid of the section for data channels, which is the first one and never goes.
const DATA_MID: &str = "0";

/// The sections that we made, and our offer under way.
#[derive(Debug, Default)]
pub(super) struct Offering {
    /// Sections for media.
    sections: Vec<Section>,
    /// Names given to sections so far; each is its number, counted from 1.
    mids: u32,
    /// Id of the last offer.
    id: u32,
    /// That offer waits for its answer.
    unanswered: bool,
    /// That offer restarts ICE.
    restart: bool,
    /// That offer took the place of an unanswered one.
    replaces: bool,
    /// Our side of the handshake, from the first answer on.
    dtls_role: Option<DtlsRole>,
}

/// A section for audio or video.
#[derive(Debug)]
struct Section {
    mid: String,
    kind: MediaKind,
    /// What it carries in the next offer.
    carries: Option<SubscriptionKey>,
    /// What it carried in the last offer.
    offered: Option<SubscriptionKey>,
    /// What it carried in the last offer that was answered.
    agreed: Option<SubscriptionKey>,
    /// It is rejected, by the client or for the client's sake.
    dead: bool,
}

/// What may become of a section whose track is gone (RFC 8829, section 5.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reuse {
    /// Nothing.
    Never,
    /// It carries another track.
    Kept,
    /// It is rejected, then carries another track under another name.
    Renamed,
}

impl Section {
    /// The client knows it as inactive or rejected, so that a new track on it will be announced.
    fn is_free(&self, kind: MediaKind, reuse: Reuse) -> bool {
        let empty = self.carries.is_none() && self.offered.is_none() && self.agreed.is_none();
        let usable = match reuse {
            Reuse::Never => false,
            Reuse::Kept => !self.dead,
            Reuse::Renamed => true,
        };
        self.kind == kind && empty && usable
    }
}

impl Offering {
    /// An offer is due.
    pub(super) fn is_due(&self, shared: &Shared) -> bool {
        let first = self.id == 0;
        let differs = || self.sections.iter().any(|section| section.carries != section.offered);
        let waits = || shared.sending.pending().next().is_some() || shared.sending.has_changed();
        !self.unanswered && (first || differs() || waits())
    }

    /// An offer waits for its answer.
    pub(super) fn is_unanswered(&self) -> bool {
        self.unanswered
    }

    /// A track is gone from its section.
    pub(super) fn clear(&mut self, at: usize) {
        if let Some(section) = self.sections.get_mut(at) {
            section.carries = None;
        }
    }

    pub(super) fn offer(
        &mut self,
        shared: &mut Shared,
        restart: Option<IceCredentials>,
    ) -> Option<proto::SessionDescription> {
        if restart.is_none() && !self.is_due(shared) {
            return None;
        }
        // An offer that replaces an unanswered one still has to restart what that one would have.
        self.restart = restart.is_some() || (self.restart && self.unanswered);
        self.replaces = self.unanswered;
        if let Some(ice) = restart {
            shared.local.restart(ice);
        }
        self.place(shared);
        let mut media = Vec::with_capacity(1 + self.sections.len());
        media.push(local::data_section(DATA_MID));
        let mut mid_to_track_id = HashMap::new();
        for section in &mut self.sections {
            let track = section.carries.and_then(|subscription| shared.sending.get_mut(subscription));
            section.offered = section.carries;
            if let Some(track) = track {
                if track.changed || track.ssrcs.is_none() {
                    // Another stream, another SSRC: forwarding starts it from its own numbers.
                    track.ssrcs = Some((shared.local.next_ssrc(), shared.local.next_ssrc()));
                    track.changed = false;
                    track.told = None;
                }
                mid_to_track_id.insert(section.mid.clone(), track.outgoing.track_sid.clone());
            }
            let track = section.carries.and_then(|subscription| shared.sending.get(subscription));
            media.push(describe(section, track, shared));
        }
        let bundle = media.iter().filter(|section| section.port != 0).filter_map(|section| section.mid.clone());
        let description = shared.local.describe(bundle.collect(), media);
        self.id += 1;
        self.unanswered = true;
        let sdp = description.to_string();
        Some(proto::SessionDescription { r#type: "offer".to_owned(), sdp, id: self.id, mid_to_track_id })
    }

    /// Gives a section to every track that waits for one.
    fn place(&mut self, shared: &mut Shared) {
        let reuse = reuse(shared);
        // Free sections are taken from the front; what was passed by is not free.
        let mut next = [0, 0];
        for subscription in shared.sending.pending_keys() {
            let Some(track) = shared.sending.get_mut(subscription) else { continue };
            let kind = track.outgoing.kind;
            let [audio, video] = &mut next;
            let from = if kind == MediaKind::Audio { audio } else { video };
            while self.sections.get(*from).is_some_and(|section| !section.is_free(kind, reuse)) {
                *from += 1;
            }
            track.section = Some(*from);
            match self.sections.get_mut(*from) {
                Some(section) if reuse == Reuse::Kept => section.carries = Some(subscription),
                place => {
                    self.mids += 1;
                    let section = Section {
                        mid: self.mids.to_string(),
                        kind,
                        carries: Some(subscription),
                        offered: None,
                        agreed: None,
                        dead: false,
                    };
                    match place {
                        Some(place) => *place = section,
                        None => self.sections.push(section),
                    }
                }
            }
        }
    }

    pub(super) fn read_answer(
        &mut self,
        shared: &mut Shared,
        answer: &proto::SessionDescription,
    ) -> Result<Option<OfferAnswered>, NegotiationError> {
        let described = local::read(answer, "answer")?;
        // Clients that do not number their answers say 0.
        if !self.unanswered || (answer.id != 0 && answer.id != self.id) {
            return Ok(None);
        }
        let expected = 1 + self.sections.len();
        if described.media.len() != expected {
            // Without a number, an answer to an earlier offer is recognised by its length.
            if answer.id == 0 && described.media.len() < expected {
                return Ok(None);
            }
            return Err(NegotiationError::MissingSections { expected, found: described.media.len() });
        }
        match self.check(&described) {
            // The same, recognised by its names.
            Err(_) if answer.id == 0 && self.replaces => return Ok(None),
            checked => checked?,
        }
        // Clients answer `active` to `actpass`; one that says nothing means the same (RFC 8842, section 5.3).
        let dtls_role = self.dtls_role.unwrap_or(match remote::setup(&described) {
            Some(Setup::Passive) => DtlsRole::Client,
            _ => DtlsRole::Server,
        });
        let lives = described.media.iter().any(|section| !section.is_rejected());
        let remote = if lives { Some(remote::parameters(&described, dtls_role)?) } else { None };
        self.dtls_role = remote.as_ref().map(|remote| remote.dtls_role).or(self.dtls_role);
        self.unanswered = false;
        let mut sends = Sends::default();
        for (section, answered) in self.sections.iter_mut().zip(described.media.iter().skip(1)) {
            section.agreed = section.offered;
            // One that the client takes out of the bundle would need another transport (RFC 9143, section 7.3.3).
            let bundled = described.bundle.is_empty() || described.bundle.contains(&section.mid);
            settle(shared, section, answered, bundled, &mut sends);
        }
        let candidates = remote::candidates(&described);
        Ok(Some(OfferAnswered { remote, restart: std::mem::take(&mut self.restart), candidates, sends }))
    }

    /// Checks that the answer has our sections in our order.
    fn check(&self, answer: &SessionDescription) -> Result<(), NegotiationError> {
        for (at, answered) in answer.media.iter().enumerate() {
            let (mid, kind) = match at.checked_sub(1).and_then(|at| self.sections.get(at)) {
                Some(section) => (section.mid.as_str(), sdp_kind(section.kind)),
                None => (DATA_MID, tutti_sdp::MediaKind::Application),
            };
            // Rejected sections may have lost their name.
            let named = answered.mid.as_ref().is_some_and(|answered| answered == mid) || answered.is_rejected();
            if !named || answered.kind != kind {
                return Err(NegotiationError::ChangedSection { mid: mid.to_owned() });
            }
        }
        Ok(())
    }
}

/// Takes what the client answered about one section.
fn settle(shared: &mut Shared, section: &mut Section, answered: &MediaSection, bundled: bool, sends: &mut Sends) {
    if answered.is_rejected() {
        section.dead = true;
    }
    let Some(subscription) = section.offered.filter(|offered| section.carries == Some(*offered)) else { return };
    let Some(track) = shared.sending.get_mut(subscription) else { return };
    // Payload types are those of the answer, whatever ours were (RFC 3264, section 6.1).
    let formats = format::formats(answered, section.kind);
    let usable = track.usable(&formats, &shared.peer);
    if section.dead || !bundled || !answered.direction.receives() || usable.is_empty() {
        if track.told.is_some() {
            sends.displaced.push(subscription);
        }
        track.displace();
        track.unsupported = true;
        section.carries = None;
        sends.unsupported.push(subscription);
        return;
    }
    let Some((ssrc, rtx_ssrc)) = track.ssrcs else { return };
    if track.told.as_ref().is_some_and(|told| told.ssrc == ssrc) {
        // It runs. Its formats could only change with another SSRC.
        return;
    }
    let subscribed = SendSection {
        subscription,
        mid: section.mid.clone(),
        ssrc,
        rtx_ssrc: usable.iter().any(|format| format.rtx.is_some()).then_some(rtx_ssrc),
        formats: usable.into_iter().map(Format::agreed).collect(),
        extensions: extension::kept(answered, section.kind, has_delay(track, shared.peer.takes_playout_delay())),
        cname: track.cname().to_owned(),
        needs_padding: shared.peer.needs_padding(),
    };
    track.told = Some(subscribed.clone());
    sends.subscribed.push(subscribed);
}

/// Describes one section.
fn describe(section: &Section, track: Option<&SendingTrack>, shared: &Shared) -> MediaSection {
    let mut described = MediaSection::new(sdp_kind(section.kind), Protocol::DtlsRtp);
    described.mid = Some(section.mid.clone());
    if section.dead || (track.is_none() && reuse(shared) == Reuse::Renamed) {
        described.port = 0;
        described.payloads = format::own_payloads(common_codec(section.kind)).take(1).collect();
        return described;
    }
    described.rtcp_mux = true;
    described.rtcp_rsize = true;
    described.transport.setup = Some(Setup::ActPass);
    described.direction = Direction::new(track.is_some(), false);
    let delay = track.is_some_and(|track| has_delay(track, shared.peer.takes_playout_delay()));
    described.extensions = extension::own_extensions(section.kind, delay);
    match track {
        Some(track) => {
            let codecs = track.offered_codecs(&shared.codecs, &shared.peer);
            described.payloads = codecs.into_iter().flat_map(format::own_payloads).collect();
            if track.outgoing.stereo {
                let opus = described.payloads.iter_mut().find(|payload| payload.is("opus"));
                if let Some(opus) = opus {
                    opus.parameters = format::opus_parameters(false, false, true);
                }
            }
            track.describe(&mut described, section.kind == MediaKind::Video);
        }
        // Nothing flows; a line needs a format all the same.
        None => described.payloads = format::own_payloads(common_codec(section.kind)).collect(),
    }
    described
}

fn has_delay(track: &SendingTrack, takes: bool) -> bool {
    track.outgoing.playout_delay && takes
}

/// What becomes of this client's sections.
fn reuse(shared: &Shared) -> Reuse {
    match (shared.peer.recycles_sections(), shared.peer.reuses_sections()) {
        (true, _) => Reuse::Renamed,
        (false, true) => Reuse::Kept,
        (false, false) => Reuse::Never,
    }
}

const fn sdp_kind(kind: MediaKind) -> tutti_sdp::MediaKind {
    match kind {
        MediaKind::Audio => tutti_sdp::MediaKind::Audio,
        MediaKind::Video => tutti_sdp::MediaKind::Video,
    }
}
