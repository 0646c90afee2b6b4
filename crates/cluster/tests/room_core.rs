//! A room without a task: time, sockets and the media plane are the test's.

use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use proto::data_packet::Kind;
use proto::leave_request::Action;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_cluster::{
    Answer, JoinRequest, Outgoing, Question, Refusal, Resume, RoomCore, RoomInput, RoomOutput, RoomStart, SocketNumber,
    Ticket,
};
use tutti_harness::{UNIX_MS, seat};
use tutti_id::RoomKey;
use tutti_media::{MediaCommand, MediaEvent};
use tutti_room::{AdminError, AdminRequest, MemberKey, Room, Settings};
use tutti_signal::Mode;
use tutti_transport::{Channel, TransportCommand, TransportEvent};

/// A browser's offer with a microphone, a camera and data channels.
const PUBLISH: &str = include_str!("../../sdp/tests/fixtures/chrome_publish_vp8_offer.sdp");

fn room(now: Instant) -> RoomCore {
    let room = Room::new(Settings::default(), 1, now, UNIX_MS);
    RoomCore::new(RoomStart {
        key: RoomKey(1),
        room,
        facts: Arc::new(tutti_harness::facts()),
        sif_trailer: vec![0; 16],
    })
}

fn request(identity: &str, mode: Mode) -> JoinRequest {
    JoinRequest { create: true, ..tutti_harness::join("r", identity, mode) }
}

/// Lets somebody in: the answer, and what else is said.
fn join_as(
    core: &mut RoomCore,
    now: Instant,
    request: JoinRequest,
    socket: u64,
) -> (Result<MemberKey, Refusal>, Vec<RoomOutput>) {
    let socket = SocketNumber(socket);
    let mut said: Vec<_> = outputs(core);
    core.handle(now, UNIX_MS, RoomInput::Join { socket, request: Box::new(request) }, &mut seat);
    said.extend(outputs(core));
    let at = said.iter().position(|output| matches!(output, RoomOutput::Admitted { .. })).expect("an answer");
    let RoomOutput::Admitted { outcome, .. } = said.remove(at) else { unreachable!() };
    (outcome, said)
}

fn join(
    core: &mut RoomCore,
    now: Instant,
    identity: &str,
    socket: u64,
) -> (Result<MemberKey, Refusal>, Vec<RoomOutput>) {
    join_as(core, now, request(identity, Mode::Single), socket)
}

fn ask(core: &mut RoomCore, now: Instant, member: MemberKey, socket: u64, message: Ask) {
    let request = Box::new(proto::SignalRequest { message: Some(message) });
    core.handle(now, UNIX_MS, RoomInput::Request { member, socket: SocketNumber(socket), request }, &mut seat);
}

fn handle(core: &mut RoomCore, now: Instant, input: RoomInput) -> Vec<RoomOutput> {
    core.handle(now, UNIX_MS, input, &mut seat);
    outputs(core)
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
            RoomOutput::Send { outgoing: Outgoing::Message(frame), .. } => frame.message(),
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
    assert!(join(&mut core, now, "ann", 1).0.is_ok());
    let last = handle(&mut core, now, RoomInput::Shutdown);
    assert!(matches!(told(&last, 1)[..], [Message::Leave(_)]), "{last:?}");
    assert!(matches!(last.last(), Some(RoomOutput::Over)));
    let (outcome, said) = join(&mut core, now, "bob", 2);
    assert_eq!(outcome, Err(Refusal::Over));
    assert!(said.is_empty(), "nobody hears anything of it: {said:?}");
}

#[test]
fn what_a_socket_says_after_it_was_replaced_counts_for_nothing() {
    let now = Instant::now();
    let mut core = room(now);
    let old = join(&mut core, now, "ann", 1).0.unwrap();
    let (new, said) = join(&mut core, now, "ann", 2);
    let new = new.unwrap();
    assert!(matches!(told(&said, 1).last(), Some(Message::Leave(_))));
    for (member, socket) in [(old, 1), (new, 1), (old, 2)] {
        let said = handle(&mut core, now, RoomInput::SocketGone { member, socket: SocketNumber(socket) });
        assert!(said.is_empty(), "{said:?}");
    }
    assert_eq!(core.member_count(), 1);
    handle(&mut core, now, RoomInput::SocketGone { member: new, socket: SocketNumber(2) });
    assert_eq!(core.member_count(), 0, "who never had media is gone with its socket");
}

