//! Everybody does anything at any time; now and then all sides must agree, and at the end nothing is left.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::{TrackSource, VideoQuality};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tutti_room::{AdminRequest, Joiner, Leg, MemberKey, Negotiated, Request, Room, Settings, TrackNumber};

use crate::reference::{Shown, World};
use crate::stage::{WALL_MS, joiner, millis, secs};

const IDENTITIES: [&str; 7] = ["ada", "bea", "cai", "dan", "eve", "fay", "gus"];
const SOURCES: [TrackSource; 4] =
    [TrackSource::Camera, TrackSource::Microphone, TrackSource::ScreenShare, TrackSource::ScreenShareAudio];
const QUALITIES: [VideoQuality; 3] = [VideoQuality::Low, VideoQuality::Medium, VideoQuality::High];

struct Run {
    room: Room,
    world: World,
    now: Instant,
    rng: StdRng,
    cids: u32,
}

impl Run {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let settings = Settings { departure_timeout: secs(3600), empty_timeout: secs(3600), ..Settings::default() };
        Self {
            room: Room::new(settings, seed, now, WALL_MS),
            world: World::default(),
            now,
            rng: StdRng::seed_from_u64(seed),
            cids: 0,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.room.poll_output() {
            self.world.told(output);
        }
    }

    fn handle(&mut self, key: MemberKey, request: Request) {
        self.room.handle(self.now, key, request);
        self.drain();
    }

    fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.room.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn anybody(&mut self) -> Option<MemberKey> {
        let keys: Vec<_> = self.world.clients.keys().copied().collect();
        keys.choose(&mut self.rng).copied()
    }

    fn any_track(&mut self) -> Option<TrackNumber> {
        let numbers: Vec<_> = self.world.tracks.keys().copied().collect();
        numbers.choose(&mut self.rng).copied()
    }

    fn any_sid(&mut self) -> String {
        match self.any_track() {
            Some(number) if self.rng.random_range(0..10) > 0 => self.world.tracks[&number].sid.clone(),
            _ => format!("TR_future{}", self.rng.random_range(0..5)),
        }
    }

    fn permission(&mut self) -> proto::ParticipantPermission {
        proto::ParticipantPermission {
            can_subscribe: !self.chance(15),
            can_publish: !self.chance(15),
            can_publish_data: !self.chance(15),
            can_publish_sources: if self.chance(20) { vec![1, 2] } else { vec![] },
            hidden: self.chance(10),
            can_update_metadata: self.chance(50),
            ..Default::default()
        }
    }

    fn join(&mut self) {
        let identity = *IDENTITIES.choose(&mut self.rng).unwrap_or(&"ada");
        let recorder = self.chance(5);
        let joiner = Joiner {
            permission: self.permission(),
            auto_subscribe: self.chance(70),
            auto_subscribe_data_track: self.chance(50),
            adaptive_stream: self.chance(40),
            kind: if recorder {
                proto::participant_info::Kind::Egress
            } else {
                proto::participant_info::Kind::Standard
            },
            client: proto::ClientInfo {
                protocol: *[7, 8, 11, 12, 16].choose(&mut self.rng).unwrap_or(&16),
                ..Default::default()
            },
            ..joiner(identity)
        };
        let Ok(key) = self.room.join(self.now, joiner.clone()) else { return };
        let (sid, others) = (self.room.sid_of(key).unwrap_or_default().to_owned(), self.room.others(key));
        self.world.joined(key, &joiner, &sid, others);
        self.drain();
    }

    fn active(&mut self, key: MemberKey) {
        if let Some(client) = self.world.clients.get_mut(&key) {
            client.active = true;
        }
        self.handle(key, Request::Active);
    }

    fn resume(&mut self, key: MemberKey) {
        self.world.resuming(key);
        self.handle(key, Request::Resumed);
    }

    fn leave(&mut self, key: MemberKey) {
        self.world.left(key);
        self.handle(key, Request::Leave(proto::DisconnectReason::ClientInitiated));
    }

    fn add_track(&mut self, key: MemberKey) {
        let source = *SOURCES.choose(&mut self.rng).unwrap_or(&TrackSource::Camera);
        let video = matches!(source, TrackSource::Camera | TrackSource::ScreenShare);
        self.cids += 1;
        let layers =
            QUALITIES.iter().map(|quality| proto::VideoLayer { quality: *quality as i32, ..Default::default() });
        let request = proto::AddTrackRequest {
            cid: if self.chance(80) { format!("cid {}", self.cids) } else { "same cid".into() },
            r#type: i32::from(video),
            source: source as i32,
            muted: self.chance(20),
            layers: if video { layers.collect() } else { vec![] },
            ..Default::default()
        };
        self.handle(key, Request::AddTrack(request));
    }

