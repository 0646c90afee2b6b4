//! A room with the dialogues of its members, joined as the server joins them, on a virtual clock and without a network.
//! Checks on the way what must hold of all that is said, and at the end that nothing is left.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_response::Message;
use tutti_forward::{ForwardCommand, SubscriptionKey, TrackKey};
use tutti_id::{RoomKey, ShardNumber};
use tutti_room::{Joiner, MemberKey, Notice, Output as Said, Request, Room, Settings};
use tutti_signal::{Facts, Frame, Output, Placement, Session, Start, member_of};
use tutti_transport::{Fingerprint, TransportCommand, TransportId};

use super::strict;

/// Unix time of every request, ms.
const WALL_MS: i64 = 1_700_000_000_123;
/// Key of the room on its node.
const ROOM: RoomKey = RoomKey(7);
/// Rounds of passing on until all are silent, at most.
const ROUNDS_MAX: usize = 1000;
/// Timers that one wait may need.
const TIMERS_MAX: usize = 10_000;

/// One member's dialogue, and what a client and a shard would remember of it.
struct Client {
    session: Session,
    /// The last offer of the server.
    offer: Option<proto::SessionDescription>,
}

/// The room and everyone in it.
pub struct Call {
    room: Room,
    now: Instant,
    clients: BTreeMap<MemberKey, Client>,
    /// Transports that are open.
    transports: BTreeSet<TransportId>,
    /// Tracks and subscriptions that forwarding knows, each with its transport.
    published: BTreeMap<TrackKey, TransportId>,
    subscribed: BTreeMap<SubscriptionKey, TransportId>,
    /// Sids that clients were told, in the order of their first mention.
    sids: Vec<String>,
    facts: Arc<Facts>,
}

impl Call {
    /// An empty room.
    pub fn new() -> Self {
        let now = Instant::now();
        let settings = Settings { name: "r".to_owned(), ..Settings::default() };
        let facts = Facts {
            server_info: proto::ServerInfo { version: "1.8.0".to_owned(), protocol: 17, ..Default::default() },
            codecs: settings.codecs.clone(),
            ping_interval_s: 5,
            ping_timeout_s: 15,
        };
        Self {
            room: Room::new(settings, 7, now, WALL_MS),
            now,
            clients: BTreeMap::new(),
            transports: BTreeSet::new(),
            published: BTreeMap::new(),
            subscribed: BTreeMap::new(),
            sids: Vec::new(),
            facts: Arc::new(facts),
        }
    }

    /// The member with this number, counted over those who are there.
    pub fn member(&self, number: u8) -> Option<MemberKey> {
        let count = self.clients.len().max(1);
        self.clients.keys().nth(usize::from(number) % count).copied()
    }

    /// Somebody joins; `start` makes the dialogue's beginning from the member.
    pub fn join(&mut self, joiner: Joiner, start: impl FnOnce(MemberKey, Placement) -> Start) {
        let Ok(key) = self.room.join(self.now, joiner) else { return };
        let placement = Placement {
            shard: ShardNumber(1),
            candidates: vec![
                "candidate:1 1 udp 2130706431 127.0.0.1 7883 typ host".to_owned(),
                "candidate:2 1 tcp 1518280447 127.0.0.1 7881 typ host tcptype passive".to_owned(),
            ],
            fingerprint: Fingerprint([9; 32]),
        };
        let start = Start { room: ROOM, member: key, ..start(key, placement) };
        let mut session = Session::new(self.facts.clone(), start);
        let info = self.room.member_info(key).expect("a member that just joined");
        session.begin(self.now, self.room.info(), info, self.room.others(key));
        self.clients.insert(key, Client { session, offer: None });
        self.settle();
    }

    /// A member's dialogue gets something.
    pub fn with(&mut self, key: MemberKey, input: impl FnOnce(&mut Session, Instant)) {
        let now = self.now;
        if let Some(client) = self.clients.get_mut(&key) {
            input(&mut client.session, now);
            self.settle();
        }
    }

