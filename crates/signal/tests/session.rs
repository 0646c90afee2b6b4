//! The dialogue with one client, message by message, without a room or a network.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_room::{Delivery, MemberKey, Notice, Request};
use tutti_signal::{Facts, Mode, Output, Placement, Session, Start};
use tutti_transport::{Channel, Fingerprint, TransportCommand, TransportEvent, TransportId};

const WALL_MS: i64 = 1_700_000_000_123;

fn facts() -> Arc<Facts> {
    Arc::new(Facts {
        server_info: proto::ServerInfo { version: "1.8.0".into(), protocol: 17, ..Default::default() },
        ice_servers: Vec::new(),
        codecs: ["video/VP8", "video/H264", "audio/opus", "audio/red"].map(str::to_owned).to_vec(),
        ping_interval_s: 5,
        ping_timeout_s: 15,
    })
}

fn start(mode: Mode) -> Start {
    Start {
        room: 7,
        member: MemberKey(3),
        mode,
        protocol: 16,
        client: proto::ClientInfo {
            sdk: proto::client_info::Sdk::Js as i32,
            protocol: 16,
            version: "2.21.0".into(),
            ..Default::default()
        },
        can_subscribe: true,
        can_publish: true,
        disable_ice_lite: false,
        tcp_only: false,
        placement: Placement {
            shard: 1,
            candidates: vec!["candidate:1 1 udp 2130706431 127.0.0.1 7883 typ host".into()],
            fingerprint: Fingerprint([9; 32]),
        },
        sif_trailer: vec![1, 2, 3],
        seed: [5; 32],
    }
}

fn drain(session: &mut Session) -> Vec<Output> {
    std::iter::from_fn(|| session.poll_output()).collect()
}

/// The messages to the client, in order.
fn said(outputs: &[Output]) -> Vec<Message> {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Respond(frame) => frame.message().cloned(),
        _ => None,
    });
    frames.collect()
}

fn joined(start: Start, now: Instant) -> (Session, Vec<Output>) {
    let mut session = Session::new(facts(), start);
    let me = proto::ParticipantInfo { sid: "PA_me".into(), identity: "me".into(), ..Default::default() };
    let room = proto::Room { sid: "RM_r".into(), name: "r".into(), ..Default::default() };
    session.begin(now, room, me, Vec::new());
    let outputs = drain(&mut session);
    (session, outputs)
}

fn ask(session: &mut Session, now: Instant, message: Ask) -> Vec<Output> {
    session.handle_request(now, WALL_MS, proto::SignalRequest { message: Some(message) });
    drain(session)
}

fn opened(outputs: &[Output]) -> Vec<TransportId> {
    let ids = outputs.iter().filter_map(|output| match output {
        Output::Transport(id, TransportCommand::Open(_)) => Some(*id),
        _ => None,
    });
    ids.collect()
}

#[test]
fn join_comes_first_then_the_token_then_the_offer_of_the_primary_connection() {
    let now = Instant::now();
    let (mut session, outputs) = joined(start(Mode::Dual), now);
    let Some(Message::Join(join)) = said(&outputs).into_iter().next() else { panic!("{outputs:?}") };
    assert!(join.subscriber_primary);
    assert!(join.ping_interval > 0 && join.room.is_some() && join.participant.is_some());
    assert_eq!(join.enabled_publish_codecs[0].mime, "video/VP8");
    assert_eq!(join.server_info.unwrap().version, "1.8.0");
    assert!(matches!(outputs[1], Output::RefreshToken));
    assert_eq!(opened(&outputs).len(), 2);
    session.flush();
    let offers = said(&drain(&mut session));
    assert!(
        matches!(offers.as_slice(), [Message::Offer(offer)] if offer.id == 1 && offer.sdp.contains("m=application"))
    );
    session.flush();
    assert!(drain(&mut session).is_empty(), "one offer at a time");
}

