//! What a client asks, and what follows by itself.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_room::{Notice, TrackNumber};
use tutti_signal::{Mode, Output};

use crate::stage::{WALL_MS, accepted, ask, drain, joined, said, start};

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
fn tokens_are_refreshed_every_five_minutes() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let due = session.poll_timeout().expect("a deadline");
    assert_eq!(due, now + Duration::from_secs(300));
    session.handle_timeout(due);
    assert!(matches!(drain(&mut session).as_slice(), [Output::RefreshToken]));
}

#[test]
fn a_change_of_rights_brings_a_fresh_token() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let permission = proto::ParticipantPermission { can_subscribe: true, ..Default::default() };
    let info = proto::ParticipantInfo { sid: "PA_me".into(), permission: Some(permission), ..Default::default() };
    let later = now + Duration::from_secs(60);
    session.handle_notice(later, Notice::IdentityChanged(Box::new(info)));
    assert!(matches!(drain(&mut session).as_slice(), [Output::RefreshToken]));
    assert_eq!(session.poll_timeout(), Some(later + Duration::from_secs(300)), "the next one is that much later");
}

#[test]
fn every_accepted_request_is_answered() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    for _ in 0..2 {
        session.handle_notice(now, accepted("cid"));
        let told = said(&drain(&mut session));
        let [Message::TrackPublished(published)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(published.cid, "cid");
        assert_eq!(published.track.as_ref().map(|track| track.sid.as_str()), Some("TR_AMown"));
    }
    // The room takes it away; nothing is left of it for a section that comes late.
    session.handle_notice(now, Notice::TrackRemoved { track: TrackNumber(1), sid: "TR_AMown".into() });
    assert!(said(&drain(&mut session)).is_empty());
}

#[test]
fn blobs_are_refused_by_their_request() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let request = proto::StoreDataBlobRequest { request_id: 7, ..Default::default() };
    let told = said(&ask(&mut session, now, Ask::StoreDataBlobRequest(request)));
    assert!(matches!(told.as_slice(), [Message::RequestResponse(refusal)]
            if refusal.request_id == 7 && refusal.reason() == proto::request_response::Reason::NotAllowed));
}