/// Somebody comes and publishes while a client's socket is away; clients drop media of whom they do not know.
#[test]
fn a_resumed_client_hears_of_a_participant_before_the_offer_with_its_track() {
    let now = Instant::now();
    let mut core = room(now);
    let ann = join_as(&mut core, now, request("ann", Mode::Dual), 1).0.unwrap();
    let [_, id] = tutti_signal::transports_of(RoomKey(1), ann);
    let event = TransportEvent::Connected { tcp: false };
    core.handle(now, UNIX_MS, RoomInput::Media(MediaEvent::Transport { id, event }), &mut seat);
    core.flush(now);
    handle(&mut core, now, RoomInput::SocketGone { member: ann, socket: SocketNumber(1) });

    let bob = join(&mut core, now, "bob", 2).0.unwrap();
    let cid = "1d9398c8-3c86-4e37-82de-ec9f58c197c4".to_owned();
    let kind = proto::TrackType::Audio as i32;
    ask(&mut core, now, bob, 2, Ask::AddTrack(proto::AddTrackRequest { cid, r#type: kind, ..Default::default() }));
    let offer = proto::SessionDescription { r#type: "offer".into(), sdp: PUBLISH.into(), id: 1, ..Default::default() };
    ask(&mut core, now, bob, 2, Ask::Offer(offer));
    core.flush(now);
    let sid = core.room().member_info(bob).unwrap().tracks.remove(0).sid;
    outputs(&mut core);

    let again = JoinRequest { resume: Some(Resume { sid: String::new() }), ..request("ann", Mode::Dual) };
    let (outcome, mut said) = join_as(&mut core, now, again, 3);
    assert_eq!(outcome, Ok(ann));
    core.flush(now);
    said.extend(outputs(&mut core));
    let order = told(&said, 3).into_iter().map(|message| match message {
        Message::Reconnect(_) => "reconnect",
        Message::Update(update) if update.participants.iter().any(|info| info.tracks.iter().any(|t| t.sid == sid)) => {
            "update"
        }
        Message::RoomUpdate(_) => "room update",
        Message::Offer(offer) if offer.mid_to_track_id.values().any(|named| *named == sid) => "offer",
        _ => "something else",
    });
    assert_eq!(order.collect::<Vec<_>>(), ["reconnect", "update", "room update", "offer"]);
}

/// A back end has no window that slows it, so it is told.
#[test]
fn the_server_api_is_told_when_a_participant_is_too_far_behind() {
    let now = Instant::now();
    let mut core = room(now);
    for (identity, socket) in [("ann", 1), ("bob", 2)] {
        let member = join(&mut core, now, identity, socket).0.unwrap();
        let [id, _] = tutti_signal::transports_of(RoomKey(1), member);
        let opened = [Channel::Reliable, Channel::Lossy].map(TransportEvent::ChannelOpen);
        for event in [TransportEvent::Connected { tcp: false }].into_iter().chain(opened) {
            handle(&mut core, now, RoomInput::Media(MediaEvent::Transport { id, event }));
        }
    }
    let send = |core: &mut RoomCore, to: &[&str], kind: Kind| {
        let request = proto::SendDataRequest {
            data: vec![7; 60_000],
            kind: kind as i32,
            destination_identities: to.iter().map(|identity| (*identity).to_owned()).collect(),
            ..Default::default()
        };
        let question = Question::Admin(AdminRequest::SendData(request));
        let said = handle(core, now, RoomInput::Ask { ticket: Ticket(1), question });
        let sent = said.iter().filter(|output| {
            let RoomOutput::Media(MediaCommand::Transport { command, .. }) = output else { return false };
            matches!(command, TransportCommand::Send { .. })
        });
        let sent = sent.count();
        let answer = said.into_iter().find_map(|output| match output {
            RoomOutput::Answer { answer: Answer::Admin(outcome), .. } => Some(outcome.map(|_| sent)),
            _ => None,
        });
        answer.expect("an answer")
    };
    let taken = std::iter::from_fn(|| send(&mut core, &["bob"], Kind::Reliable).ok()).take(1000).count();
    assert_eq!(taken, 70, "4 MiB, and the one that goes beyond");
    let behind = Err(AdminError::Behind { identity: "bob".to_owned() });
    assert_eq!(send(&mut core, &[], Kind::Reliable), behind, "nobody gets it");
    assert_eq!(send(&mut core, &["ann"], Kind::Reliable), Ok(1));
    assert_eq!(send(&mut core, &["bob"], Kind::Lossy), Ok(1), "may be lost, and is not waited for");
    let bob = core.room().find("bob").unwrap();
    let [id, _] = tutti_signal::transports_of(RoomKey(1), bob);
    let event = TransportEvent::DataProgress { sent: 1 << 20, backlog_max: 512 << 10 };
    handle(&mut core, now, RoomInput::Media(MediaEvent::Transport { id, event }));
    assert_eq!(send(&mut core, &[], Kind::Reliable), Ok(2));
}

#[test]
fn an_abandoned_room_sends_everyone_away_and_closes_every_transport() {
    let now = Instant::now();
    let mut core = room(now);
    for (socket, identity) in [(1, "ann"), (2, "bob")] {
        join(&mut core, now, identity, socket).0.unwrap();
    }
    core.abandon(now);
    let last = outputs(&mut core);
    for socket in [1, 2] {
        assert!(matches!(told(&last, socket)[..], [Message::Leave(leave)] if leave.action() == Action::Reconnect));
        let closes = |output: &RoomOutput| matches!(output, RoomOutput::Send { socket: closed, outgoing: Outgoing::Close } if closed.0 == socket);
        assert!(last.iter().any(closes));
    }
    assert_eq!((closes(&last), core.member_count()), (4, 0));
    assert!(matches!(last.last(), Some(RoomOutput::Over)));
}