#[test]
fn single_mode_never_offers_and_opens_one_transport() {
    let (mut session, outputs) = joined(start(Mode::Single), Instant::now());
    assert!(matches!(said(&outputs).first(), Some(Message::Join(join)) if !join.subscriber_primary));
    assert_eq!(opened(&outputs).len(), 1);
    session.flush();
    assert!(!said(&drain(&mut session)).iter().any(|message| matches!(message, Message::Offer(_))));
}

#[test]
fn who_may_not_subscribe_gets_the_publisher_as_primary_and_no_offer() {
    let start = Start { can_subscribe: false, ..start(Mode::Dual) };
    let (mut session, outputs) = joined(start, Instant::now());
    assert!(matches!(said(&outputs).first(), Some(Message::Join(join)) if !join.subscriber_primary));
    assert_eq!(opened(&outputs).len(), 1);
    session.flush();
    assert!(said(&drain(&mut session)).is_empty());
}

#[test]
fn both_pings_are_answered() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    assert!(matches!(said(&ask(&mut session, now, Ask::Ping(5))).as_slice(), [Message::Pong(WALL_MS)]));
    let ping = proto::Ping { timestamp: 42, rtt: 3 };
    let answer = said(&ask(&mut session, now, Ask::PingReq(ping)));
    let [Message::PongResp(pong)] = answer.as_slice() else { panic!("{answer:?}") };
    assert_eq!((pong.last_ping_timestamp, pong.timestamp), (42, WALL_MS));
}

#[test]
fn candidates_wait_for_the_description_and_bad_ones_are_ignored() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    for init in ["", "{", "{}", r#"{"candidate":""}"#, r#"{"candidate":7}"#] {
        let trickle = proto::TrickleRequest { candidate_init: init.into(), ..Default::default() };
        assert!(ask(&mut session, now, Ask::Trickle(trickle)).is_empty(), "{init}");
    }
    let init = r#"{"candidate":"candidate:1 1 udp 1 127.0.0.1 9 typ host","sdpMid":"0","sdpMLineIndex":0}"#;
    let trickle = proto::TrickleRequest { candidate_init: init.into(), ..Default::default() };
    assert!(ask(&mut session, now, Ask::Trickle(trickle)).is_empty(), "nothing before the offer");
}

#[test]
fn absurd_descriptions_end_in_a_leave_with_its_reason() {
    for sdp in ["", "v=0", "nonsense\r\n", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"] {
        let now = Instant::now();
        let (mut session, _) = joined(start(Mode::Single), now);
        let offer = proto::SessionDescription { r#type: "offer".into(), sdp: sdp.into(), id: 1, ..Default::default() };
        let outputs = ask(&mut session, now, Ask::Offer(offer));
        let leave = said(&outputs).into_iter().find_map(|message| match message {
            Message::Leave(leave) => Some(leave),
            _ => None,
        });
        let leave = leave.unwrap_or_else(|| panic!("{sdp:?}: {outputs:?}"));
        assert_eq!(leave.reason(), proto::DisconnectReason::StateMismatch);
        assert!(matches!(outputs.last(), Some(Output::Ended)));
        assert!(ask(&mut session, now, Ask::Ping(1)).is_empty(), "nothing after the end");
    }
}

#[test]
fn the_first_connection_makes_it_active_once() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [publisher, subscriber] = tutti_signal::transports_of(7, MemberKey(3));
    session.handle_transport(now, publisher, TransportEvent::Connected { tcp: false });
    assert!(drain(&mut session).is_empty(), "the publisher connection is not the primary one");
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    assert!(matches!(drain(&mut session).as_slice(), [Output::Room(Request::Active)]));
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    assert!(drain(&mut session).is_empty());
}