    /// Puts sids that clients know into a request: `#` and a number stand for the first bytes of one. Sids of a kind
    /// are of one length, so what surrounds it stays what it is.
    pub fn fill(&self, request: &[u8]) -> Vec<u8> {
        let mut request = request.to_vec();
        for at in 0..request.len().saturating_sub(1) {
            if request[at] == b'#'
                && let Some(sid) = self.sids.get(usize::from(request[at + 1].wrapping_sub(b'0')))
                && let Some(place) = request.get_mut(at..at + sid.len())
            {
                place.copy_from_slice(sid.as_bytes());
            }
        }
        request
    }

    fn learn(&mut self, info: &proto::ParticipantInfo) {
        let tracks = info.tracks.iter().map(|track| &track.sid);
        let sids = tracks.chain(info.data_tracks.iter().map(|track| &track.sid)).chain([&info.sid]);
        for sid in sids {
            if !self.sids.contains(sid) {
                self.sids.push(sid.clone());
            }
        }
    }

    /// A member asks something, as its socket would hand it over.
    pub fn ask(&mut self, key: MemberKey, request: proto::SignalRequest) {
        self.with(key, |session, _| session.handle_request(WALL_MS, request));
    }

    /// A new socket takes a session up.
    pub fn resume(&mut self, key: MemberKey) {
        let last = self.room.last_reliable_sequence(key);
        self.with(key, |session, now| session.resume(now, last));
    }

    /// What a shard or another member tells the room of this one.
    pub fn room(&mut self, key: MemberKey, request: Request) {
        self.room.handle(self.now, key, request);
        self.settle();
    }

    /// The last offer of the server to a member.
    pub fn offer(&self, key: MemberKey) -> Option<&proto::SessionDescription> {
        self.clients.get(&key)?.offer.as_ref()
    }

    /// Time passes, with every timer at its moment.
    pub fn wait(&mut self, wait: Duration) {
        let end = self.now + wait;
        for timers in 0.. {
            assert!(timers < TIMERS_MAX, "a timer that never rests");
            let sessions = self.clients.values().filter_map(|client| client.session.poll_timeout());
            let Some(due) = sessions.chain(self.room.poll_timeout()).min().filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            let now = self.now;
            for client in self.clients.values_mut() {
                if client.session.poll_timeout().is_some_and(|due| due <= now) {
                    client.session.handle_timeout(now);
                }
            }
            self.room.handle_timeout(now);
            self.settle();
        }
        self.now = end;
    }

    /// Everyone leaves; the room ends some time later, and nothing is left of anything.
    pub fn end(mut self) {
        for key in self.clients.keys().copied().collect::<Vec<_>>() {
            let leave = proto::signal_request::Message::Leave(proto::LeaveRequest::default());
            self.ask(key, proto::SignalRequest { message: Some(leave) });
        }
        assert!(self.clients.is_empty(), "a client that left is still there");
        assert!(self.transports.is_empty(), "transports stay open: {:?}", self.transports);
        let census = self.room.census();
        assert_eq!((census.members, census.tracks, census.subscriptions, census.data_tracks), (0, 0, 0, 0));
        self.wait(Duration::from_secs(600));
        assert!(self.room.is_closed());
        assert_eq!(self.room.census().deadlines, 0);
    }

    /// Passes everything on until all are silent, then lets everyone negotiate, until all are silent again.
    fn settle(&mut self) {
        for round in 0.. {
            assert!(round < ROUNDS_MAX, "they never fall silent");
            if self.pass_on() {
                continue;
            }
            for client in self.clients.values_mut() {
                client.session.flush();
            }
            if !self.pass_on() {
                return;
            }
        }
    }

    fn pass_on(&mut self) -> bool {
        let mut any = false;
        while let Some(said) = self.room.poll_output() {
            any = true;
            self.told(said);
        }
        for key in self.clients.keys().copied().collect::<Vec<_>>() {
            while let Some(output) = self.clients.get_mut(&key).and_then(|client| client.session.poll_output()) {
                any = true;
                self.put_out(key, output);
            }
        }
        any
    }

