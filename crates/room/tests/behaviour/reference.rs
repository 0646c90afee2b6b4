//! What clients believe from what they were told, and what they ought to believe from what everyone did. Two books kept
//! apart from the room's own.

use std::collections::{BTreeMap, BTreeSet};

use livekit_protocol as proto;
use proto::participant_info::State;
use proto::signal_response::Message;
use proto::{TrackSource, VideoQuality};
use tutti_room::{MemberKey, Notice, Output, SubscriptionNumber, Target, TrackNumber};

/// How a client shows a track.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) quality: VideoQuality,
    pub(crate) disabled: bool,
}

/// A client: what it is and did (the truth), and what it was told (its belief).
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) identity: String,
    pub(crate) sid: String,
    pub(crate) protocol: i32,
    pub(crate) attached: bool,
    pub(crate) active: bool,
    pub(crate) auto: bool,
    pub(crate) auto_data: bool,
    pub(crate) adaptive: bool,
    pub(crate) recorder: bool,
    pub(crate) permission: proto::ParticipantPermission,
    pub(crate) wishes: BTreeMap<String, bool>,
    pub(crate) data_wishes: BTreeMap<String, bool>,
    pub(crate) shown: BTreeMap<String, Shown>,
    pub(crate) failed: BTreeSet<TrackNumber>,
    /// Identities that may have its tracks, `None` = all.
    pub(crate) lets: Option<BTreeSet<String>>,

    pub(crate) view: BTreeMap<String, proto::ParticipantInfo>,
    pub(crate) subscriptions: BTreeMap<SubscriptionNumber, (TrackNumber, Target)>,
    demand: BTreeMap<String, i32>,
    voices: BTreeMap<String, (f32, bool)>,
    handles: BTreeMap<u32, String>,
    resuming: bool,
}

#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) sid: String,
    pub(crate) publisher: MemberKey,
    pub(crate) source: TrackSource,
    pub(crate) visible: bool,
    pub(crate) muted: bool,
    pub(crate) voice: (f32, bool),
}

impl Track {
    pub(crate) fn is_audio(&self) -> bool {
        matches!(self.source, TrackSource::Microphone | TrackSource::ScreenShareAudio)
    }
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) clients: BTreeMap<MemberKey, Client>,
    pub(crate) tracks: BTreeMap<TrackNumber, Track>,
    /// Data tracks: sid to publisher and its handle.
    pub(crate) data_tracks: BTreeMap<String, (MemberKey, u32)>,
    seen_subscriptions: BTreeSet<SubscriptionNumber>,
    pub(crate) closed: bool,
}

impl World {
    pub(crate) fn joined(
        &mut self,
        key: MemberKey,
        joiner: &tutti_room::Joiner,
        sid: &str,
        others: Vec<proto::ParticipantInfo>,
    ) {
        let client = Client {
            identity: joiner.identity.clone(),
            sid: sid.to_owned(),
            protocol: joiner.client.protocol,
            attached: true,
            active: false,
            auto: joiner.auto_subscribe,
            auto_data: joiner.auto_subscribe_data_track,
            adaptive: joiner.adaptive_stream,
            recorder: joiner.kind == proto::participant_info::Kind::Egress,
            permission: joiner.permission.clone(),
            wishes: BTreeMap::new(),
            data_wishes: BTreeMap::new(),
            shown: BTreeMap::new(),
            failed: BTreeSet::new(),
            lets: None,
            view: others.into_iter().map(|info| (info.identity.clone(), info)).collect(),
            subscriptions: BTreeMap::new(),
            demand: BTreeMap::new(),
            voices: BTreeMap::new(),
            handles: BTreeMap::new(),
            resuming: false,
        };
        self.clients.insert(key, client);
    }

    /// A client is gone, and all it published with it.
    pub(crate) fn left(&mut self, key: MemberKey) {
        self.clients.remove(&key);
        self.tracks.retain(|_, track| track.publisher != key);
        self.data_tracks.retain(|_, (publisher, _)| *publisher != key);
    }

    pub(crate) fn resuming(&mut self, key: MemberKey) {
        if let Some(client) = self.clients.get_mut(&key) {
            client.attached = true;
            client.resuming = true;
        }
    }

    pub(crate) fn told(&mut self, output: Output) {
        assert!(!self.closed, "nothing follows the end");
        match output {
            Output::Notify { to, notice } => {
                for key in to {
                    self.notified(key, &notice);
                }
            }
            Output::Closed => self.closed = true,
            _ => {}
        }
    }