    fn negotiate(&mut self, number: TrackNumber) {
        let Some(track) = self.world.tracks.get_mut(&number) else { return };
        track.visible = true;
        let mime_type = if track.is_audio() { "audio/opus" } else { "video/VP8" };
        let key = track.publisher;
        let negotiated = Negotiated {
            track: number,
            mid: number.0.to_string(),
            mime_type: mime_type.into(),
            sdp_cid: String::new(),
        };
        self.handle(key, Request::Negotiated(negotiated));
    }

    fn unpublish(&mut self, number: TrackNumber) {
        if let Some(track) = self.world.tracks.remove(&number) {
            self.handle(track.publisher, Request::Unpublish(number));
        }
    }

    fn subscribe(&mut self, key: MemberKey) {
        let (sid, subscribe) = (self.any_sid(), self.chance(60));
        let number = self.world.tracks.iter().find(|(_, track)| track.sid == sid).map(|(number, _)| *number);
        let Some(client) = self.world.clients.get_mut(&key) else { return };
        client.wishes.insert(sid.clone(), subscribe);
        if let Some(number) = number.filter(|_| subscribe) {
            client.failed.remove(&number);
        }
        let update = proto::UpdateSubscription { track_sids: vec![sid], subscribe, ..Default::default() };
        self.handle(key, Request::Subscription(update));
    }

    fn show(&mut self, key: MemberKey) {
        let quality = *QUALITIES.choose(&mut self.rng).unwrap_or(&VideoQuality::High);
        let (sid, disabled) = (self.any_sid(), self.chance(30));
        let Some(client) = self.world.clients.get_mut(&key) else { return };
        client.shown.insert(sid.clone(), Shown { quality, disabled });
        let update = proto::UpdateTrackSettings {
            track_sids: vec![sid],
            disabled,
            quality: quality as i32,
            ..Default::default()
        };
        self.handle(key, Request::TrackSettings(update));
    }

    fn fail(&mut self, key: MemberKey) {
        let Some(client) = self.world.clients.get_mut(&key) else { return };
        let Some((number, (track, _))) = client.subscriptions.first_key_value() else { return };
        let number = *number;
        client.failed.insert(*track);
        self.handle(key, Request::SubscriptionFailed(number, proto::SubscriptionError::SeCodecUnsupported));
    }

    fn permit(&mut self, key: MemberKey) {
        let everyone = self.chance(40);
        let listed: Vec<_> = IDENTITIES.iter().filter(|_| self.rng.random_range(0..2) == 0).copied().collect();
        let Some(client) = self.world.clients.get_mut(&key) else { return };
        client.lets = (!everyone).then(|| listed.iter().map(|identity| (*identity).to_owned()).collect());
        let entry = |identity: &&str| proto::TrackPermission {
            participant_identity: (*identity).to_owned(),
            all_tracks: true,
            ..Default::default()
        };
        let permission = proto::SubscriptionPermission {
            all_participants: everyone,
            track_permissions: listed.iter().map(entry).collect(),
        };
        self.handle(key, Request::SubscriptionPermission(permission));
    }

    fn speak(&mut self, number: TrackNumber) {
        let (level, active) = (f32::from(self.rng.random_range(1_u8..=8)) / 8.0, self.chance(70));
        let Some(track) = self.world.tracks.get_mut(&number).filter(|track| track.is_audio()) else { return };
        if track.visible && !track.muted {
            track.voice = if active { (level, true) } else { (0.0, false) };
        }
        let key = track.publisher;
        self.handle(key, Request::Speaker { track: number, level, active });
    }

    fn data_track(&mut self, key: MemberKey) {
        let handle = self.rng.random_range(1..4);
        let own: Vec<_> =
            self.world.data_tracks.iter().filter(|(_, it)| **it == (key, handle)).map(|(sid, _)| sid.clone()).collect();
        if let Some(sid) = own.first() {
            self.world.data_tracks.remove(sid);
            self.handle(key, Request::UnpublishDataTrack(proto::UnpublishDataTrackRequest { pub_handle: handle }));
            return;
        }
        let name = format!("data {handle}");
        let request = proto::PublishDataTrackRequest { pub_handle: handle, name, ..Default::default() };
        self.handle(key, Request::PublishDataTrack(request));
        let published = self.room.member_info(key).map(|info| info.data_tracks).unwrap_or_default();
        if let Some(info) = published.into_iter().find(|info| info.pub_handle == handle) {
            self.world.data_tracks.insert(info.sid, (key, handle));
        }
    }

    fn data_subscribe(&mut self, key: MemberKey) {
        let sids: Vec<_> = self.world.data_tracks.keys().cloned().collect();
        let (sid, subscribe) = (sids.choose(&mut self.rng).cloned(), self.chance(60));
        let (Some(sid), Some(client)) = (sid, self.world.clients.get_mut(&key)) else { return };
        client.data_wishes.insert(sid.clone(), subscribe);
        let update = proto::update_data_subscription::Update { track_sid: sid, subscribe, options: None };
        self.handle(key, Request::DataSubscription(proto::UpdateDataSubscription { updates: vec![update] }));
    }