    fn told(&mut self, said: Said) {
        let now = self.now;
        match said {
            Said::Notify { to, notice: Notice::Send(message) } => {
                let frame = Arc::new(Frame::new(*message));
                for key in to {
                    if let Some(client) = self.clients.get_mut(&key) {
                        client.session.pass_on(&frame);
                    }
                }
            }
            Said::Notify { to, notice } => {
                for key in to {
                    if let Some(client) = self.clients.get_mut(&key) {
                        client.session.handle_notice(now, notice.clone());
                    }
                }
            }
            Said::Data { to, delivery, payload } => {
                for key in to {
                    if let Some(client) = self.clients.get_mut(&key) {
                        client.session.send_data(now, delivery, payload.clone());
                    }
                }
            }
            Said::DataTrackPacket { to, payload } => {
                if let Some(client) = self.clients.get_mut(&to) {
                    client.session.send_data_track(payload);
                }
            }
            Said::Called { .. } | Said::Event(_) | Said::Closed => {}
        }
    }

    fn put_out(&mut self, key: MemberKey, output: Output) {
        match output {
            Output::Respond(frame) => {
                let message = frame.message().expect("a frame is never without a message");
                strict::message(message);
                let read = proto::SignalResponse::decode(frame.binary()).expect("clients can read it");
                assert_eq!(read.encoded_len(), frame.binary().len());
                let json = serde_json::from_str::<proto::SignalResponse>(&frame.json()).expect("it is JSON");
                assert!(json.message.is_some(), "clients that speak JSON never hear {message:?}");
                match (message, self.clients.get_mut(&key)) {
                    (Message::Offer(offer), Some(client)) => client.offer = Some(offer.clone()),
                    (Message::Join(join), _) => join.participant.iter().for_each(|info| self.learn(info)),
                    (Message::Update(update), _) => update.participants.iter().for_each(|info| self.learn(info)),
                    _ => {}
                }
            }
            Output::Room(request) => self.room.handle(self.now, key, request),
            Output::Transport(id, command) => {
                assert_eq!(member_of(id), key);
                match command {
                    TransportCommand::Open(_) => assert!(self.transports.insert(id), "{id:?} is opened twice"),
                    TransportCommand::Close => {
                        assert!(self.transports.remove(&id), "{id:?} is closed twice");
                        self.published.retain(|_, on| *on != id);
                        self.subscribed.retain(|_, on| *on != id);
                    }
                    _ => assert!(self.transports.contains(&id), "{command:?} without a transport"),
                }
            }
            Output::Forward(id, command) => {
                assert!(self.transports.contains(&id), "{command:?} without a transport");
                self.forward(id, command);
            }
            Output::Ended => {
                self.clients.remove(&key);
            }
            Output::RefreshToken
            | Output::PreferTcp(_)
            | Output::CloseSocket
            | Output::Refused { .. }
            | Output::MediaFailed(_) => {}
        }
    }

    /// What a shard relies on.
    fn forward(&mut self, id: TransportId, command: ForwardCommand) {
        match command {
            ForwardCommand::Publish(publish) => {
                let on = *self.published.entry(publish.track).or_insert(id);
                assert_eq!(on, id, "a track on two transports");
                assert!(!publish.mid.is_empty());
            }
            ForwardCommand::Unpublish(track) => drop(self.published.remove(&track)),
            ForwardCommand::Subscribe(subscribe) => {
                let on = *self.subscribed.entry(subscribe.section.subscription).or_insert(id);
                assert_eq!(on, id, "a subscription on two transports");
                let section = &subscribe.section;
                assert!(!section.formats.is_empty() && section.rtx_ssrc != Some(section.ssrc));
            }
            ForwardCommand::Unsubscribe(subscription) => drop(self.subscribed.remove(&subscription)),
            _ => {}
        }
    }
}
