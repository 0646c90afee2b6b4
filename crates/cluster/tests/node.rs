//! A whole node without HTTP: joins, resumes, refusals, slow clients and the end, over real media ports on loopback.

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tokio::time::timeout;
use tutti_cluster::{AdminRefusal, Attached, Failure, JoinError, JoinRequest, Node, NodeConfig, Outgoing, Resume};
use tutti_harness::PATIENCE;
use tutti_id::{AppId, RoomName};
use tutti_media::MediaConfig;
use tutti_room::{AdminError, BadText, Settings, SettingsError};
use tutti_signal::Mode;

fn node(room: Settings) -> Node {
    Node::start(config(room)).expect("media ports on loopback")
}

/// Two shards, with TCP; two rooms at most.
fn config(room: Settings) -> NodeConfig {
    let media = MediaConfig { tcp_port: Some(0), shards: 2, ..tutti_harness::media() };
    NodeConfig { media, room, rooms_max: 2, ..tutti_harness::node() }
}

fn request(room: &str, identity: &str) -> JoinRequest {
    tutti_harness::join(room, identity, Mode::Single)
}

/// The next message to the client; `None` when its socket is to be closed.
async fn next(attached: &mut Attached) -> Option<Message> {
    loop {
        match timeout(PATIENCE, attached.responses.recv()).await.expect("a message in time") {
            Some(Outgoing::Message(frame)) => return frame.message().cloned(),
            Some(Outgoing::RefreshToken(_)) => {}
            Some(Outgoing::Close) | None => return None,
        }
    }
}

/// The first message of a kind, whatever comes before it.
async fn until<T>(attached: &mut Attached, pick: impl Fn(&Message) -> Option<T>) -> T {
    loop {
        let message = next(attached).await.expect("the socket stays open");
        if let Some(picked) = pick(&message) {
            return picked;
        }
    }
}

async fn joined(node: &Node, room: &str, identity: &str) -> (Attached, proto::JoinResponse) {
    let mut attached = node.join(request(room, identity)).await.expect("joins");
    let Some(Message::Join(join)) = next(&mut attached).await else { panic!("Join comes first") };
    (attached, join)
}

fn leave(message: &Message) -> Option<proto::LeaveRequest> {
    match message {
        Message::Leave(leave) => Some(leave.clone()),
        _ => None,
    }
}

async fn send(attached: &Attached, message: Ask) {
    attached.requests.send(proto::SignalRequest { message: Some(message) }).await.expect("the room is there");
}

#[tokio::test]
async fn members_of_a_room_see_each_other_and_get_their_tokens() {
    let node = node(Settings::default());
    let (mut ann, join) = joined(&node, "r", "ann").await;
    assert!(join.participant.unwrap().sid.starts_with("PA_") && join.other_participants.is_empty());
    let token = timeout(PATIENCE, ann.responses.recv()).await.expect("in time");
    assert!(
        matches!(token, Some(Outgoing::RefreshToken(info)) if info.identity == "ann"),
        "she gets a token to return with"
    );
    let (_bob, join) = joined(&node, "r", "bob").await;
    assert_eq!(join.other_participants[0].identity, "ann");
    let (_carl, join) = joined(&node, "other", "carl").await;
    assert!(join.other_participants.is_empty(), "rooms do not mix");
    let counts = node.counts();
    assert_eq!((counts.rooms, counts.participants), (2, 3));
}

#[tokio::test]
async fn what_cannot_be_joined_is_refused_by_name() {
    let node = node(Settings { max_participants: 1, ..Settings::default() });
    let (_ann, _) = joined(&node, "a", "ann").await;
    let full = JoinError::Refused(tutti_room::JoinError::Full { max: 1 });
    assert_eq!(node.join(request("a", "bob")).await.err(), Some(full.clone()));
    assert_eq!(node.check(request("a", "bob")).await, Err(full));
    assert_eq!(node.check(request("a", "ann")).await, Ok(()), "it has its place");
    assert_eq!(node.check(request("b", "bob")).await, Ok(()));
    let nobody = JoinError::Refused(tutti_room::JoinError::IdentityEmpty);
    assert_eq!(node.join(request("b", "")).await.err(), Some(nobody));
    let (_bob, _) = joined(&node, "b", "bob").await;
    assert!(matches!(node.join(request("c", "x")).await, Err(JoinError::NodeFull { max: 2 })), "two rooms at most");
    assert_eq!(node.check(request("c", "x")).await, Err(JoinError::NodeFull { max: 2 }));
}

