//! Each value that ends a client's process is seen, and what a server ought to say passes.

use proto::TrackType::{Audio, Data, Video};

use super::*;

const SECTION: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n";

fn participant(sid: &str, tracks: Vec<proto::TrackInfo>) -> proto::ParticipantInfo {
    proto::ParticipantInfo { sid: sid.into(), identity: "ada".into(), tracks, ..Default::default() }
}

fn track(sid: &str, kind: proto::TrackType) -> proto::TrackInfo {
    proto::TrackInfo { sid: sid.into(), r#type: kind.into(), ..Default::default() }
}

fn update(sid: &str, tracks: Vec<proto::TrackInfo>) -> Response {
    Response::Update(proto::ParticipantUpdate { participants: vec![participant(sid, tracks)] })
}

fn server_info(version: &str) -> Option<proto::ServerInfo> {
    Some(proto::ServerInfo { version: version.into(), ..Default::default() })
}

fn join(change: impl FnOnce(&mut proto::JoinResponse)) -> Response {
    let mut join = proto::JoinResponse {
        room: Some(proto::Room::default()),
        participant: Some(participant("PA_me", Vec::new())),
        server_info: server_info("1.9.0"),
        ping_interval: 5,
        ..Default::default()
    };
    change(&mut join);
    Response::Join(join)
}

fn reconnect(version: &str) -> Response {
    Response::Reconnect(proto::ReconnectResponse { server_info: server_info(version), ..Default::default() })
}

/// A description of one audio section, with these `a=msid` values and the track id for it.
fn description(kind: &str, msids: &[&str], sid: Option<&str>) -> proto::SessionDescription {
    let msids: String = msids.iter().map(|msid| format!("a=msid:{msid}\r\n")).collect();
    proto::SessionDescription {
        r#type: kind.into(),
        sdp: format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{SECTION}{msids}"),
        id: 1,
        mid_to_track_id: sid.map(|sid| ("0".to_owned(), sid.to_owned())).into_iter().collect(),
    }
}

fn offer(msid: &str, sid: &str) -> Response {
    Response::Offer(description("offer", &[msid], Some(sid)))
}

fn trickle(init: &str) -> Response {
    Response::Trickle(proto::TrickleRequest { candidate_init: init.into(), ..Default::default() })
}

fn speaker(sid: &str, level: f32) -> Response {
    let speaker = proto::SpeakerInfo { sid: sid.into(), level, active: true };
    Response::SpeakersChanged(proto::SpeakersChanged { speakers: vec![speaker] })
}

fn quality(sid: &str) -> Response {
    let update = proto::ConnectionQualityInfo { participant_sid: sid.into(), ..Default::default() };
    Response::ConnectionQuality(proto::ConnectionQualityUpdate { updates: vec![update] })
}

fn published(track: Option<proto::TrackInfo>) -> Response {
    Response::TrackPublished(proto::TrackPublishedResponse { cid: "c".into(), track })
}

fn subscribed(sid: &str) -> Response {
    Response::TrackSubscribed(proto::TrackSubscribed { track_sid: sid.into() })
}

/// Knows an audio track and a video track of `PA_ada`.
fn acquainted() -> Strict {
    let mut strict = Strict::default();
    let known = update("PA_ada", vec![track("TR_audio", Audio), track("TR_video", Video)]);
    strict.check(&known).expect("a harmless message");
    strict
}

#[test]
fn every_value_that_ends_a_client_is_seen() {
    let good = r#"{"candidate":"candidate:1 1 udp 1 127.0.0.1 9 typ host","sdpMid":"0","sdpMLineIndex":0}"#;
    let cases = [
        (join(|join| join.room = None), "join without room or participant"),
        (join(|join| join.participant = None), "join without room or participant"),
        (join(|join| join.ping_interval = 0), "ping interval of zero"),
        (join(|join| join.server_info = None), "server without version"),
        (join(|join| join.server_info = server_info("")), "server version that is no semver"),
        (join(|join| join.server_info = server_info("1.8")), "server version that is no semver"),
        (join(|join| join.server_info = server_info("v1.8.0")), "server version that is no semver"),
        (join(|join| join.server_info = server_info("1.08.0")), "server version that is no semver"),
        (join(|join| join.server_info = server_info("1.7.9")), "server version before 1.8.0"),
        (reconnect("?"), "server version that is no semver"),
        (join(|join| join.other_participants = vec![participant("x", Vec::new())]), "participant sid without PA_"),
        (update("", Vec::new()), "participant sid without PA_"),
        (update("PA_x", vec![track("VC_x", Video)]), "track sid without TR_"),
        (update("PA_x", vec![track("TR_x", Data)]), "media track of type DATA"),
        (published(None), "publication without its track"),
        (published(Some(track("x", Audio))), "track sid without TR_"),
        (subscribed("x"), "track sid without TR_"),
        (Response::RoomUpdate(proto::RoomUpdate::default()), "room update without its room"),
        (Response::RoomMoved(proto::RoomMovedResponse::default()), "move without room or participant"),
        (speaker("x", 0.5), "participant sid without PA_"),
        (speaker("PA_x", f32::NAN), "speaker level that is no number"),
        (speaker("PA_x", f32::INFINITY), "speaker level that is no number"),
        (quality("x"), "participant sid without PA_"),
        (trickle(""), "candidate that cannot be read"),
        (trickle("{}"), "candidate that cannot be read"),
        (trickle(&good.replace("candidate:", "")), "candidate that cannot be read"),
        (trickle(&good.replace(r#","sdpMid":"0""#, "")), "candidate that cannot be read"),
        (trickle(&good.replace(r#","sdpMLineIndex":0"#, "")), "candidate that cannot be read"),
        (Response::Offer(description("answer", &[], None)), "description of another type"),
        (Response::Answer(description("pranswer", &[], None)), "description of another type"),
        (
            Response::Answer(proto::SessionDescription { sdp: "nonsense".into(), ..description("answer", &[], None) }),
            "description that cannot be read",
        ),
        (
            Response::Offer(description("offer", &["PA_ada|TR_audio TR_audio"], None)),
            "section that sends without its track id, or the other way round",
        ),
        (
            Response::Offer(description("offer", &[], Some("TR_audio"))),
            "section that sends without its track id, or the other way round",
        ),
        (offer("PA_ada TR_audio", "TR_audio"), "stream id that is not of two parts"),
        (offer("PA_ada|camera|x TR_audio", "TR_audio"), "stream id that is not of two parts"),
        (offer("ada|TR_audio TR_audio", "TR_audio"), "participant sid without PA_"),
        (offer("PA_ada|camera audio", "audio"), "track sid without TR_"),
        (offer("PA_ada|TR_audio TR_audio", "TR_video"), "section with two track ids"),
        (offer("PA_ada|TR_video TR_audio", "TR_audio"), "section with two track ids"),
        (offer("PA_ada|TR_other TR_other", "TR_other"), "media before its track"),
        (offer("PA_ada|TR_video TR_video", "TR_video"), "section of another kind than its track"),
    ];
    for (message, rule) in cases {
        match acquainted().check(&message) {
            Err(ClientError::Protocol(found)) => assert_eq!(found, rule, "{message:?}"),
            other => panic!("{other:?}: {message:?}"),
        }
    }
    for message in [
        join(|_| {}),
        join(|join| join.server_info = server_info("1.8.0")),
        join(|join| join.server_info = server_info("2.0.0")),
        reconnect("1.9.0"),
        update("PA_ada", vec![track("TR_more", Audio)]),
        published(Some(track("TR_x", Video))),
        subscribed("TR_x"),
        Response::RoomUpdate(proto::RoomUpdate { room: Some(proto::Room::default()) }),
        speaker("PA_x", 0.0),
        quality("PA_x"),
        trickle(good),
        Response::Answer(description("answer", &[], None)),
        offer("PA_ada|TR_audio TR_audio", "TR_audio"),
        offer("PA_ada|microphone TR_audio", "TR_audio"),
        Response::Leave(proto::LeaveRequest::default()),
    ] {
        acquainted().check(&message).unwrap_or_else(|error| panic!("{error}: {message:?}"));
    }
}
