//! What a client asks, and what follows by itself.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_room::{Notice, TrackNumber};
use tutti_signal::{Frame, Mode, Output};

use crate::stage::{WALL_MS, accepted, ask, drain, joined, said, start};

#[test]
fn both_pings_are_answered() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    assert!(matches!(said(&ask(&mut session, Ask::Ping(5))).as_slice(), [Message::Pong(WALL_MS)]));
    let ping = proto::Ping { timestamp: 42, rtt: 3 };
    let answer = said(&ask(&mut session, Ask::PingReq(ping)));
    let [Message::PongResp(pong)] = answer.as_slice() else { panic!("{answer:?}") };
    assert_eq!((pong.last_ping_timestamp, pong.timestamp), (42, WALL_MS));
}

#[test]
fn candidates_wait_for_the_description_and_bad_ones_are_ignored() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    for init in ["", "{", "{}", r#"{"candidate":""}"#, r#"{"candidate":7}"#] {
        let trickle = proto::TrickleRequest { candidate_init: init.into(), ..Default::default() };
        assert!(ask(&mut session, Ask::Trickle(trickle)).is_empty(), "{init}");
    }
    let init = r#"{"candidate":"candidate:1 1 udp 1 127.0.0.1 9 typ host","sdpMid":"0","sdpMLineIndex":0}"#;
    let trickle = proto::TrickleRequest { candidate_init: init.into(), ..Default::default() };
    assert!(ask(&mut session, Ask::Trickle(trickle)).is_empty(), "nothing before the offer");
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
#[expect(deprecated, reason = "older clients read the layers beside the codecs")]
fn values_of_newer_clients_do_not_silence_json() {
    let newer = 99;
    let layer = proto::VideoLayer { quality: newer, ..Default::default() };
    let track = proto::TrackInfo {
        sid: "TR_x".into(),
        encryption: newer,
        backup_codec_policy: newer,
        audio_features: vec![newer, proto::AudioTrackFeature::TfStereo as i32],
        packet_trailer_features: vec![newer],
        layers: vec![layer.clone()],
        codecs: vec![proto::SimulcastCodecInfo { layers: vec![layer.clone()], ..Default::default() }],
        ..Default::default()
    };
    let data_track = proto::DataTrackInfo { sid: "DTR_x".into(), encryption: newer, ..Default::default() };
    let other = proto::ParticipantInfo {
        sid: "PA_x".into(),
        identity: "x".into(),
        tracks: vec![track.clone()],
        data_tracks: vec![data_track.clone()],
        capabilities: vec![newer],
        ..Default::default()
    };
    let add = proto::AddTrackRequest { r#type: newer, source: newer, layers: vec![layer], ..Default::default() };
    let messages = [
        Message::Join(proto::JoinResponse { other_participants: vec![other.clone()], ..Default::default() }),
        Message::Update(proto::ParticipantUpdate { participants: vec![other] }),
        Message::TrackPublished(proto::TrackPublishedResponse { cid: "c".into(), track: Some(track) }),
        Message::PublishDataTrackResponse(proto::PublishDataTrackResponse { info: Some(data_track) }),
        Message::RequestResponse(proto::RequestResponse {
            request: Some(proto::request_response::Request::AddTrack(add)),
            ..Default::default()
        }),
    ];
    for message in messages {
        let frame = Frame::new(message.clone());
        let read: proto::SignalResponse = serde_json::from_str(&frame.json()).expect("JSON");
        assert!(read.message.is_some(), "{message:?} became {}", frame.json());
        if let Some(Message::TrackPublished(published)) = read.message {
            let track = published.track.expect("a track");
            assert_eq!(track.audio_features, [proto::AudioTrackFeature::TfStereo as i32], "what has a name stays");
        }
        let binary = proto::SignalResponse::decode(frame.binary()).expect("protobuf");
        assert_eq!(binary.message, Some(message), "protobuf has it all");
    }
}