#[tokio::test]
async fn a_resume_of_an_unknown_session_is_told_to_join_anew_and_makes_no_room() {
    let node = node(Settings::default());
    let resume = Some(Resume { sid: "PA_gone".into() });
    let mut nowhere = node.join(JoinRequest { resume: resume.clone(), ..request("r", "ann") }).await.unwrap();
    let told = leave(&next(&mut nowhere).await.unwrap()).expect("Leave comes first");
    assert_eq!((told.reason(), told.action()), (proto::DisconnectReason::StateMismatch, Action::Reconnect));
    assert_eq!(node.counts().rooms, 0);
    let (_ann, _) = joined(&node, "r", "ann").await;
    let mut other = node.join(JoinRequest { resume, ..request("r", "ann") }).await.unwrap();
    let told = leave(&next(&mut other).await.unwrap()).expect("another session of the same identity is not hers");
    assert_eq!((told.reason(), told.action()), (proto::DisconnectReason::StateMismatch, Action::Reconnect));
}

#[tokio::test]
async fn the_newest_session_of_an_identity_wins() {
    let node = node(Settings::default());
    let (mut old, _) = joined(&node, "r", "ann").await;
    let (_new, join) = joined(&node, "r", "ann").await;
    assert!(join.other_participants.is_empty());
    let told = until(&mut old, leave).await;
    assert_eq!((told.reason(), told.action()), (proto::DisconnectReason::DuplicateIdentity, Action::Disconnect));
    assert!(next(&mut old).await.is_none());
    assert_eq!(node.counts().participants, 1);
}

#[tokio::test]
async fn a_client_that_reads_nothing_loses_its_socket_and_no_one_else_notices() {
    let node = node(Settings::default());
    let (slow, _) = joined(&node, "r", "slow").await;
    let (mut ann, _) = joined(&node, "r", "ann").await;
    // Each ping is answered; the answers pile up until the queue is full.
    for number in 0..5000 {
        if slow.requests.send(proto::SignalRequest { message: Some(Ask::Ping(number)) }).await.is_err() {
            break;
        }
    }
    send(&ann, Ask::Ping(1)).await;
    until(&mut ann, |message| matches!(message, Message::Pong(_)).then_some(())).await;
    assert_eq!(node.counts().slow_sockets, 1);
}

#[tokio::test]
async fn a_client_that_vanishes_before_its_media_is_gone_at_once() {
    let node = node(Settings::default());
    let (mut ann, _) = joined(&node, "r", "ann").await;
    let (bob, _) = joined(&node, "r", "bob").await;
    drop(bob);
    let gone = until(&mut ann, |message| match message {
        Message::Update(update) => update
            .participants
            .iter()
            .find(|who| who.identity == "bob" && who.state() == proto::participant_info::State::Disconnected)
            .cloned(),
        _ => None,
    });
    assert_eq!(gone.await.disconnect_reason(), proto::DisconnectReason::SignalClose);
}

#[tokio::test]
async fn a_caller_that_goes_away_while_it_joins_leaves_nobody_behind() {
    let node = node(Settings::default());
    let (mut ann, _) = joined(&node, "r", "ann").await;
    // Asked, and not waited for: the room lets bob in and finds nobody to tell.
    tokio::select! {
        biased;
        _ = node.join(request("r", "bob")) => panic!("the room cannot have answered yet"),
        () = std::future::ready(()) => {}
    }
    let states = |message: &Message| match message {
        Message::Update(update) => update.participants.iter().find(|who| who.identity == "bob").map(|who| who.state()),
        _ => None,
    };
    assert_eq!(until(&mut ann, states).await, proto::participant_info::State::Joined);
    assert_eq!(until(&mut ann, states).await, proto::participant_info::State::Disconnected);
}

