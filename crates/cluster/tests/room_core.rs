//! A room without a task: time, sockets and the media plane are the test's.

use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_response::Message;
use tutti_cluster::{JoinRequest, Refusal, RoomCore, RoomInput, RoomOutput, RoomStart, SocketNumber, TokenIssuer};
use tutti_id::{RoomKey, RoomName, ShardNumber};
use tutti_media::MediaCommand;
use tutti_room::{Joiner, MemberKey, Room, Settings};
use tutti_signal::{Facts, Mode, Placement};
use tutti_transport::{Fingerprint, TransportCommand};

const UNIX_MS: i64 = 1_700_000_000_000;

struct NoToken;

impl TokenIssuer for NoToken {
    fn refresh(&self, _participant: &proto::ParticipantInfo) -> Option<String> {
        None
    }
}

fn room(now: Instant) -> RoomCore {
    let settings = Settings::default();
    let facts = Facts {
        server_info: proto::ServerInfo::default(),
        ice_servers: Vec::new(),
        codecs: settings.codecs.clone(),
        ping_interval_s: 5,
        ping_timeout_s: 15,
    };
    let room = Room::new(settings, 1, now, UNIX_MS);
    RoomCore::new(RoomStart { key: RoomKey(1), room, facts: Arc::new(facts), sif_trailer: vec![0; 16] })
}

fn join(core: &mut RoomCore, now: Instant, identity: &str, socket: u64) -> Result<MemberKey, Refusal> {
    let request = JoinRequest {
        room: RoomName::of_default_app("r"),
        create: true,
        room_config: None,
        joiner: Joiner {
            identity: identity.into(),
            name: String::new(),
            metadata: String::new(),
            attributes: Default::default(),
            kind: proto::participant_info::Kind::Standard,
            kind_details: Vec::new(),
            permission: proto::ParticipantPermission { can_subscribe: true, can_publish: true, ..Default::default() },
            client: proto::ClientInfo { protocol: 16, ..Default::default() },
            auto_subscribe: true,
            auto_subscribe_data_track: false,
            adaptive_stream: false,
        },
        issuer: Arc::new(NoToken),
        mode: Mode::Single,
        protocol: 16,
        resume: None,
        disable_ice_lite: false,
        subscriber_allow_pause: None,
        add_tracks: Vec::new(),
        publisher_offer: None,
        sync_state: None,
    };
    let placement = Placement { shard: ShardNumber(0), candidates: Vec::new(), fingerprint: Fingerprint([0; 32]) };
    core.join(now, UNIX_MS, request, SocketNumber(socket), placement, [socket as u8; 32])
}

fn outputs(core: &mut RoomCore) -> Vec<RoomOutput> {
    std::iter::from_fn(|| core.poll_output()).collect()
}

fn told(outputs: &[RoomOutput], number: u64) -> Vec<&Message> {
    let to = |output: &&RoomOutput| matches!(output, RoomOutput::Send { socket, .. } if socket.0 == number);
    outputs
        .iter()
        .filter(to)
        .filter_map(|output| match output {
            RoomOutput::Send { frame, .. } => frame.message(),
            _ => None,
        })
        .collect()
}

fn closes(outputs: &[RoomOutput]) -> usize {
    let is_close = |output: &&RoomOutput| {
        matches!(output, RoomOutput::Media(MediaCommand::Transport { command: TransportCommand::Close, .. }))
    };
    outputs.iter().filter(is_close).count()
}

#[test]
fn a_join_that_meets_the_end_of_the_room_is_for_another_room() {
    let now = Instant::now();
    let mut core = room(now);
    assert!(join(&mut core, now, "ann", 1).is_ok());
    outputs(&mut core);
    core.handle(now, UNIX_MS, RoomInput::Shutdown);
    let last = outputs(&mut core);
    assert!(matches!(told(&last, 1)[..], [Message::Leave(_)]), "{last:?}");
    assert!(matches!(last.last(), Some(RoomOutput::Over)));
    assert_eq!(join(&mut core, now, "bob", 2), Err(Refusal::Over));
    assert!(outputs(&mut core).is_empty(), "nobody hears anything of it");
}

#[test]
fn what_a_socket_says_after_it_was_replaced_counts_for_nothing() {
    let now = Instant::now();
    let mut core = room(now);
    let old = join(&mut core, now, "ann", 1).unwrap();
    let new = join(&mut core, now, "ann", 2).unwrap();
    assert!(matches!(told(&outputs(&mut core), 1).last(), Some(Message::Leave(_))));
    for (member, socket) in [(old, 1), (new, 1), (old, 2)] {
        core.handle(now, UNIX_MS, RoomInput::SocketGone { member, socket: SocketNumber(socket) });
        assert!(outputs(&mut core).is_empty());
    }
    assert_eq!(core.member_count(), 1);
    core.handle(now, UNIX_MS, RoomInput::SocketGone { member: new, socket: SocketNumber(2) });
    assert_eq!(core.member_count(), 0, "who never had media is gone with its socket");
}

#[test]
fn an_abandoned_room_sends_everyone_away_and_closes_every_transport() {
    let now = Instant::now();
    let mut core = room(now);
    for (socket, identity) in [(1, "ann"), (2, "bob")] {
        join(&mut core, now, identity, socket).unwrap();
    }
    core.abandon();
    let last = outputs(&mut core);
    for socket in [1, 2] {
        assert!(matches!(told(&last, socket)[..], [Message::Leave(leave)] if leave.action() == Action::Reconnect));
        assert!(last.iter().any(|output| matches!(output, RoomOutput::Close(closed) if closed.0 == socket)));
    }
    assert_eq!((closes(&last), core.member_count()), (4, 0));
    assert!(matches!(last.last(), Some(RoomOutput::Over)));
}