    fn change_rights(&mut self, key: MemberKey) {
        let permission = self.permission();
        let Some(client) = self.world.clients.get_mut(&key) else { return };
        client.permission = permission.clone();
        let identity = client.identity.clone();
        if !permission.can_publish_data {
            self.world.data_tracks.retain(|_, (publisher, _)| *publisher != key);
        }
        let request = proto::UpdateParticipantRequest {
            identity,
            permission: Some(permission),
            metadata: "changed".into(),
            ..Default::default()
        };
        let changed = self.room.admin(self.now, AdminRequest::UpdateParticipant(Box::new(request)));
        assert!(changed.is_ok());
        self.drain();
    }

    fn report(&mut self, key: MemberKey) {
        let leg = Leg {
            loss: self.rng.random_range(0.0..0.5),
            jitter_ms: 10.0,
            rtt_ms: None,
            bitrate: 500_000,
            layers: self.rng.random_range(0..8),
        };
        if let Some(number) = self.any_track() {
            self.handle(key, Request::Upstream(number, leg));
        }
        let subscription = self.world.clients.get(&key).and_then(|client| client.subscriptions.keys().next().copied());
        if let Some(subscription) = subscription {
            self.handle(key, Request::Subscribed(subscription));
            self.handle(key, Request::Downstream(subscription, leg));
        }
    }

    fn step(&mut self) {
        let action = self.rng.random_range(0..100);
        if action < 10 || self.world.clients.is_empty() {
            return self.join();
        }
        if action < 14 {
            let by = self.rng.random_range(0..2000);
            return self.advance(millis(by));
        }
        let Some(key) = self.anybody() else { return };
        match (action, self.any_track()) {
            (14..20, _) => self.active(key),
            (20..23, _) => self.leave(key),
            (23..27, _) => {
                if let Some(client) = self.world.clients.get_mut(&key) {
                    client.attached = false;
                }
                self.handle(key, Request::Detached);
            }
            (27..31, _) => self.resume(key),
            (31..42, _) => self.add_track(key),
            (42..54, Some(track)) => self.negotiate(track),
            (54..57, Some(track)) => self.unpublish(track),
            (57..61, Some(track)) => {
                let (sid, muted) = (self.world.tracks[&track].sid.clone(), self.chance(50));
                self.handle(self.world.tracks[&track].publisher, Request::Mute(proto::MuteTrackRequest { sid, muted }));
            }
            (61..68, _) => self.subscribe(key),
            (68..74, _) => self.show(key),
            (74..76, _) => self.fail(key),
            (76..79, _) => self.permit(key),
            (79..85, Some(track)) => self.speak(track),
            (85..89, _) => self.data_track(key),
            (89..93, _) => self.data_subscribe(key),
            (93..95, _) => self.change_rights(key),
            (95..97, _) => self.report(key),
            (97, _) => self.handle(key, Request::SyncState(Box::default())),
            (98, _) => {
                let name = format!("name {action}");
                let update = proto::UpdateParticipantMetadata { name, ..Default::default() };
                self.handle(key, Request::UpdateMetadata(update));
            }
            _ => {
                let identity = self.world.clients[&key].identity.clone();
                let _ = self.room.admin(self.now, AdminRequest::Remove { identity });
                self.drain();
            }
        }
    }

    /// Brings everyone to rest and compares the books.
    fn agree(&mut self) {
        for key in self.world.clients.keys().copied().collect::<Vec<_>>() {
            self.active(key);
            if !self.world.clients[&key].attached {
                self.resume(key);
            }
        }
        self.advance(secs(12));
        self.world.check(&self.room);
    }
}

fn run(seed: u64) {
    let mut run = Run::new(seed);
    for round in 0..6 {
        for _ in 0..80 {
            run.step();
        }
        if round % 2 == 1 {
            run.agree();
        }
    }
    for key in run.world.clients.keys().copied().collect::<Vec<_>>() {
        run.leave(key);
    }
    let census = run.room.census();
    assert_eq!((census.members, census.tracks, census.subscriptions, census.data_tracks), (0, 0, 0, 0));
    run.advance(secs(60));
    assert_eq!(run.room.census().deadlines, 1, "only the departure timeout");
    run.advance(secs(3600));
    assert!(run.world.closed);
    assert_eq!(run.room.poll_timeout(), None);
}

#[test]
fn all_sides_agree() {
    for seed in 0..150 {
        let failed = std::panic::catch_unwind(|| run(seed)).is_err();
        assert!(!failed, "seed {seed}");
    }
}

#[test]
fn same_seed_same_story() {
    let story = |seed| {
        let mut run = Run::new(seed);
        run.now += secs(0);
        let mut lines = Vec::new();
        for _ in 0..200 {
            run.step();
            lines.push(format!("{:?}", run.room.census()));
            lines.extend(run.world.clients.values().map(|client| client.sid.clone()));
        }
        lines
    };
    assert_eq!(story(5), story(5));
    assert_ne!(story(5), story(6));
}