#[test]
fn reliable_packets_wait_for_the_channels_lossy_ones_do_not() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [_, subscriber] = tutti_signal::transports_of(7, MemberKey(3));
    session.send_data(now, Delivery::Reliable, Bytes::from_static(b"old"));
    let later = now + Duration::from_secs(3);
    session.send_data(later, Delivery::Lossy, Bytes::from_static(b"lossy"));
    session.send_data(later, Delivery::Reliable, Bytes::from_static(b"one"));
    session.send_data(later, Delivery::Reliable, Bytes::from_static(b"two"));
    assert!(drain(&mut session).is_empty());
    session.handle_transport(later, subscriber, TransportEvent::ChannelOpen(Channel::Reliable));
    assert!(drain(&mut session).is_empty(), "both channels first");
    session.handle_transport(later, subscriber, TransportEvent::ChannelOpen(Channel::Lossy));
    let sent: Vec<_> = drain(&mut session)
        .into_iter()
        .filter_map(|output| match output {
            Output::Transport(id, TransportCommand::Send { payload, .. }) if id == subscriber => Some(payload),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [&b"one"[..], b"two"]);
    assert_eq!(session.data_dropped(), 2, "the old one and the lossy one");
}

#[test]
fn a_lost_socket_is_no_leave_unless_there_never_was_media() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    session.handle_socket_gone();
    let outputs = drain(&mut session);
    assert!(matches!(outputs[0], Output::Room(Request::Leave(proto::DisconnectReason::SignalClose))));
    assert!(matches!(outputs.last(), Some(Output::Ended)));

    let (mut session, _) = joined(start(Mode::Dual), now);
    let [_, subscriber] = tutti_signal::transports_of(7, MemberKey(3));
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    drain(&mut session);
    session.handle_socket_gone();
    assert!(matches!(drain(&mut session).as_slice(), [Output::Room(Request::Detached)]));
    session.resume(now, 17);
    let outputs = drain(&mut session);
    let messages = said(&outputs);
    assert!(matches!(&messages[0], Message::Reconnect(response) if response.last_message_seq == 17));
    let resumed = outputs.iter().position(|output| matches!(output, Output::Room(Request::Resumed)));
    let offer = outputs.iter().position(
        |output| matches!(output, Output::Respond(frame) if matches!(frame.message(), Some(Message::Offer(_)))),
    );
    assert!(resumed < offer, "the room speaks before the restarted offer");
    assert!(
        outputs
            .iter()
            .any(|o| matches!(o, Output::Transport(id, TransportCommand::RestartIce(_)) if *id == subscriber))
    );
}

#[test]
fn failed_media_asks_for_a_resume_and_is_given_up_after_the_grace() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    let [transport, _] = tutti_signal::transports_of(7, MemberKey(3));
    session.handle_transport(now, transport, TransportEvent::Connected { tcp: false });
    drain(&mut session);
    session.handle_transport(now, transport, TransportEvent::Failed { reason: "consent" });
    assert!(drain(&mut session).is_empty(), "the client may be leaving");
    let due = session.poll_timeout().expect("a deadline");
    session.handle_timeout(due);
    let outputs = drain(&mut session);
    assert!(matches!(said(&outputs).as_slice(), [Message::Leave(leave)] if leave.action() == Action::Resume));
    assert!(outputs.iter().any(|output| matches!(output, Output::CloseSocket)));
    let due = session.poll_timeout().expect("a deadline");
    session.handle_timeout(due);
    let outputs = drain(&mut session);
    assert!(matches!(outputs[0], Output::Room(Request::Leave(proto::DisconnectReason::ConnectionTimeout))));
    assert!(matches!(outputs.last(), Some(Output::Ended)));
}

#[test]
fn a_leave_that_the_end_of_the_media_overtook_is_a_leave() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    let [transport, _] = tutti_signal::transports_of(7, MemberKey(3));
    session.handle_transport(now, transport, TransportEvent::Connected { tcp: false });
    drain(&mut session);
    session.handle_transport(now, transport, TransportEvent::Failed { reason: "closed" });
    let outputs = ask(&mut session, now + Duration::from_millis(100), Ask::Leave(proto::LeaveRequest::default()));
    assert!(matches!(outputs[0], Output::Room(Request::Leave(proto::DisconnectReason::ClientInitiated))));
    assert!(said(&outputs).is_empty(), "nobody is asked to resume");
    assert_eq!(session.poll_timeout(), None);
}