    fn notified(&mut self, key: MemberKey, notice: &Notice) {
        let Some(client) = self.clients.get_mut(&key) else { panic!("{key:?} is gone: {notice:?}") };
        match notice {
            Notice::Send(message) => {
                assert!(client.attached, "no socket: {message:?}");
                client.received(message);
            }
            Notice::Subscribe(it) => {
                assert!(self.seen_subscriptions.insert(it.subscription), "numbers are never used again");
                if client.attached {
                    let publisher = client.view.values().find(|info| info.sid == it.publisher_sid);
                    let known = publisher.is_some_and(|info| info.tracks.iter().any(|track| track.sid == it.info.sid));
                    assert!(known, "media before its participant: {it:?}");
                }
                if client.adaptive
                    && let Some(shown) = client.shown.get_mut(&it.info.sid)
                {
                    shown.disabled = false;
                }
                client.subscriptions.insert(it.subscription, (it.track, it.target));
            }
            Notice::Unsubscribe(number) => {
                assert!(client.subscriptions.remove(number).is_some(), "ended twice");
            }
            Notice::SetTarget(number, target) => {
                let Some(entry) = client.subscriptions.get_mut(number) else { panic!("no such subscription") };
                assert_ne!(entry.1, *target, "nothing new");
                entry.1 = *target;
            }
            Notice::TrackRemoved { track, .. } => {
                self.tracks.remove(track);
            }
            Notice::TrackMuted { track, muted } => {
                if let Some(track) = self.tracks.get_mut(track) {
                    track.muted = *muted;
                    if *muted {
                        track.voice = (0.0, false);
                    }
                }
            }
            Notice::TrackAccepted { track, info, .. } => {
                let new = Track {
                    sid: info.sid.clone(),
                    publisher: key,
                    source: info.source(),
                    visible: false,
                    muted: info.muted,
                    voice: (0.0, false),
                };
                self.tracks.entry(*track).or_insert(new);
            }
            Notice::IdentityChanged(info) => assert_eq!(info.sid, client.sid),
            Notice::Leave { .. } => self.left(key),
        }
    }

    fn may_have(&self, key: MemberKey, track: &Track) -> bool {
        let (Some(client), Some(publisher)) = (self.clients.get(&key), self.clients.get(&track.publisher)) else {
            return false;
        };
        let lets = publisher.lets.as_ref().is_none_or(|list| list.contains(&client.identity));
        let wants = client.wishes.get(&track.sid).copied().unwrap_or(client.auto);
        track.visible
            && track.publisher != key
            && !publisher.permission.hidden
            && client.permission.can_subscribe
            && wants
            && (lets || client.recorder)
    }

    /// Compares belief and truth. Everyone has a socket, is active, and enough time has passed.
    pub(crate) fn check(&self, room: &tutti_room::Room) {
        for (key, client) in &self.clients {
            let name = &client.identity;
            let mut expected: BTreeMap<_, _> =
                room.others(*key).into_iter().map(|info| (info.identity.clone(), info)).collect();
            let mut believed = client.view.clone();
            believed.remove(name);
            for info in believed.values_mut().chain(expected.values_mut()) {
                info.version = 0;
            }
            assert_eq!(believed, expected, "what {name} believes of the others");
            let visible =
                self.clients.iter().filter(|(other, client)| *other != key && !client.permission.hidden).count();
            assert_eq!(expected.len(), visible, "whom {name} may see");

            let has: Vec<_> = client.subscriptions.values().map(|(track, _)| *track).collect();
            let due: BTreeSet<_> = self
                .tracks
                .iter()
                .filter(|(number, track)| self.may_have(*key, track) && !client.failed.contains(number))
                .map(|(number, _)| *number)
                .collect();
            assert_eq!(has.len(), due.len(), "{name} has {has:?}, should have {due:?}");
            assert_eq!(has.iter().copied().collect::<BTreeSet<_>>(), due, "what {name} gets");
            for (track, target) in client.subscriptions.values() {
                let (track, shown) = (&self.tracks[track], self.shown(*key, &self.tracks[track].sid));
                assert_eq!(target.paused, shown.disabled, "{name} {track:?}");
                if !track.is_audio() && !target.paused {
                    assert_eq!(i32::from(target.spatial), shown.quality as i32);
                }
            }
            self.check_own_tracks(*key, client, room);
            self.check_voices(*key, client);
            self.check_handles(*key, client);
        }
        let census = room.census();
        assert_eq!(census.members, self.clients.len());
        assert_eq!(census.tracks, self.tracks.len());
        assert_eq!(census.data_tracks, self.data_tracks.len());
        assert_eq!(census.subscriptions, self.clients.values().map(|client| client.subscriptions.len()).sum::<usize>());
    }

    fn shown(&self, key: MemberKey, sid: &str) -> Shown {
        let client = &self.clients[&key];
        let start = if client.adaptive && !client.recorder { VideoQuality::Low } else { VideoQuality::High };
        client.shown.get(sid).copied().unwrap_or(Shown { quality: start, disabled: false })
    }

