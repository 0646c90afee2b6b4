//! The fence: what is left of a room that panics.

use std::sync::Arc;
use std::time::Duration;

use proto::leave_request::Action;
use proto::participant_info::State;
use proto::signal_response::Message;
use tutti_harness::UNIX_MS;
use tutti_id::{RoomKey, RoomName, ShardNumber};
use tutti_media::{MediaCommand, MediaEvent};
use tutti_room::{Room, RoomEventKind, Settings};
use tutti_signal::{Mode, Placement};
use tutti_transport::{Fingerprint, TransportCommand, TransportEvent};

use super::*;
use crate::input::{Outgoing, Question, SocketNumber, Ticket};
use crate::join::JoinRequest;

const KEY: RoomKey = RoomKey(1);

fn round(now: Instant) -> RoomRound {
    let settings = Settings { name: "r".into(), ..Settings::default() };
    let room = Room::new(settings, 1, now, UNIX_MS);
    RoomRound::new(RoomStart { key: KEY, room, facts: Arc::new(tutti_harness::facts()), sif_trailer: vec![0; 16] })
}

fn join(socket: u64, identity: &str) -> RoomInput {
    let room = RoomName::of_default_app("r");
    let request = JoinRequest::new(room, tutti_harness::joiner(identity), Mode::Single);
    RoomInput::Join { socket: SocketNumber(socket), request: Box::new(request) }
}

fn seat(members: usize) -> Seat {
    let placement = Placement { shard: ShardNumber(0), candidates: Vec::new(), fingerprint: Fingerprint([0; 32]) };
    Seat { placement, ice_servers: Vec::new(), seed: [members as u8; 32] }
}

fn connected(member: u32) -> RoomInput {
    let [id, _] = tutti_signal::transports_of(KEY, tutti_room::MemberKey(member));
    RoomInput::Media(MediaEvent::Transport { id, event: TransportEvent::Connected { tcp: false } })
}

/// A room with two members, the first of them active.
fn with_two(now: Instant) -> RoomRound {
    let mut round = round(now);
    round.take(now, UNIX_MS, [join(1, "ann"), join(2, "bob")], &mut seat);
    round.take(now, UNIX_MS, [connected(1)], &mut seat);
    round
}

/// What is told outside, in short; the events are numbered without holes.
fn events(outputs: &[RoomOutput]) -> Vec<String> {
    let events: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            RoomOutput::Event(event) => Some(event),
            _ => None,
        })
        .collect();
    for (event, number) in events.iter().zip(1..) {
        assert_eq!((event.sequence, event.room_sid.get(..3)), (number, Some("RM_")));
    }
    let what = |kind: &RoomEventKind| match kind {
        RoomEventKind::RoomStarted(_) => "started".to_owned(),
        RoomEventKind::RoomFinished(_) => "finished".to_owned(),
        RoomEventKind::ParticipantJoined(who) => format!("{} joined", who.identity),
        RoomEventKind::ParticipantLeft(who) => {
            assert_eq!(who.state(), State::Disconnected);
            format!("{} left", who.identity)
        }
        other => format!("{other:?}"),
    };
    events.iter().map(|event| what(&event.kind)).collect()
}

fn outputs(round: &mut RoomRound) -> Vec<RoomOutput> {
    std::iter::from_fn(|| round.poll_output()).collect()
}

#[test]
fn a_panic_in_the_middle_of_a_round_ends_the_room_with_a_word_to_everyone() {
    let now = Instant::now();
    let mut round = with_two(now);
    // The third one meets a fault; what came before it stands, what follows is for another room.
    let question = RoomInput::Ask { ticket: Ticket(1), question: Question::Room };
    round.take(now + Duration::from_secs(1), UNIX_MS, [join(3, "carl"), question], &mut |_| panic!("a fault"));
    assert!(round.is_over());
    let outputs = outputs(&mut round);
    assert_eq!(events(&outputs), ["started", "ann joined", "ann left", "finished"]);
    for number in [1, 2] {
        let told: Vec<_> = outputs
            .iter()
            .filter_map(|output| match output {
                RoomOutput::Send { socket, outgoing } if socket.0 == number => Some(outgoing),
                _ => None,
            })
            .collect();
        let [.., Outgoing::Message(last), Outgoing::Close] = told[..] else { panic!("{told:?}") };
        assert!(matches!(last.message(), Some(Message::Leave(leave)) if leave.action() == Action::Reconnect));
    }
    let closed = outputs.iter().filter(|output| {
        matches!(output, RoomOutput::Media(MediaCommand::Transport { command: TransportCommand::Close, .. }))
    });
    assert_eq!((closed.count(), round.core().member_count()), (4, 0));
    assert!(outputs.iter().any(|output| matches!(output, RoomOutput::Note(Note::Failed(Failure::Panic)))));
    assert!(!outputs.iter().any(|output| matches!(output, RoomOutput::Answer { .. })));
    assert!(matches!(outputs.last(), Some(RoomOutput::Over)));

    round.take(now, UNIX_MS, [join(4, "dora")], &mut seat);
    assert!(round.poll_output().is_none(), "nothing follows");
}

#[test]
fn a_panic_while_a_room_is_abandoned_loses_no_event() {
    let now = Instant::now();
    let mut round = with_two(now);
    round.abandon_by(now, Failure::Panic, |_, _| panic!("a fault in the last words"));
    assert!(round.is_over());
    let outputs = outputs(&mut round);
    assert_eq!(events(&outputs), ["started", "ann joined", "ann left", "finished"]);
    assert!(matches!(outputs.last(), Some(RoomOutput::Over)));
}

#[test]
fn a_room_that_ends_well_tells_its_story_in_order() {
    let now = Instant::now();
    let mut round = with_two(now);
    round.take(now, UNIX_MS, [RoomInput::Shutdown, join(3, "carl")], &mut seat);
    let outputs = outputs(&mut round);
    let events: Vec<_> =
        events(&outputs).into_iter().map(|event| event.split('(').next().unwrap().to_owned()).collect();
    assert_eq!(events, ["started", "ann joined", "ann left", "ConnectionAborted", "finished"]);
    assert!(matches!(outputs.last(), Some(RoomOutput::Over)));
}