#[test]
fn being_put_out_says_why_and_closes_everything() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let (reason, action) = (proto::DisconnectReason::DuplicateIdentity, Action::Disconnect);
    session.handle_notice(now, Notice::Leave { reason, action });
    let outputs = drain(&mut session);
    assert!(
        matches!(said(&outputs).as_slice(), [Message::Leave(leave)] if leave.reason() == reason && leave.action() == action)
    );
    let closed = outputs.iter().filter(|output| matches!(output, Output::Transport(_, TransportCommand::Close)));
    assert_eq!(closed.count(), 2);
}

#[test]
fn a_client_may_leave_with_a_reason_of_its_own_but_not_with_ours() {
    use proto::DisconnectReason as Why;
    for (given, taken) in [
        (Why::UnknownReason, Why::ClientInitiated),
        (Why::UserRejected, Why::UserRejected),
        (Why::RoomDeleted, Why::ClientInitiated),
    ] {
        let now = Instant::now();
        let (mut session, _) = joined(start(Mode::Dual), now);
        let leave = proto::LeaveRequest { reason: given as i32, ..Default::default() };
        let outputs = ask(&mut session, now, Ask::Leave(leave));
        assert!(matches!(&outputs[0], Output::Room(Request::Leave(reason)) if *reason == taken));
    }
}

#[test]
fn tokens_are_refreshed_every_five_minutes() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let due = session.poll_timeout().expect("a deadline");
    assert_eq!(due, now + Duration::from_secs(300));
    session.handle_timeout(due);
    assert!(matches!(drain(&mut session).as_slice(), [Output::RefreshToken]));
}

#[test]
fn old_rust_clients_are_spared_messages_they_cannot_decode() {
    let now = Instant::now();
    let client = proto::ClientInfo { sdk: proto::client_info::Sdk::Rust as i32, protocol: 9, ..Default::default() };
    let (mut session, _) = joined(Start { client, protocol: 9, ..start(Mode::Dual) }, now);
    let subscribed = Message::TrackSubscribed(proto::TrackSubscribed { track_sid: "TR_x".into() });
    session.handle_notice(now, Notice::Send(Box::new(subscribed.clone())));
    assert!(drain(&mut session).is_empty());
    let (mut session, _) = joined(start(Mode::Dual), now);
    session.handle_notice(now, Notice::Send(Box::new(subscribed)));
    assert_eq!(said(&drain(&mut session)).len(), 1);
}

#[test]
fn a_client_that_shall_use_tcp_is_offered_nothing_else() {
    let now = Instant::now();
    let both =
        ["candidate:1 1 udp 2 127.0.0.1 7883 typ host", "candidate:2 1 tcp 1 127.0.0.1 7881 typ host tcptype passive"];
    let mut start = start(Mode::Dual);
    start.placement.candidates = both.map(str::to_owned).to_vec();
    for (tcp_only, offered) in [(false, [true, true]), (true, [false, true])] {
        let (mut session, _) = joined(Start { tcp_only, ..start.clone() }, now);
        session.flush();
        let outputs = said(&drain(&mut session));
        let [Message::Offer(offer)] = outputs.as_slice() else { panic!("{outputs:?}") };
        assert_eq!(both.map(|candidate| offer.sdp.contains(candidate)), offered);
    }
    let (mut session, _) = joined(start, now);
    let scenario = proto::simulate_scenario::Scenario::SwitchCandidateProtocol(proto::CandidateProtocol::Tcp as i32);
    let outputs = ask(&mut session, now, Ask::Simulate(proto::SimulateScenario { scenario: Some(scenario) }));
    assert!(matches!(outputs.as_slice(), [Output::PreferTcp(true)]));
}
