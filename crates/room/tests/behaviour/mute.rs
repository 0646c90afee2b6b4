//! Muting: by the client, by the server API.

use livekit_protocol as proto;
use proto::TrackSource::{Camera, Microphone};
use proto::signal_response::Message;
use tutti_room::{AdminError, AdminReply, AdminRequest, Notice, Request};

use crate::stage::Stage;

fn mute(sid: &str, muted: bool) -> Request {
    Request::Mute(proto::MuteTrackRequest { sid: sid.into(), muted })
}

fn admin_mute(sid: &str, muted: bool) -> AdminRequest {
    AdminRequest::MuteTrack { identity: "ada".into(), track_sid: sid.into(), muted }
}

#[test]
fn others_and_the_media_plane_hear_of_it() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let camera = stage.publish(ada, Camera);
    for muted in [true, false] {
        stage.clear();
        stage.handle(ada, mute(&camera.sid, muted));
        assert_eq!(stage.updates(bea).iter().map(|info| info.tracks[0].muted).collect::<Vec<_>>(), [muted]);
        let told = stage.take(ada);
        assert!(
            matches!(told.as_slice(), [Notice::TrackMuted { track, muted: m }] if *track == camera.number && *m == muted),
            "no update for the publisher: {told:?}"
        );
        stage.handle(ada, mute(&camera.sid, muted));
        assert!(stage.take(bea).is_empty(), "nothing changed");
    }
    stage.handle(bea, mute(&camera.sid, true));
    assert_eq!(stage.responses(bea).len(), 1, "not its track");
}

#[test]
fn muted_before_it_is_visible() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let request = proto::AddTrackRequest { muted: true, ..stage.track_request(Microphone) };
    let track = stage.add_track(ada, request).unwrap();
    stage.clear();
    stage.handle(ada, mute(&track.sid, false));
    stage.handle(ada, mute(&track.sid, true));
    assert!(stage.take(bea).is_empty());
    stage.negotiate(ada, track.number, "0", "audio/opus");
    let told = stage.take(bea);
    assert!(
        matches!(told.last(), Some(Notice::Subscribe(subscribe)) if subscribe.info.muted),
        "muted tracks are subscribed to"
    );
}

#[test]
fn by_the_server_api() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    let camera = stage.publish(ada, Camera);
    stage.clear();
    let Ok(AdminReply::Track(track)) = stage.admin(admin_mute(&camera.sid, true)) else { panic!() };
    assert!(track.muted);
    let told = stage.messages(ada);
    assert!(matches!(told.as_slice(), [Message::Mute(mute)] if mute.sid == camera.sid && mute.muted), "{told:?}");
    assert_eq!(stage.updates(bea).len(), 1);
    assert_eq!(stage.admin(admin_mute(&camera.sid, false)), Err(AdminError::UnmuteDisabled));
    assert!(matches!(stage.admin(admin_mute("TR_none", true)), Err(AdminError::NoSuchTrack { .. })));

    let mut stage = Stage::with(|settings| settings.remote_unmute = true);
    let ada = stage.enter("ada");
    let camera = stage.publish(ada, Camera);
    stage.admin(admin_mute(&camera.sid, true)).unwrap();
    let Ok(AdminReply::Track(track)) = stage.admin(admin_mute(&camera.sid, false)) else { panic!() };
    assert!(!track.muted);
}
