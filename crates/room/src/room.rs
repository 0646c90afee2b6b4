//! One room: its books, its doors and what it puts out. What happens behind each door stands in the module named after it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_response::Message;

use crate::agenda::{Agenda, Duty};
use crate::clock::Clock;
use crate::data_track::{DataTrack, DataTrackNumber};
use crate::departures::Departures;
use crate::ledger::{JOINS, Ledger, OverLimit};
use crate::member::Member;
use crate::nonces::RecentNonces;
use crate::numbers::Numbers;
use crate::pending::{PendingUpdates, Urgency};
use crate::rpc::Calls;
use crate::sid::SidSource;
use crate::track::{Subscription, Track};
use crate::{
    AdminError, AdminReply, AdminRequest, MemberKey, Notice, Output, Request, RoomEventKind, Settings,
    SubscriptionNumber, TrackNumber,
};

/// One room.
///
/// Feed it with [`Room::join`], [`Room::handle`], [`Room::admin`] and [`Room::handle_timeout`]; after each of them drain
/// [`Room::poll_output`] until it is empty and then ask [`Room::poll_timeout`] when to call `handle_timeout`.
///
/// The same seed and the same calls give the same outputs.
#[derive(Debug)]
pub struct Room {
    pub(crate) settings: Settings,
    pub(crate) sid: String,
    pub(crate) sids: SidSource,
    pub(crate) clock: Clock,
    pub(crate) metadata: String,

    pub(crate) members: BTreeMap<MemberKey, Member>,
    pub(crate) by_identity: BTreeMap<String, MemberKey>,
    pub(crate) by_sid: BTreeMap<String, MemberKey>,
    pub(crate) tracks: BTreeMap<TrackNumber, Track>,
    pub(crate) by_track_sid: BTreeMap<String, TrackNumber>,
    pub(crate) subscriptions: BTreeMap<SubscriptionNumber, Subscription>,
    pub(crate) data_tracks: BTreeMap<DataTrackNumber, DataTrack>,
    pub(crate) by_data_track_sid: BTreeMap<String, DataTrackNumber>,
    pub(crate) numbers: Numbers,

    pub(crate) agenda: Agenda,
    pub(crate) updates: PendingUpdates,
    pub(crate) departures: Departures,
    pub(crate) nonces: RecentNonces,
    pub(crate) calls: Calls,
    pub(crate) ledger: Ledger,
    pub(crate) over_limit: OverLimit,
    pub(crate) room_update_not_before: Instant,
    /// Somebody who counts was here.
    pub(crate) was_joined: bool,
    pub(crate) closed: bool,
    outputs: VecDeque<Output>,
}

/// How much a room holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Members of all kinds.
    pub members: usize,
    /// Tracks, pending ones included.
    pub tracks: usize,
    /// Subscriptions to tracks.
    pub subscriptions: usize,
    /// Data tracks.
    pub data_tracks: usize,
    /// Duties with a deadline.
    pub deadlines: usize,
}

impl Room {
    /// An empty room that begins at `now`, which is `wall_ms` milliseconds after the Unix epoch. `seed` feeds the sids;
    /// two rooms of one node need different seeds.
    pub fn new(settings: Settings, seed: u64, now: Instant, wall_ms: i64) -> Self {
        let mut sids = SidSource::new(seed);
        let mut agenda = Agenda::default();
        agenda.set(Duty::Idle, now + settings.empty_timeout);
        Self {
            sid: sids.room(),
            sids,
            clock: Clock::new(now, wall_ms),
            metadata: settings.metadata.clone(),
            members: BTreeMap::new(),
            by_identity: BTreeMap::new(),
            by_sid: BTreeMap::new(),
            tracks: BTreeMap::new(),
            by_track_sid: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            data_tracks: BTreeMap::new(),
            by_data_track_sid: BTreeMap::new(),
            numbers: Numbers::default(),
            agenda,
            updates: PendingUpdates::new(now),
            departures: Departures::default(),
            nonces: RecentNonces::default(),
            calls: Calls::default(),
            ledger: Ledger::default(),
            over_limit: OverLimit::default(),
            room_update_not_before: now + settings.room_update_interval,
            was_joined: false,
            closed: false,
            outputs: VecDeque::new(),
            settings,
        }
    }

    /// Its sid, `RM_…`.
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// The room as clients see it.
    pub fn info(&self) -> proto::Room {
        let seconds = |duration: std::time::Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
        let count = |counts: fn(&Member) -> bool| {
            u32::try_from(self.members.values().filter(|member| counts(member)).count()).unwrap_or(u32::MAX)
        };
        let codec = |mime: &String| proto::Codec { mime: mime.clone(), fmtp_line: String::new() };
        proto::Room {
            sid: self.sid.clone(),
            name: self.settings.name.clone(),
            empty_timeout: seconds(self.settings.empty_timeout),
            departure_timeout: seconds(self.settings.departure_timeout),
            max_participants: self.settings.max_participants,
            creation_time: self.clock.start_unix_ms() / 1000,
            creation_time_ms: self.clock.start_unix_ms(),
            turn_password: String::new(),
            enabled_codecs: self.settings.codecs.iter().map(codec).collect(),
            metadata: self.metadata.clone(),
            num_participants: count(|member| !member.is_dependent()),
            num_publishers: count(|member| member.is_publisher),
            active_recording: self.members.values().any(Member::is_recorder),
            version: Some(self.clock.room_version()),
        }
    }

