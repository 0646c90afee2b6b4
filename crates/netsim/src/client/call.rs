//! One session of a client: its dialogue with the server, its connections, and what it knows of the room.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tutti_sdp::SessionDescription;

use super::ledger::Ledger;
use super::media::{DueFrame, TICK};
use super::messages::Outbox;
use super::peer::{Changes, Happened, Peer};
use super::publishing::Own;
use super::{Ask, MEDIA_WITHIN, Preference, Wanted, description};

/// A connection that is lost for this long is taken up by a resume.
const LOST_FOR: Duration = Duration::from_secs(2);

/// What has come due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// Time for the next attempt to resume.
    Resume,
    /// The socket or the media is no good.
    GiveUp,
}

pub(crate) struct Call {
    pub(crate) sid: String,
    /// There is a socket, and what is said on it is read.
    pub(crate) attached: bool,
    pub(super) resume_due: Option<Instant>,
    /// Media must be up by then.
    pub(super) media_due: Option<Instant>,
    pub(super) failures: u32,
    pub(super) publisher: Peer,
    pub(super) subscriber: Option<Peer>,
    lost_since: Option<Instant>,
    /// A connection is over for good.
    pub(super) broken: bool,
    tick_at: Instant,
    pub(super) frames: VecDeque<DueFrame>,
    /// Sends no media for now.
    pub(crate) silent: bool,
    /// Everyone it knows of, itself included, by identity, as clients keep them.
    pub(crate) known: BTreeMap<String, proto::ParticipantInfo>,
    pub(super) own: BTreeMap<String, Own>,
    pub(super) outbox: Outbox,
    /// Track sids by the section that the server sends them on.
    pub(crate) receiving: BTreeMap<String, String>,
    /// Tracks that the server was told not to send.
    turned_off: BTreeSet<String>,
    /// What was said of each track, by sid.
    preferences_told: BTreeMap<String, Preference>,
    attributes_told: BTreeMap<String, String>,
    denied_told: BTreeSet<String>,
    offers: u32,
    more: Option<(u32, u32)>,
    channels_offered: bool,
    restart: bool,
    /// Its last answer or offer, for `SyncState`.
    answer: Option<proto::SessionDescription>,
}

impl Call {
    pub(super) fn new(now: Instant, join: &proto::JoinResponse, publisher: Peer, subscriber: Option<Peer>) -> Self {
        let participant = join.participant.clone().unwrap_or_default();
        let everyone = join.other_participants.iter().cloned().chain([participant.clone()]);
        let channels_offered = publisher.is_offering();
        Self {
            sid: participant.sid,
            attached: true,
            resume_due: None,
            media_due: None,
            failures: 0,
            publisher,
            subscriber,
            lost_since: None,
            broken: false,
            tick_at: now + TICK,
            frames: VecDeque::new(),
            silent: false,
            known: everyone.map(|info| (info.identity.clone(), info)).collect(),
            own: BTreeMap::new(),
            outbox: Outbox::default(),
            receiving: BTreeMap::new(),
            turned_off: BTreeSet::new(),
            preferences_told: BTreeMap::new(),
            attributes_told: BTreeMap::new(),
            denied_told: BTreeSet::new(),
            offers: 1,
            more: None,
            channels_offered,
            restart: false,
            answer: None,
        }
    }

    pub(crate) fn peers_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        std::iter::once(&mut self.publisher).chain(self.subscriber.as_mut())
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = &Peer> {
        std::iter::once(&self.publisher).chain(self.subscriber.as_ref())
    }

    /// Nothing is under way: connections up, nothing offered, every track as it is wanted.
    pub(crate) fn unrest(&self) -> Option<String> {
        if !self.attached {
            return Some("has no socket".into());
        }
        if let Some(number) = self.peers().position(|peer| !peer.is_up()) {
            return Some(format!("connection {number} is down"));
        }
        if self.publisher.is_offering() {
            return Some("waits for an answer".into());
        }
        if !self.publisher.has_channels() {
            return Some("has no data channels".into());
        }
        let unfinished = self.own.iter().find(|(_, own)| !own.agreed || own.ending);
        unfinished.map(|(cid, own)| format!("has not finished {cid}: {own:?}"))
    }

