//! Publishing: from the request to the visible track and its end.

use livekit_protocol as proto;
use proto::TrackSource::{self, Camera, Microphone, ScreenShare};
use proto::request_response::Reason;
use proto::signal_response::Message;
use tutti_room::{Notice, Request, RoomEventKind};

use crate::stage::Stage;

fn reasons(stage: &mut Stage, key: tutti_room::MemberKey) -> Vec<Reason> {
    stage.responses(key).iter().map(proto::RequestResponse::reason).collect()
}

#[test]
fn accepted_then_negotiated_then_visible() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.advance(crate::stage::secs(10));
    stage.clear();
    let request = stage.track_request(Camera);
    stage.handle(ada, Request::AddTrack(request.clone()));
    let told = stage.take(ada);
    let [Notice::TrackAccepted { track, cid, info, request: echoed }] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((cid, echoed.as_ref()), (&request.cid, &request));
    assert!(info.sid.starts_with("TR_VC"), "{}", info.sid);
    assert_eq!((info.mime_type.as_str(), info.stream.as_str(), info.width), ("video/VP8", "camera", 1280));
    assert_eq!(info.codecs.len(), 1);
    assert!(stage.info(ada).tracks.is_empty() && stage.updates(bea).is_empty(), "not yet visible");

    stage.negotiate(ada, *track, "3", "video/H264");
    let tracks = stage.info(ada).tracks;
    assert_eq!((tracks[0].mid.as_str(), tracks[0].mime_type.as_str()), ("3", "video/H264"));
    assert_eq!(tracks[0].codecs[0].mime_type, "video/H264");
    // The update comes before the subscription that it is needed for.
    let told = stage.take(bea);
    let kinds: Vec<_> = told
        .iter()
        .map(|notice| match notice {
            Notice::Send(message) => match message.as_ref() {
                Message::Update(_) => "update",
                Message::ConnectionQuality(_) => "quality",
                other => panic!("{other:?}"),
            },
            Notice::Subscribe(subscribe) => {
                assert_eq!((subscribe.publisher, &subscribe.info), (ada, &tracks[0]));
                "subscribe"
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["update", "subscribe", "quality"]);
    assert!(matches!(&stage.events[..], [RoomEventKind::TrackPublished { participant, track }]
        if participant.identity == "ada" && track.sid == tracks[0].sid));
    assert_eq!(stage.room.info().num_publishers, 1);

    // The same section negotiated again changes nothing.
    stage.clear();
    stage.negotiate(ada, *track, "3", "video/H264");
    assert!(stage.take(bea).is_empty() && stage.events.is_empty());
}

#[test]
fn refusals_echo_the_request() {
    let mut stage = Stage::new();
    let ada = stage.enter_as("ada", |joiner| joiner.permission.can_publish_sources = vec![Microphone as i32]);
    let bea = stage.enter("bea");
    stage.clear();
    let camera = stage.track_request(Camera);
    let data = proto::AddTrackRequest { r#type: proto::TrackType::Data as i32, ..camera.clone() };
    let strange = proto::AddTrackRequest { r#type: 99, ..camera.clone() };
    let missing = proto::AddTrackRequest { sid: "TR_missing".into(), ..camera.clone() };
    for (member, request, reason) in [
        (ada, camera, Reason::NotAllowed),
        (bea, data, Reason::UnsupportedType),
        (bea, strange, Reason::UnsupportedType),
        (bea, missing, Reason::NotFound),
    ] {
        stage.handle(member, Request::AddTrack(request.clone()));
        let responses = stage.responses(member);
        let [response] = responses.as_slice() else { panic!("{responses:?}") };
        assert_eq!((response.reason(), response.request_id), (reason, 0));
        assert_eq!(response.request, Some(proto::request_response::Request::AddTrack(request)));
    }
    let microphone = stage.track_request(Microphone);
    assert!(stage.add_track(ada, microphone).is_some());
    assert_eq!(stage.room.census().tracks, 1);
}

#[test]
fn pending_requests_are_limited_and_repeatable() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let first = stage.track_request(Camera);
    let accepted = stage.add_track(ada, first.clone()).unwrap();
    let again = stage.add_track(ada, first).unwrap();
    assert_eq!((accepted.number, accepted.sid), (again.number, again.sid), "the same answer again");
    for _ in 1..20 {
        let request = stage.track_request(Microphone);
        assert!(stage.add_track(ada, request).is_some());
    }
    stage.clear();
    let request = stage.track_request(Microphone);
    assert!(stage.add_track(ada, request.clone()).is_none());
    assert_eq!(reasons(&mut stage, ada), [Reason::LimitExceeded]);
    stage.negotiate(ada, accepted.number, "0", "video/VP8");
    assert!(stage.add_track(ada, request).is_some());
}

#[test]
fn client_id_in_use_is_queued_until_it_is_free() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let request = stage.track_request(Camera);
    let old = stage.add_track(ada, request.clone()).unwrap();
    stage.negotiate(ada, old.number, "0", "video/VP8");
    stage.clear();
    for _ in 0..4 {
        stage.handle(ada, Request::AddTrack(request.clone()));
    }
    assert_eq!(reasons(&mut stage, ada), [Reason::Queued, Reason::Queued, Reason::Queued, Reason::LimitExceeded]);
    stage.handle(ada, Request::Unpublish(old.number));
    let told = stage.take(ada);
    let accepted = told.iter().find_map(|notice| match notice {
        Notice::TrackAccepted { track, info, .. } => Some((*track, info.sid.clone())),
        _ => None,
    });
    let (number, sid) = accepted.unwrap();
    assert_ne!(sid, old.sid);
    let seen: Vec<_> = stage.updates(bea);
    assert_eq!(seen.last().map(|info| info.tracks.len()), Some(0));
    stage.negotiate(ada, number, "0", "video/VP8");
    assert_eq!(stage.updates(bea).last().map(|info| info.tracks[0].sid.clone()), Some(sid));
}

#[test]
fn unpublishing_ends_everything_of_the_track() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let camera = stage.publish(ada, Camera);
    let microphone = stage.publish(ada, Microphone);
    let subscription = stage.subscribes(bea).remove(0).subscription;
    stage.clear();
    stage.handle(bea, Request::Unpublish(camera.number));
    assert_eq!(stage.room.census().tracks, 2, "only the publisher can end its track");
    stage.handle(ada, Request::Unpublish(camera.number));
    let told = stage.take(bea);
    assert!(
        matches!(told.as_slice(), [Notice::Send(_), Notice::Unsubscribe(gone)] if *gone == subscription),
        "{told:?}"
    );
    assert!(matches!(&stage.events[..], [RoomEventKind::TrackUnpublished { participant, track }]
        if track.sid == camera.sid && participant.tracks.len() == 1 && participant.tracks[0].sid == microphone.sid));
    // A pending track ends silently.
    let request = stage.track_request(ScreenShare);
    let pending = stage.add_track(ada, request).unwrap();
    stage.clear();
    stage.handle(ada, Request::Unpublish(pending.number));
    assert!(stage.take(bea).is_empty() && stage.events.is_empty());
    assert_eq!(stage.room.census().tracks, 1);
}

