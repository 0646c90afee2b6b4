//! How a dialogue ends, and what interrupts it only.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_id::RoomKey;
use tutti_room::{MemberKey, Notice, Request};
use tutti_signal::{Mode, Output, Start};
use tutti_transport::{DtlsFailure, TransportCommand, TransportEvent, TransportFailure};

use crate::stage::{ask, drain, joined, said, start, subscribe};

#[test]
fn a_lost_socket_is_no_leave_unless_there_never_was_media() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    session.handle_socket_gone();
    let outputs = drain(&mut session);
    assert!(matches!(outputs[0], Output::Room(Request::Leave(proto::DisconnectReason::SignalClose))));
    assert!(matches!(outputs.last(), Some(Output::Ended)));

    let (mut session, _) = joined(start(Mode::Dual), now);
    let [_, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    drain(&mut session);
    session.handle_socket_gone();
    assert!(matches!(drain(&mut session).as_slice(), [Output::Room(Request::Detached)]));
    session.resume(now, 17);
    let outputs = drain(&mut session);
    let [Output::Respond(frame), Output::Room(Request::Resumed)] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert!(matches!(frame.message(), Some(Message::Reconnect(response)) if response.last_message_seq == 17));
}

/// Somebody came and published while the client's socket was away.
#[test]
fn a_resumed_client_hears_who_is_there_before_the_offer_that_carries_their_tracks() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [_, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    session.handle_socket_gone();
    session.handle_notice(now, subscribe(1, proto::TrackType::Audio, &["audio/opus"]));
    session.flush();
    drain(&mut session);
    session.resume(now, 0);
    assert!(matches!(said(&drain(&mut session)).as_slice(), [Message::Reconnect(_)]));
    for message in [Message::Update(proto::ParticipantUpdate::default()), Message::RoomUpdate(room_update())] {
        session.handle_notice(now, Notice::Send(Box::new(message)));
    }
    session.flush();
    let outputs = drain(&mut session);
    let order = outputs.iter().map(|output| match output {
        Output::Respond(frame) => match frame.message() {
            Some(Message::Update(_)) => "update",
            Some(Message::RoomUpdate(_)) => "room update",
            Some(Message::Offer(offer)) if offer.mid_to_track_id.values().any(|sid| sid == "TR_1") => "offer",
            _ => "something else",
        },
        Output::RefreshToken => "token",
        Output::Transport(id, TransportCommand::RestartIce(_)) if *id == subscriber => "restart",
        _ => "something else",
    });
    assert_eq!(order.collect::<Vec<_>>(), ["update", "room update", "token", "restart", "offer"]);
    session.flush();
    assert!(drain(&mut session).is_empty(), "all of it once");
}

fn room_update() -> proto::RoomUpdate {
    proto::RoomUpdate { room: Some(proto::Room { sid: "RM_r".into(), ..Default::default() }) }
}

#[test]
fn failed_media_asks_for_a_resume_and_is_given_up_after_the_grace() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    let [transport, _] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.handle_transport(now, transport, TransportEvent::Connected { tcp: false });
    drain(&mut session);
    session.handle_transport(now, transport, TransportEvent::Failed { reason: TransportFailure::NoChecks });
    let outputs = drain(&mut session);
    assert!(
        matches!(outputs.as_slice(), [Output::MediaFailed(TransportFailure::NoChecks)]),
        "the client may be leaving: {outputs:?}"
    );
    let due = session.poll_timeout().expect("a deadline");
    assert_eq!(due, now + Duration::from_millis(500));
    session.handle_timeout(due);
    let outputs = drain(&mut session);
    assert!(matches!(said(&outputs).as_slice(), [Message::Leave(leave)] if leave.action() == Action::Resume));
    assert!(outputs.iter().any(|output| matches!(output, Output::CloseSocket)));
    // docs/networks.md: 15 s of silence end the media, and 20 s the participant.
    let due = session.poll_timeout().expect("a deadline");
    assert_eq!(due, now + Duration::from_secs(5));
    session.handle_timeout(due);
    let outputs = drain(&mut session);
    assert!(matches!(outputs[0], Output::Room(Request::Leave(proto::DisconnectReason::ConnectionTimeout))));
    assert!(matches!(outputs.last(), Some(Output::Ended)));
}