#[tokio::test]
async fn absurd_input_ends_one_session_only() {
    let node = node(Settings::default());
    let (mut mad, _) = joined(&node, "r", "mad").await;
    let (mut ann, _) = joined(&node, "r", "ann").await;
    let offer =
        proto::SessionDescription { r#type: "offer".into(), sdp: "m=\0".repeat(1000), id: 1, ..Default::default() };
    send(&mad, Ask::Offer(offer)).await;
    let told = until(&mut mad, leave).await;
    assert_eq!(told.reason(), proto::DisconnectReason::StateMismatch);
    send(&ann, Ask::Ping(1)).await;
    until(&mut ann, |message| matches!(message, Message::Pong(_)).then_some(())).await;
    assert_eq!(node.counts().abandoned(Failure::Panic), 0);
}

#[tokio::test]
async fn what_makes_a_room_is_held_to_the_limits_whoever_asks() {
    let node = node(Settings::default());
    let name = RoomName::of_default_app;
    let metadata = |bytes| proto::RoomConfiguration { metadata: "x".repeat(bytes), ..Default::default() };
    let too_long = |what, bytes_max| JoinError::Settings(BadText::TooLong { what, bytes_max }.into());
    let control = |what| BadText::ControlCharacter { what };

    let kept = node.create_room(&name("r"), &metadata(512 * 1024)).await.expect("at the limit");
    assert_eq!(kept.metadata.len(), 512 * 1024);
    let over = too_long("metadata", 512 * 1024);
    assert_eq!(node.create_room(&name("big"), &metadata(512 * 1024 + 1)).await, Err(over.clone()));
    let by_token = || JoinRequest { room_config: Some(metadata(512 * 1024 + 1)), ..request("big", "ann") };
    assert_eq!(node.join(by_token()).await.err(), Some(over.clone()));
    assert_eq!(node.check(by_token()).await, Err(over));

    let bad = JoinError::Settings(control("room name").into());
    assert_eq!(node.create_room(&name("a\nb"), &metadata(0)).await, Err(bad.clone()));
    assert_eq!(node.join(request("a\u{1b}[2J", "ann")).await.err(), Some(bad));
    let long = "x".repeat(257);
    assert_eq!(node.create_room(&name(&long), &metadata(0)).await, Err(too_long("room name", 256)));
    assert_eq!(node.create_room(&name(""), &metadata(0)).await, Err(JoinError::Settings(SettingsError::NameEmpty)));
    let refused = JoinError::Refused(control("identity").into());
    assert_eq!(node.join(request("r", "ann\r\nroot")).await.err(), Some(refused));
    assert_eq!(node.counts().rooms, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn as_many_rooms_are_opened_as_there_may_be_and_each_once() {
    let node = Node::start(NodeConfig { rooms_max: 100, ..config(Settings::default()) }).expect("media ports");
    let config = proto::RoomConfiguration::default();
    let open = |name: String| {
        let (node, config) = (node.clone(), config.clone());
        tokio::spawn(async move { node.create_room(&RoomName::of_default_app(name), &config).await })
    };
    let mut opened = Vec::new();
    for opening in (0..1_000).map(|number| open(format!("r{number}"))).collect::<Vec<_>>() {
        match opening.await.expect("no panic") {
            Ok(room) => opened.push(room.sid),
            Err(error) => assert_eq!(error, JoinError::NodeFull { max: 100 }),
        }
    }
    assert_eq!((opened.len(), node.counts().rooms), (100, 100));
    timeout(PATIENCE, node.shutdown()).await.expect("stops in time");

    let node = Node::start(NodeConfig { rooms_max: 100, ..self::config(Settings::default()) }).expect("media ports");
    let open = |_| {
        let (node, config) = (node.clone(), config.clone());
        tokio::spawn(async move { node.create_room(&RoomName::of_default_app("one"), &config).await })
    };
    let mut sids = std::collections::BTreeSet::new();
    for opening in (0..1_000).map(open).collect::<Vec<_>>() {
        sids.insert(opening.await.expect("no panic").expect("it is there").sid);
    }
    assert_eq!((sids.len(), node.counts().rooms), (1, 1));
}

#[tokio::test]
async fn a_back_end_is_told_just_what_it_asks_for() {
    let node = node(Settings::default());
    let room = RoomName::of_default_app("r");
    let missing = |identity: &str| AdminRefusal::Room(AdminError::NoSuchMember { identity: identity.into() });
    assert_eq!(node.participant(&room, "ann").await, Err(AdminRefusal::RoomNotFound));
    assert_eq!(node.participants(&room).await, None);
    let (_ann, _) = joined(&node, "r", "ann").await;
    let (_bob, _) = joined(&node, "r", "bob").await;
    assert_eq!(node.participant(&room, "bob").await.map(|info| info.identity), Ok("bob".into()));
    assert_eq!(node.participant(&room, "carl").await, Err(missing("carl")));
    let all = node.participants(&room).await.expect("the room is there");
    assert_eq!(all.iter().map(|info| info.identity.as_str()).collect::<Vec<_>>(), ["ann", "bob"]);
    let default = AppId::default();
    assert_eq!(node.rooms(&default, &[]).await.iter().map(|room| room.name.as_str()).collect::<Vec<_>>(), ["r"]);
    assert!(node.rooms(&AppId::new("another"), &[]).await.is_empty(), "rooms of another app are not its own");
    assert_eq!(node.participants(&RoomName::new(AppId::new("another"), "r")).await, None);
}

#[tokio::test]
async fn when_the_node_stops_everyone_is_told_why_and_nobody_joins() {
    let node = node(Settings::default());
    let (mut ann, _) = joined(&node, "r", "ann").await;
    timeout(PATIENCE, node.shutdown()).await.expect("stops in time");
    let told = until(&mut ann, leave).await;
    assert_eq!(told.reason(), proto::DisconnectReason::ServerShutdown);
    assert!(matches!(node.join(request("r", "bob")).await, Err(JoinError::Stopping)));
}
