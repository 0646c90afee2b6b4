//! A room on a virtual clock, with everything it puts out sorted by who gets it. Checks on the way what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use livekit_protocol as proto;
use proto::signal_response::Message;
use proto::{TrackSource, TrackType};
use tutti_room::{
    AdminError, AdminReply, AdminRequest, CallError, CallNumber, Delivery, JoinError, Joiner, MemberKey, Negotiated,
    Notice, Output, Request, Room, RoomEventKind, Settings, Subscribe, TrackNumber,
};

use crate::strict;

pub(crate) const WALL_MS: i64 = 1_700_000_000_123;

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Somebody with every ordinary right and a current client.
pub(crate) fn joiner(identity: &str) -> Joiner {
    Joiner {
        identity: identity.to_owned(),
        name: String::new(),
        metadata: String::new(),
        attributes: BTreeMap::new(),
        kind: proto::participant_info::Kind::Standard,
        kind_details: Vec::new(),
        permission: proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            ..Default::default()
        },
        client: proto::ClientInfo { protocol: 16, client_protocol: 1, ..Default::default() },
        auto_subscribe: true,
        auto_subscribe_data_track: false,
        adaptive_stream: false,
    }
}

/// A published track as a test sees it.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) number: TrackNumber,
    pub(crate) sid: String,
}

/// What some client could not bear.
fn check(notice: &Notice) {
    match notice {
        Notice::Send(message) => {
            assert!(!matches!(**message, Message::TrackPublished(_)), "the dialogue says it: {message:?}");
            strict::message(message);
        }
        Notice::TrackAccepted { info, .. } => strict::track(info),
        Notice::Subscribe(subscribe) => {
            assert!(subscribe.publisher_sid.starts_with("PA_"), "{subscribe:?}");
            strict::track(&subscribe.info);
        }
        _ => {}
    }
}

