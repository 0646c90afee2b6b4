//! How long a room lives.

use livekit_protocol as proto;
use proto::DisconnectReason;
use proto::leave_request::Action;
use proto::participant_info::Kind;
use tutti_room::{AdminError, AdminReply, AdminRequest, JoinError, Notice, Request};

use crate::stage::{Stage, joiner, secs};

const LEFT: Request = Request::Leave(DisconnectReason::ClientInitiated);

#[test]
fn nobody_came() {
    let mut stage = Stage::new();
    stage.advance(secs(299));
    assert!(!stage.closed);
    stage.advance(secs(1));
    assert!(stage.closed && stage.room.is_closed());
    assert_eq!(stage.room.poll_timeout(), None);
    assert_eq!(stage.try_join(joiner("late")), Err(JoinError::Closed));
    assert_eq!(stage.admin(AdminRequest::Close), Err(AdminError::Closed));
}

#[test]
fn everybody_left() {
    let mut stage = Stage::new();
    stage.advance(secs(250));
    let ada = stage.enter("ada");
    stage.advance(secs(1000));
    stage.handle(ada, LEFT);
    stage.advance(secs(19));
    let again = stage.enter("ada");
    stage.advance(secs(100));
    assert!(!stage.closed);
    stage.handle(again, LEFT);
    stage.advance(secs(20));
    assert!(stage.closed);
}

#[test]
fn agents_and_recorders_keep_no_room_open() {
    let mut stage = Stage::new();
    let agent = stage.enter_as("agent", |joiner| joiner.kind = Kind::Agent);
    stage.advance(secs(299));
    let ada = stage.enter("ada");
    stage.handle(ada, LEFT);
    stage.advance(secs(19));
    assert!(!stage.closed);
    stage.advance(secs(1));
    assert!(stage.closed);
    assert!(matches!(
        stage.take(agent).last(),
        Some(Notice::Leave { reason: DisconnectReason::RoomClosed, action: Action::Disconnect })
    ));

    let mut stage = Stage::new();
    stage.enter_as("tape", |joiner| joiner.kind = Kind::Egress);
    stage.advance(secs(300));
    assert!(stage.closed, "nobody who counts ever came");
}

#[test]
fn an_agent_that_leaves_later_does_not_start_the_clock_again() {
    let mut stage = Stage::new();
    let agent = stage.enter_as("agent", |joiner| joiner.kind = Kind::Agent);
    let ada = stage.enter("ada");
    stage.handle(ada, LEFT);
    stage.advance(secs(19));
    stage.handle(agent, LEFT);
    stage.advance(secs(1));
    assert!(stage.closed);
}

#[test]
fn closed_by_the_server_api_or_the_node() {
    for (request, reason, action) in [
        (AdminRequest::Close, DisconnectReason::RoomDeleted, Action::Disconnect),
        (AdminRequest::Shutdown, DisconnectReason::ServerShutdown, Action::Reconnect),
    ] {
        let mut stage = Stage::new();
        let members = ["ada", "bea", "cai"].map(|identity| stage.enter(identity));
        for member in members {
            stage.publish(member, proto::TrackSource::Camera);
            stage.publish(member, proto::TrackSource::Microphone);
        }
        stage.clear();
        assert!(matches!(stage.admin(request), Ok(AdminReply::Room(_))));
        assert!(stage.closed);
        for member in members {
            let told = stage.take(member);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(matches!(&told[0], Notice::Leave { reason: r, action: a } if *r == reason && *a == action));
        }
        assert_eq!(stage.events.len(), 9, "six tracks and three members ended");
        let census = stage.room.census();
        assert_eq!((census.members, census.tracks, census.subscriptions, census.deadlines), (0, 0, 0, 0));
        stage.handle(members[0], Request::Active);
        stage.advance(secs(1000));
    }
}