    /// A member with all its tracks, as others see it.
    pub fn member_info(&self, member: MemberKey) -> Option<proto::ParticipantInfo> {
        self.members.get(&member).map(|member| self.info_of(member))
    }

    /// Everyone that this member can see, without itself; for `JoinResponse`.
    pub fn others(&self, member: MemberKey) -> Vec<proto::ParticipantInfo> {
        let others = self.members.values().filter(|other| other.key != member && !other.is_hidden());
        others.map(|other| self.info_of(other)).collect()
    }

    /// Everyone, hidden members included; for the server API.
    pub fn participants(&self) -> Vec<proto::ParticipantInfo> {
        self.members.values().map(|member| self.info_of(member)).collect()
    }

    /// The member that has this identity now.
    pub fn find(&self, identity: &str) -> Option<MemberKey> {
        self.by_identity.get(identity).copied()
    }

    /// The participant sid of a member, `PA_…`.
    pub fn sid_of(&self, member: MemberKey) -> Option<&str> {
        self.members.get(&member).map(|member| member.sid.as_str())
    }

    /// The identity of a member.
    pub fn identity_of(&self, member: MemberKey) -> Option<&str> {
        self.members.get(&member).map(|member| member.identity.as_str())
    }

    /// The time in milliseconds since the Unix epoch, counted on from the room's start: it never jumps.
    pub fn unix_ms(&self, now: Instant) -> i64 {
        self.clock.unix_ms(now)
    }

    /// Sequence of the last reliable packet accepted from a member, for `ReconnectResponse`; 0 = none.
    pub fn last_reliable_sequence(&self, member: MemberKey) -> u32 {
        self.members.get(&member).map_or(0, |member| member.last_reliable)
    }

    /// How many members are in the room, of all kinds.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// What is in the books, for metrics and checks.
    pub fn census(&self) -> Census {
        Census {
            members: self.members.len(),
            tracks: self.tracks.len(),
            subscriptions: self.subscriptions.len(),
            data_tracks: self.data_tracks.len(),
            deadlines: self.agenda.len(),
        }
    }

    /// What was dropped, put off or refused because somebody was over a limit.
    pub fn over_limit(&self) -> OverLimit {
        self.over_limit
    }

    /// Whether an identity may begin a session, or take one up again, as often as it did lately. It counts as done.
    pub fn may_come(&mut self, now: Instant, identity: &str) -> bool {
        let may = self.ledger.of(now, identity).joins.take(now, JOINS, 1);
        self.over_limit.joins += u64::from(!may);
        may
    }

    /// The room is over: [`Output::Closed`] was or will be put out, every further call does nothing.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// A member's request. What comes from members that are gone, or names tracks and subscriptions that are not the
    /// member's own, is ignored: it crossed a notice on its way.
    pub fn handle(&mut self, now: Instant, from: MemberKey, request: Request) {
        if self.closed || !self.members.contains_key(&from) {
            return;
        }
        match request {
            Request::Active => self.on_active(now, from),
            Request::Detached => self.on_detached(now, from),
            Request::Resumed => self.on_resumed(now, from),
            Request::AddTrack(request) => self.on_add_track(now, from, request),
            Request::Negotiated(negotiated) => self.on_negotiated(now, from, negotiated),
            Request::Unpublish(track) => self.on_unpublish(now, from, track),
            Request::Mute(request) => self.on_mute(now, from, request),
            Request::Subscription(update) => self.on_subscription(now, from, &update),
            Request::TrackSettings(update) => self.on_track_settings(now, from, &update),
            Request::SubscriptionPermission(permission) => self.on_subscription_permission(now, from, permission),
            Request::UpdateMetadata(update) => self.on_update_metadata(now, from, update),
            Request::UpdateAudioTrack(update) => self.on_update_audio_track(now, from, update),
            Request::UpdateVideoTrack(update) => self.on_update_video_track(now, from, update),
            Request::PublishDataTrack(request) => self.on_publish_data_track(now, from, request),
            Request::UnpublishDataTrack(request) => self.on_unpublish_data_track(now, from, request),
            Request::StoreDataBlob(request) => self.on_store_data_blob(from, request),
            Request::GetDataBlob(request) => self.on_get_data_blob(from, request),
            Request::DataSubscription(update) => self.on_data_subscription(from, update),
            Request::SyncState(state) => self.on_sync_state(now, from, *state),
            Request::Data { delivery, payload } => self.on_data(now, from, delivery, payload),
            Request::ApplicationData(payload) => self.on_application_data(now, from, payload),
            Request::DataTrackPacket(packet) => self.on_data_track_packet(now, from, &packet),
            Request::Subscribed(subscription) => self.on_subscribed(from, subscription),
            Request::SubscriptionFailed(subscription, error) => {
                self.on_subscription_failed(now, from, subscription, error);
            }
            Request::Upstream(track, leg) => self.on_upstream(from, track, leg),
            Request::Downstream(subscription, leg) => self.on_downstream(from, subscription, leg),
            Request::Speaker { track, level, active } => self.on_speaker(from, track, level, active),
            Request::Leave(reason) => self.on_leave(now, from, reason),
            Request::SimulateSpeaker { seconds } => self.on_simulate_speaker(now, from, seconds),
        }
    }