    pub(super) fn poll_timeout(&self) -> Instant {
        let lost = self.lost_since.filter(|_| self.attached).map(|since| since + LOST_FOR);
        let frame = self.frames.front().map(|frame| frame.at);
        let due = [self.resume_due, self.media_due, lost, frame].into_iter().flatten();
        self.peers().map(|peer| peer.deadline).chain(due).fold(self.tick_at, Instant::min)
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, ledger: &mut Ledger, own: u16, start: Instant) -> Due {
        for peer in self.peers_mut() {
            if peer.deadline <= now {
                peer.handle_timeout(now);
            }
        }
        if self.tick_at <= now {
            self.tick_at = now + TICK;
            self.tick(now);
            self.send_waiting();
        }
        self.film(now, own, start, ledger);
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.resume_due) {
            return Due::Resume;
        }
        if is_due(self.media_due) {
            self.media_due = None;
            if !self.attached || self.peers().any(|peer| !peer.is_up()) {
                return Due::GiveUp;
            }
            self.failures = 0;
        }
        if self.attached && is_due(self.lost_since.map(|since| since + LOST_FOR)) {
            self.lost_since = None;
            return Due::GiveUp;
        }
        Due::Nothing
    }

    /// Takes what happened on the connections.
    pub(super) fn attend(&mut self, now: Instant, own: u16, ledger: &mut Ledger) {
        let happened: Vec<Happened> = self.peers_mut().flat_map(Peer::happened).collect();
        for happened in happened {
            match happened {
                Happened::Up => {
                    if self.peers().all(Peer::is_up) {
                        self.lost_since = None;
                        self.failures = 0;
                    }
                }
                Happened::Lost => {
                    self.lost_since.get_or_insert(now);
                }
                Happened::Broken => self.broken = true,
                Happened::Packet { mid, ssrc, sequence, timestamp, payload } => {
                    let section = self.receiving.get(&mid).and_then(|sid| self.name_of(sid));
                    ledger.take(own, (ssrc, sequence, timestamp), &payload, section);
                }
                Happened::KeyFrame { mid, rid } => {
                    let track = self.own.values_mut().find(|track| track.mid.as_deref() == Some(mid.as_str()));
                    let layer = rid.and_then(|rid| super::peer::RIDS.iter().position(|known| *known == rid));
                    if let Some(track) = track {
                        track.key_frame_due[layer.unwrap_or(0)] = true;
                    }
                }
                Happened::Message { label, payload } => Self::take_message(own, ledger, &label, &payload),
            }
        }
    }

    /// The name of the track with that sid.
    pub(crate) fn name_of(&self, sid: &str) -> Option<&str> {
        let tracks = self.known.values().flat_map(|info| &info.tracks);
        tracks.into_iter().find(|track| track.sid == sid).map(|track| track.name.as_str())
    }

    pub(super) fn handle_message(
        &mut self,
        now: Instant,
        message: &Response,
        wanted: &Wanted,
        asks: &mut VecDeque<Ask>,
    ) -> Result<(), String> {
        match message {
            Response::Reconnect(reconnect) => self.resumed(now, reconnect, wanted, asks),
            Response::Answer(answer) => self.answered(answer)?,
            Response::Offer(offer) => {
                let Some(subscriber) = &mut self.subscriber else {
                    return Err("an offer in single mode".into());
                };
                let sdp = subscriber.answer(&offer.sdp)?;
                let answer = description("answer", sdp, offer.id);
                self.answer = Some(answer.clone());
                asks.push_back(Ask::Say(Box::new(Request::Answer(answer))));
                self.receive(sections(&offer.sdp)?)?;
            }
            Response::Update(update) => self.update(&update.participants),
            Response::TrackPublished(published) => {
                let sid = published.track.as_ref().map(|track| track.sid.clone());
                if let Some(own) = self.own.get_mut(&published.cid) {
                    own.sid = sid;
                }
            }
            Response::TrackUnpublished(unpublished) => {
                self.own.retain(|_, own| own.sid.as_deref() != Some(unpublished.track_sid.as_str()));
            }
            Response::SubscribedQualityUpdate(update) => {
                let own = self.own.values_mut().find(|own| own.sid.as_deref() == Some(update.track_sid.as_str()));
                if let Some(own) = own {
                    own.demand(update);
                }
            }
            Response::MediaSectionsRequirement(more) => {
                let (audios, videos) = self.more.unwrap_or_default();
                self.more = Some((audios + more.num_audios, videos + more.num_videos));
            }
            _ => {}
        }
        Ok(())
    }

    /// Media of a participant or a publication that a client was not told of is lost to it.
    fn receive(&mut self, sections: BTreeMap<String, String>) -> Result<(), String> {
        if let Some(sid) = sections.values().find(|sid| self.name_of(sid).is_none()) {
            return Err(format!("media of {sid}, of which nothing was said"));
        }
        self.receiving = sections;
        Ok(())
    }

    fn answered(&mut self, answer: &proto::SessionDescription) -> Result<(), String> {
        if !self.publisher.answered(answer.id, &answer.sdp)? {
            return Ok(());
        }
        if self.subscriber.is_none() {
            self.receive(answer.mid_to_track_id.clone().into_iter().collect())?;
            self.answer = Some(answer.clone());
        }
        self.settle_own(&answer.sdp)
    }

    fn resumed(
        &mut self,
        now: Instant,
        reconnect: &proto::ReconnectResponse,
        wanted: &Wanted,
        asks: &mut VecDeque<Ask>,
    ) {
        self.attached = true;
        self.resume_due = None;
        self.media_due = Some(now + MEDIA_WITHIN);
        let down = self.peers().any(|peer| !peer.is_up());
        self.lost_since = down.then_some(now + LOST_FOR);
        self.restart = true;
        let published = self.own.iter().filter(|(_, own)| own.sid.is_some() && own.agreed && !own.ending);
        let publish_tracks = published.map(|(cid, own)| proto::TrackPublishedResponse {
            cid: cid.clone(),
            track: own.sid.clone().map(|sid| proto::TrackInfo { sid, ..Default::default() }),
        });
        let off = self.unwanted_sids(wanted);
        let sync = proto::SyncState {
            answer: self.answer.clone(),
            subscription: Some(proto::UpdateSubscription {
                track_sids: off.iter().cloned().collect(),
                subscribe: false,
                ..Default::default()
            }),
            publish_tracks: publish_tracks.collect(),
            ..Default::default()
        };
        asks.push_back(Ask::Say(Box::new(Request::SyncState(sync))));
        // What was said on the old socket may not have been heard: it is said again.
        let on = self.turned_off.difference(&off).cloned().collect();
        self.say_subscription(on, true, asks);
        self.turned_off = off;
        for (cid, own) in &self.own {
            match &own.sid {
                None => asks.push_back(Ask::Say(Box::new(Request::AddTrack(own.request(cid))))),
                Some(sid) => {
                    let muted = own.track.muted;
                    let sid = sid.clone();
                    asks.push_back(Ask::Say(Box::new(Request::Mute(proto::MuteTrackRequest { sid, muted }))));
                }
            }
        }
        self.attributes_told.clear();
        self.preferences_told.clear();
        self.denied_told.clear();
        self.deny(wanted, asks, true);
        if self.publisher.is_offering() {
            self.offers += 1;
            let again = self.publisher.offer_again(self.offers);
            asks.extend(again.map(|sdp| Ask::Say(Box::new(Request::Offer(description("offer", sdp, self.offers))))));
        }
        self.replay(reconnect.last_message_seq);
        self.pursue(wanted, asks);
    }

    fn update(&mut self, participants: &[proto::ParticipantInfo]) {
        for info in participants {
            let known = self.known.get(&info.identity);
            let newer = known.is_none_or(|known| known.sid != info.sid || known.version <= info.version);
            if info.state() == proto::participant_info::State::Disconnected {
                self.known.remove(&info.identity);
            } else if newer {
                self.known.insert(info.identity.clone(), info.clone());
            }
        }
    }

    fn settle_own(&mut self, answer: &str) -> Result<(), String> {
        let parsed = SessionDescription::parse(answer).map_err(|error| format!("answer: {error:?}\n{answer}"))?;
        for own in self.own.values_mut() {
            let section = parsed.media.iter().find(|section| section.mid.is_some() && section.mid == own.mid);
            let Some(section) = section else { continue };
            if own.ending {
                own.ended = true;
            } else if section.direction.receives() && !section.is_rejected() {
                own.agreed = true;
            }
        }
        self.own.retain(|_, own| !own.ended);
        Ok(())
    }

    /// Asks for whatever the user wants and was not asked for yet.
    pub(super) fn pursue(&mut self, wanted: &Wanted, asks: &mut VecDeque<Ask>) {
        if !self.attached {
            return;
        }
        for (cid, track) in &wanted.tracks {
            match self.own.get_mut(cid) {
                None => {
                    let own = Own::new(track.clone());
                    asks.push_back(Ask::Say(Box::new(Request::AddTrack(own.request(cid)))));
                    self.own.insert(cid.clone(), own);
                }
                Some(own) if own.track.muted != track.muted => {
                    if let Some(sid) = own.sid.clone() {
                        own.track.muted = track.muted;
                        let muted = track.muted;
                        asks.push_back(Ask::Say(Box::new(Request::Mute(proto::MuteTrackRequest { sid, muted }))));
                    }
                }
                Some(_) => {}
            }
        }
        let off = self.unwanted_sids(wanted);
        let newly_off = off.difference(&self.turned_off).cloned().collect();
        let newly_on = self.turned_off.difference(&off).cloned().collect();
        self.say_subscription(newly_off, false, asks);
        self.say_subscription(newly_on, true, asks);
        self.turned_off = off;
        self.prefer(wanted, asks);
        if self.attributes_told != wanted.attributes {
            self.attributes_told.clone_from(&wanted.attributes);
            let update = proto::UpdateParticipantMetadata {
                attributes: wanted.attributes.clone().into_iter().collect(),
                ..Default::default()
            };
            asks.push_back(Ask::Say(Box::new(Request::UpdateMetadata(update))));
        }
        self.deny(wanted, asks, false);
        self.negotiate(wanted, asks);
    }

    fn prefer(&mut self, wanted: &Wanted, asks: &mut VecDeque<Ask>) {
        let others = self.known.values().filter(|info| info.sid != self.sid);
        for track in others.flat_map(|info| &info.tracks) {
            let Some(preference) = wanted.preferences.get(&track.name).copied() else { continue };
            if self.preferences_told.insert(track.sid.clone(), preference) != Some(preference) {
                let quality = match preference {
                    Preference::Off => 0,
                    Preference::Layer(layer) => layer.into(),
                };
                let settings = proto::UpdateTrackSettings {
                    track_sids: vec![track.sid.clone()],
                    disabled: preference == Preference::Off,
                    quality,
                    ..Default::default()
                };
                asks.push_back(Ask::Say(Box::new(Request::TrackSetting(settings))));
            }
        }
    }

    fn deny(&mut self, wanted: &Wanted, asks: &mut VecDeque<Ask>, again: bool) {
        if self.denied_told == wanted.denied && !again {
            return;
        }
        self.denied_told.clone_from(&wanted.denied);
        // Who is not denied is named, with all tracks.
        let allowed = (0..16).map(super::identity).filter(|identity| !wanted.denied.contains(identity));
        let permission = |identity| proto::TrackPermission {
            participant_identity: identity,
            all_tracks: true,
            ..Default::default()
        };
        let all_participants = wanted.denied.is_empty();
        let track_permissions = if all_participants { Vec::new() } else { allowed.map(permission).collect() };
        asks.push_back(Ask::Say(Box::new(Request::SubscriptionPermission(proto::SubscriptionPermission {
            all_participants,
            track_permissions,
        }))));
    }

    /// Sids of the tracks that the user does not want.
    fn unwanted_sids(&self, wanted: &Wanted) -> BTreeSet<String> {
        let tracks = self.known.values().filter(|info| info.sid != self.sid).flat_map(|info| &info.tracks);
        tracks.filter(|track| wanted.unwanted.contains(&track.name)).map(|track| track.sid.clone()).collect()
    }

    fn say_subscription(&self, sids: Vec<String>, subscribe: bool, asks: &mut VecDeque<Ask>) {
        // Tracks that are gone need no word.
        let sids: Vec<_> = sids.into_iter().filter(|sid| self.name_of(sid).is_some()).collect();
        if !sids.is_empty() {
            let update = proto::UpdateSubscription { track_sids: sids, subscribe, ..Default::default() };
            asks.push_back(Ask::Say(Box::new(Request::Subscription(update))));
        }
    }

    /// One offer at a time; the next one takes what came up meanwhile.
    fn negotiate(&mut self, wanted: &Wanted, asks: &mut VecDeque<Ask>) {
        if self.publisher.is_offering() {
            return;
        }
        let mut changes = Changes {
            receive: self.more.take(),
            channels: !std::mem::replace(&mut self.channels_offered, true),
            restart: std::mem::take(&mut self.restart),
            ..Changes::default()
        };
        for (cid, own) in &mut self.own {
            if own.sid.is_some() && own.mid.is_none() {
                changes.send.push((cid.clone(), own.track.kind, own.track.layered));
            } else if let Some(mid) = &own.mid
                && own.agreed
                && !own.ending
                && !wanted.tracks.contains_key(cid)
            {
                own.ending = true;
                changes.stop.push(mid.clone());
            }
        }
        self.offers += 1;
        let Some((sdp, mids)) = self.publisher.offer(self.offers, changes) else { return };
        for (cid, mid) in mids {
            if let Some(own) = self.own.get_mut(&cid) {
                own.mid = Some(mid);
            }
        }
        asks.push_back(Ask::Say(Box::new(Request::Offer(description("offer", sdp, self.offers)))));
    }
}

/// Track sids by section, as an offer of the server has them.
fn sections(offer: &str) -> Result<BTreeMap<String, String>, String> {
    let parsed = SessionDescription::parse(offer).map_err(|error| format!("offer: {error:?}\n{offer}"))?;
    let sending = parsed.media.iter().filter(|section| section.direction.sends() && !section.is_rejected());
    Ok(sending.filter_map(|section| Some((section.mid.clone()?, section.msid()?.track.clone()))).collect())
}