#[test]
fn codec_that_is_not_enabled_is_substituted() {
    let mut stage = Stage::with(|settings| settings.codecs = vec!["video/H264".into(), "audio/opus".into()]);
    let ada = stage.enter("ada");
    let request = stage.track_request(Camera);
    stage.handle(ada, Request::AddTrack(request));
    let told = stage.take(ada);
    let mime = told.iter().find_map(|notice| match notice {
        Notice::TrackAccepted { info, .. } => Some(info.mime_type.clone()),
        _ => None,
    });
    assert_eq!(mime.as_deref(), Some("video/H264"));
}

#[test]
fn own_tracks_can_be_changed() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let (camera, microphone) = (stage.publish(ada, Camera), stage.publish(ada, Microphone));
    stage.clear();
    let stereo = proto::AudioTrackFeature::TfStereo as i32;
    let audio = proto::UpdateLocalAudioTrack { track_sid: microphone.sid.clone(), features: vec![stereo] };
    stage.handle(ada, Request::UpdateAudioTrack(audio.clone()));
    let video = proto::UpdateLocalVideoTrack { track_sid: camera.sid, width: 720, height: 1280 };
    stage.handle(ada, Request::UpdateVideoTrack(video.clone()));
    let updates = stage.updates(bea);
    assert_eq!(updates.len(), 2);
    let tracks = &updates[1].tracks;
    assert_eq!((tracks[0].width, tracks[0].height), (720, 1280));
    let low = &tracks[0].codecs[0].layers[0];
    assert_eq!((low.width, low.height), (180, 320), "layers turn with it");
    assert_eq!(tracks[1].audio_features, [stereo]);
    // Tracks of others, or of another kind, are not found.
    for (member, request) in [
        (bea, Request::UpdateAudioTrack(audio)),
        (bea, Request::UpdateVideoTrack(video)),
        (
            ada,
            Request::UpdateVideoTrack(proto::UpdateLocalVideoTrack { track_sid: microphone.sid, ..Default::default() }),
        ),
    ] {
        stage.handle(member, request);
        assert_eq!(reasons(&mut stage, member), [Reason::NotFound]);
    }
}

#[test]
fn tracks_of_one_member_are_limited() {
    let mut stage = Stage::with(|settings| settings.limits.tracks = 3);
    let ada = stage.enter("ada");
    for _ in 0..3 {
        stage.publish(ada, Camera);
    }
    let request = stage.track_request(TrackSource::Camera);
    assert!(stage.add_track(ada, request).is_none());
    assert_eq!(reasons(&mut stage, ada), [Reason::LimitExceeded]);
}