#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) room: Room,
    pub(crate) now: Instant,
    inbox: BTreeMap<MemberKey, Vec<Rc<Notice>>>,
    pub(crate) events: Vec<RoomEventKind>,
    pub(crate) data: Vec<(Vec<MemberKey>, Delivery, Bytes)>,
    pub(crate) packets: Vec<(MemberKey, Bytes)>,
    pub(crate) called: Vec<(CallNumber, Result<String, CallError>)>,
    pub(crate) closed: bool,
    gone: BTreeSet<MemberKey>,
    cids: u32,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let now = Instant::now();
        let mut settings = Settings { name: "stage".into(), ..Settings::default() };
        change(&mut settings);
        Self {
            room: Room::new(settings, 42, now, WALL_MS),
            now,
            inbox: BTreeMap::new(),
            events: Vec::new(),
            data: Vec::new(),
            packets: Vec::new(),
            called: Vec::new(),
            closed: false,
            gone: BTreeSet::new(),
            cids: 0,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.room.poll_output() {
            assert!(!self.closed, "nothing follows the end: {output:?}");
            match output {
                Output::Notify { to, notice } => {
                    check(&notice);
                    let distinct: BTreeSet<_> = to.iter().copied().collect();
                    assert!(!to.is_empty() && distinct.len() == to.len(), "{to:?}");
                    let notice = Rc::new(notice);
                    for key in to {
                        assert!(!self.gone.contains(&key), "nothing follows a leave: {notice:?}");
                        if matches!(*notice, Notice::Leave { .. }) {
                            self.gone.insert(key);
                        }
                        self.inbox.entry(key).or_default().push(Rc::clone(&notice));
                    }
                }
                Output::Data { to, delivery, payload } => {
                    assert!(!to.is_empty());
                    self.data.push((to, delivery, payload));
                }
                Output::DataTrackPacket { to, payload } => self.packets.push((to, payload)),
                Output::Called { call, outcome } => self.called.push((call, outcome)),
                Output::Event(event) => self.events.push(event),
                Output::Closed => self.closed = true,
            }
        }
    }

    pub(crate) fn try_join(&mut self, joiner: Joiner) -> Result<MemberKey, JoinError> {
        let joined = self.room.join(self.now, joiner);
        self.drain();
        joined
    }

    pub(crate) fn join(&mut self, identity: &str) -> MemberKey {
        self.join_as(identity, |_| {})
    }

    pub(crate) fn join_as(&mut self, identity: &str, change: impl FnOnce(&mut Joiner)) -> MemberKey {
        let mut joiner = joiner(identity);
        change(&mut joiner);
        self.try_join(joiner).unwrap()
    }

    /// Joins and becomes active.
    pub(crate) fn enter(&mut self, identity: &str) -> MemberKey {
        self.enter_as(identity, |_| {})
    }

    pub(crate) fn enter_as(&mut self, identity: &str, change: impl FnOnce(&mut Joiner)) -> MemberKey {
        let key = self.join_as(identity, change);
        self.handle(key, Request::Active);
        key
    }

    pub(crate) fn handle(&mut self, from: MemberKey, request: Request) {
        self.room.handle(self.now, from, request);
        self.drain();
    }

    pub(crate) fn admin(&mut self, request: AdminRequest) -> Result<AdminReply, AdminError> {
        let reply = self.room.admin(self.now, request);
        self.drain();
        reply
    }

    pub(crate) fn call(&mut self, call: u64, request: proto::PerformRpcRequest) {
        self.room.perform_rpc(self.now, CallNumber(call), request);
        self.drain();
    }

    /// Lets time pass, from deadline to deadline.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now || self.room.poll_timeout().is_some());
            self.now = self.now.max(at);
            self.room.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
        self.room.handle_timeout(end);
        self.drain();
    }

    /// Forgets everything that was put out so far.
    pub(crate) fn clear(&mut self) {
        self.inbox.clear();
        self.events.clear();
        self.data.clear();
        self.packets.clear();
        self.called.clear();
    }

    /// Takes what a member was told.
    pub(crate) fn take(&mut self, key: MemberKey) -> Vec<Notice> {
        self.inbox.remove(&key).unwrap_or_default().into_iter().map(Rc::unwrap_or_clone).collect()
    }

    /// Takes what a member was told, messages only.
    pub(crate) fn messages(&mut self, key: MemberKey) -> Vec<Message> {
        let notices = self.take(key).into_iter();
        notices.filter_map(|notice| if let Notice::Send(message) = notice { Some(*message) } else { None }).collect()
    }

    /// Takes the participants of all updates that a member was sent.
    pub(crate) fn updates(&mut self, key: MemberKey) -> Vec<proto::ParticipantInfo> {
        let updates = self.messages(key).into_iter().filter_map(|message| match message {
            Message::Update(update) => Some(update.participants),
            _ => None,
        });
        updates.flatten().collect()
    }

    /// Takes the subscriptions that a member was given.
    pub(crate) fn subscribes(&mut self, key: MemberKey) -> Vec<Subscribe> {
        let notices = self.take(key).into_iter();
        notices.filter_map(|notice| if let Notice::Subscribe(it) = notice { Some(*it) } else { None }).collect()
    }

    /// Takes the answers to requests.
    pub(crate) fn responses(&mut self, key: MemberKey) -> Vec<proto::RequestResponse> {
        let messages = self.messages(key).into_iter();
        messages
            .filter_map(|message| if let Message::RequestResponse(it) = message { Some(it) } else { None })
            .collect()
    }

    pub(crate) fn info(&self, key: MemberKey) -> proto::ParticipantInfo {
        self.room.member_info(key).unwrap()
    }

    pub(crate) fn sid(&self, key: MemberKey) -> String {
        self.room.sid_of(key).unwrap().to_owned()
    }

    /// A request for a camera in VP8 with three layers, or a microphone.
    pub(crate) fn track_request(&mut self, source: TrackSource) -> proto::AddTrackRequest {
        self.cids += 1;
        let cid = format!("cid-{}", self.cids);
        let video = matches!(source, TrackSource::Camera | TrackSource::ScreenShare);
        if !video {
            return proto::AddTrackRequest {
                cid,
                r#type: TrackType::Audio as i32,
                source: source as i32,
                ..Default::default()
            };
        }
        let layer = |quality: proto::VideoQuality, width, height, bitrate| proto::VideoLayer {
            quality: quality as i32,
            width,
            height,
            bitrate,
            ..Default::default()
        };
        proto::AddTrackRequest {
            r#type: TrackType::Video as i32,
            source: source as i32,
            width: 1280,
            height: 720,
            layers: vec![
                layer(proto::VideoQuality::Low, 320, 180, 150_000),
                layer(proto::VideoQuality::Medium, 640, 360, 500_000),
                layer(proto::VideoQuality::High, 1280, 720, 1_700_000),
            ],
            simulcast_codecs: vec![proto::SimulcastCodec {
                codec: "vp8".into(),
                cid: cid.clone(),
                ..Default::default()
            }],
            cid,
            ..Default::default()
        }
    }

    /// Requests a track and takes the acceptance; what else the member was told stays.
    pub(crate) fn add_track(&mut self, key: MemberKey, request: proto::AddTrackRequest) -> Option<Published> {
        self.handle(key, Request::AddTrack(request));
        let inbox = self.inbox.get_mut(&key)?;
        let at = inbox.iter().rposition(|notice| matches!(**notice, Notice::TrackAccepted { .. }))?;
        let notice = inbox.remove(at);
        let Notice::TrackAccepted { track, info, .. } = notice.as_ref() else { return None };
        Some(Published { number: *track, sid: info.sid.clone() })
    }

    pub(crate) fn negotiate(&mut self, key: MemberKey, track: TrackNumber, mid: &str, mime_type: &str) {
        let negotiated = Negotiated { track, mid: mid.into(), mime_type: mime_type.into(), sdp_cid: String::new() };
        self.handle(key, Request::Negotiated(negotiated));
    }

    /// Publishes a track all the way.
    pub(crate) fn publish(&mut self, key: MemberKey, source: TrackSource) -> Published {
        let request = self.track_request(source);
        let video = request.r#type == TrackType::Video as i32;
        let track = self.add_track(key, request).unwrap();
        let mid = track.number.0.to_string();
        self.negotiate(key, track.number, &mid, if video { "video/VP8" } else { "audio/opus" });
        track
    }
}