    fn check_own_tracks(&self, key: MemberKey, client: &Client, room: &tutti_room::Room) {
        let own: Vec<_> = self.tracks.iter().filter(|(_, track)| track.publisher == key && track.visible).collect();
        let listed = room.member_info(key).map(|info| info.tracks).unwrap_or_default();
        let muted: BTreeMap<_, _> = listed.iter().map(|track| (track.sid.as_str(), track.muted)).collect();
        assert_eq!(muted, own.iter().map(|(_, track)| (track.sid.as_str(), track.muted)).collect());
        for (number, track) in own.into_iter().filter(|(_, track)| !track.is_audio()) {
            let subscribers = self
                .clients
                .iter()
                .filter(|(_, client)| client.subscriptions.values().any(|(track, _)| track == number));
            let wanted = subscribers.map(|(subscriber, _)| self.shown(*subscriber, &track.sid));
            let best = wanted.filter(|shown| !shown.disabled).map(|shown| shown.quality as i32).max().unwrap_or(-1);
            assert_eq!(client.demand.get(&track.sid), Some(&best), "demand for {track:?}");
        }
    }

    fn check_voices(&self, key: MemberKey, client: &Client) {
        for (other, speaker) in &self.clients {
            let audio: Vec<_> =
                self.tracks.iter().filter(|(_, track)| track.publisher == *other && track.is_audio()).collect();
            let hears = key == *other
                || audio.iter().any(|(number, _)| client.subscriptions.values().any(|(track, _)| track == *number));
            let loudest = audio
                .iter()
                .map(|(_, track)| track.voice)
                .filter(|voice| voice.1)
                .fold((0.0, false), |best: (f32, bool), voice| (best.0.max(voice.0), true));
            let expected = if hears { loudest } else { (0.0, false) };
            let believed = client.voices.get(&speaker.sid).copied().unwrap_or((0.0, false));
            assert_eq!(believed, expected, "what {} hears of {}", client.identity, speaker.identity);
        }
    }

    fn check_handles(&self, key: MemberKey, client: &Client) {
        let due: BTreeSet<_> = self
            .data_tracks
            .iter()
            .filter(|(sid, (publisher, _))| {
                let wants = client.data_wishes.get(*sid).copied().unwrap_or(client.auto_data);
                let visible = self.clients.get(publisher).is_some_and(|publisher| !publisher.permission.hidden);
                wants && visible && *publisher != key && client.permission.can_subscribe
            })
            .map(|(sid, _)| sid.clone())
            .collect();
        assert_eq!(
            client.handles.values().cloned().collect::<BTreeSet<_>>(),
            due,
            "data tracks of {}",
            client.identity
        );
        assert_eq!(client.handles.len(), due.len());
    }
}

impl Client {
    fn received(&mut self, message: &Message) {
        match message {
            Message::Update(update) => {
                let everyone = self.resuming && update.participants.iter().any(|info| info.sid == self.sid);
                if everyone {
                    // Rust clients drop whoever a resume does not mention.
                    self.view.retain(|_, known| update.participants.iter().any(|info| info.sid == known.sid));
                    self.voices.retain(|sid, _| update.participants.iter().any(|info| info.sid == *sid));
                    self.resuming = false;
                }
                for info in &update.participants {
                    self.updated(info);
                }
            }
            Message::SubscribedQualityUpdate(update) => {
                let best =
                    update.subscribed_codecs[0].qualities.iter().filter(|it| it.enabled).map(|it| it.quality).max();
                self.demand.insert(update.track_sid.clone(), best.unwrap_or(-1));
            }
            Message::SpeakersChanged(changed) => {
                for speaker in &changed.speakers {
                    assert!(speaker.level.is_finite());
                    self.voices.insert(speaker.sid.clone(), (speaker.level, speaker.active));
                }
            }
            Message::DataTrackSubscriberHandles(map) => {
                self.handles =
                    map.sub_handles.iter().map(|(handle, track)| (*handle, track.track_sid.clone())).collect();
            }
            _ => {}
        }
    }

    fn updated(&mut self, info: &proto::ParticipantInfo) {
        let known = self.view.get(&info.identity);
        if info.state() == State::Disconnected {
            if known.is_some_and(|known| known.sid == info.sid) {
                self.view.remove(&info.identity);
                self.voices.remove(&info.sid);
            }
            return;
        }
        if let Some(known) = known {
            if known.sid == info.sid {
                assert!(info.version >= known.version, "versions rise");
            } else {
                assert!(self.protocol >= 12, "an older client needs to be told that the old session ended");
            }
        }
        self.view.insert(info.identity.clone(), info.clone());
    }
}