    /// A request of the server API.
    pub fn admin(&mut self, now: Instant, request: AdminRequest) -> Result<AdminReply, AdminError> {
        if self.closed {
            return Err(AdminError::Closed);
        }
        match request {
            AdminRequest::Remove { identity } => self.admin_remove(now, &identity),
            AdminRequest::MuteTrack { identity, track_sid, muted } => {
                self.admin_mute(now, &identity, &track_sid, muted)
            }
            AdminRequest::UpdateParticipant(request) => self.admin_update(now, *request),
            AdminRequest::UpdateSubscriptions(request) => self.admin_subscriptions(now, request),
            AdminRequest::SendData(request) => self.admin_send_data(now, request),
            AdminRequest::UpdateMetadata(metadata) => self.admin_metadata(now, metadata),
            AdminRequest::Close => self.admin_close(now, proto::DisconnectReason::RoomDeleted),
            AdminRequest::Shutdown => self.admin_close(now, proto::DisconnectReason::ServerShutdown),
        }
    }

    /// Next output; drain until `None` after every input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Room::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    /// Time has come. Early calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(duty) = self.agenda.pop_due(now) {
            match duty {
                Duty::JoinDeadline(member) => self.on_join_deadline(now, member),
                Duty::Wishes(member) => self.on_wishes_due(now, member),
                Duty::SimulatedSpeech(member) => self.on_simulated_speech_end(member),
                Duty::Dynacast(track) => self.reconcile_demand(now, track),
                Duty::Announce(member) => self.announce(now, member, Urgency::NowWithSelf),
                Duty::Call(call) => self.on_call_due(call),
                Duty::Updates => self.flush_updates(now),
                Duty::RoomUpdate => self.send_room_update(now),
                Duty::Quality => self.on_quality_due(now),
                Duty::Idle => self.on_idle(now),
            }
        }
    }

    /// A member with all its tracks.
    pub(crate) fn info_of(&self, member: &Member) -> proto::ParticipantInfo {
        member.info(&self.tracks, &self.data_tracks)
    }

    /// A version above all earlier ones.
    pub(crate) fn next_version(&mut self, now: Instant) -> proto::TimedVersion {
        self.clock.next_version(now)
    }

    /// Everyone who has a socket.
    pub(crate) fn audience(&self) -> Vec<MemberKey> {
        self.members.values().filter(|member| member.is_attached()).map(|member| member.key).collect()
    }

    /// Everyone who has a socket, but for one.
    pub(crate) fn audience_without(&self, member: MemberKey) -> Vec<MemberKey> {
        let mut audience = self.audience();
        audience.retain(|key| *key != member);
        audience
    }

    pub(crate) fn put_out(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Tells one member's dialogue something.
    pub(crate) fn notify(&mut self, member: MemberKey, notice: Notice) {
        self.outputs.push_back(Output::Notify { to: vec![member], notice });
    }

    /// Sends a message to one member, unless it has no socket now.
    pub(crate) fn send(&mut self, to: MemberKey, message: Message) {
        if self.members.get(&to).is_some_and(|member| member.is_attached() && member.decodes(&message)) {
            self.notify(to, Notice::Send(Box::new(message)));
        }
    }

    /// Sends a message to one member, later if it has no socket now.
    pub(crate) fn send_or_owe(&mut self, to: MemberKey, message: Message) {
        match self.members.get_mut(&to) {
            Some(member) if member.is_attached() => self.send(to, message),
            Some(member) => member.owe(message),
            None => {}
        }
    }

    /// Sends one message to many, all of whom have a socket.
    pub(crate) fn broadcast(&mut self, to: Vec<MemberKey>, message: Message) {
        if !to.is_empty() {
            self.outputs.push_back(Output::Notify { to, notice: Notice::Send(Box::new(message)) });
        }
    }

    /// Refuses or confirms a request.
    pub(crate) fn respond(
        &mut self,
        to: MemberKey,
        reason: proto::request_response::Reason,
        message: &str,
        request: proto::request_response::Request,
    ) {
        self.over_limit.requests += u64::from(reason == proto::request_response::Reason::LimitExceeded);
        let response = proto::RequestResponse {
            request_id: 0,
            reason: reason as i32,
            message: message.to_owned(),
            request: Some(request),
        };
        self.send(to, Message::RequestResponse(response));
    }

    pub(crate) fn event(&mut self, event: RoomEventKind) {
        self.outputs.push_back(Output::Event(event));
    }
}