#[test]
fn a_connection_that_works_does_not_make_up_for_one_that_is_gone() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let both = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    for transport in both {
        session.handle_transport(now, transport, TransportEvent::Connected { tcp: false });
    }
    let [publisher, subscriber] = both;
    session.handle_transport(now, subscriber, TransportEvent::Failed { reason: DtlsFailure::Closed.into() });
    session.handle_timeout(session.poll_timeout().expect("a deadline"));
    session.resume(now, 0);
    session.handle_transport(now, publisher, TransportEvent::Connected { tcp: false });
    drain(&mut session);
    let due = session.poll_timeout().expect("a deadline");
    assert_eq!(due, now + Duration::from_secs(15), "what docs/networks.md grants who resumes");
    session.handle_timeout(due);
    assert!(matches!(drain(&mut session).last(), Some(Output::Ended)), "it can only begin anew");

    let (mut session, _) = joined(start(Mode::Dual), now);
    for event in
        [TransportEvent::Failed { reason: TransportFailure::NoChecks }, TransportEvent::Connected { tcp: false }]
    {
        session.handle_transport(now, subscriber, event);
    }
    session.handle_timeout(now + Duration::from_secs(60));
    assert!(!drain(&mut session).iter().any(|output| matches!(output, Output::Ended)), "it came back");
}

#[test]
fn a_second_failure_gives_no_more_time() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    for (transport, after) in tutti_signal::transports_of(RoomKey(7), MemberKey(3)).into_iter().zip([0, 3]) {
        let reason = TransportFailure::NoChecks;
        session.handle_transport(now + Duration::from_secs(after), transport, TransportEvent::Failed { reason });
    }
    session.handle_timeout(now + Duration::from_millis(500));
    assert_eq!(session.poll_timeout(), Some(now + Duration::from_secs(5)));
}

#[test]
fn a_socket_that_goes_again_is_told_nothing_and_lost_once() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [_, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    session.handle_socket_gone();
    drain(&mut session);
    session.handle_socket_gone();
    assert!(drain(&mut session).is_empty(), "it is gone already");
    session.resume(now, 0);
    session.handle_socket_gone();
    drain(&mut session);
    session.flush();
    assert!(drain(&mut session).is_empty(), "nobody is there to be told the rest");
}

#[test]
fn a_resume_restarts_only_a_connection_that_there_is() {
    let now = Instant::now();
    for can_subscribe in [true, false] {
        let (mut session, _) = joined(Start { can_subscribe, ..start(Mode::Dual) }, now);
        session.flush();
        drain(&mut session);
        session.resume(now, 0);
        session.flush();
        let outputs = drain(&mut session);
        let restarts = outputs
            .iter()
            .filter(|output| matches!(output, Output::Transport(_, TransportCommand::RestartIce(_))))
            .count();
        assert_eq!(restarts, usize::from(can_subscribe));
        assert_eq!(said(&outputs).iter().any(|message| matches!(message, Message::Offer(_))), can_subscribe);
    }
}

#[test]
fn a_simulated_speaker_falls_silent_again() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    for (asked, got) in [(3, 3), (60, 60), (61, 60), (-1, 0)] {
        let scenario = Some(proto::simulate_scenario::Scenario::SpeakerUpdate(asked));
        let outputs = ask(&mut session, Ask::Simulate(proto::SimulateScenario { scenario }));
        let [Output::Room(Request::SimulateSpeaker { seconds })] = outputs.as_slice() else { panic!("{outputs:?}") };
        assert_eq!(*seconds, got);
    }
}

#[test]
fn a_leave_that_the_end_of_the_media_overtook_is_a_leave() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    let [transport, _] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.handle_transport(now, transport, TransportEvent::Connected { tcp: false });
    drain(&mut session);
    session.handle_transport(now, transport, TransportEvent::Failed { reason: DtlsFailure::Closed.into() });
    drain(&mut session);
    let outputs = ask(&mut session, Ask::Leave(proto::LeaveRequest::default()));
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
        let outputs = ask(&mut session, Ask::Leave(leave));
        assert!(matches!(&outputs[0], Output::Room(Request::Leave(reason)) if *reason == taken));
    }
}
