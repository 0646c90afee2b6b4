//! What some client could not bear to be told: the Rust SDK panics, and the Python or Node process with it
//! (docs/compatibility.md#what-is-never-said). Shared by the tests of rooms and dialogues and by the fuzz targets.

use livekit_protocol as proto;
use proto::signal_response::Message;
use tutti_sdp::SessionDescription;

/// Panics at a message that the strictest client would panic at.
pub fn message(message: &Message) {
    match message {
        Message::Join(join) => {
            assert!(join.room.is_some() && join.ping_interval > 0);
            participant(join.participant.as_ref().expect("a join with its participant"));
            join.other_participants.iter().for_each(participant);
            server(join.server_info.as_ref());
        }
        Message::Reconnect(reconnect) => server(reconnect.server_info.as_ref()),
        Message::Offer(offer) => description("offer", offer),
        Message::Answer(answer) => description("answer", answer),
        Message::TrackPublished(published) => track(published.track.as_ref().expect("a publication with its track")),
        Message::Update(update) => update.participants.iter().for_each(participant),
        Message::SpeakersChanged(changed) => {
            for speaker in &changed.speakers {
                assert!(speaker.sid.starts_with("PA_"), "{speaker:?}");
                assert!((0.0..=1.0).contains(&speaker.level), "{speaker:?}");
            }
        }
        Message::ConnectionQuality(quality) => {
            for update in &quality.updates {
                assert!(update.participant_sid.starts_with("PA_") && update.score.is_finite(), "{update:?}");
            }
        }
        Message::RoomUpdate(update) => {
            let room = update.room.as_ref().expect("a room update with its room");
            assert!(room.sid.starts_with("RM_"), "{room:?}");
        }
        Message::TrackSubscribed(subscribed) => assert!(subscribed.track_sid.starts_with("TR_"), "{subscribed:?}"),
        // Candidates stand in the descriptions: no candidate can be malformed or come too early.
        Message::Trickle(trickle) => panic!("{trickle:?}"),
        _ => {}
    }
}

/// Panics at a participant that the strictest client would panic at.
pub fn participant(info: &proto::ParticipantInfo) {
    assert!(info.sid.starts_with("PA_") && !info.identity.is_empty(), "{info:?}");
    info.tracks.iter().for_each(track);
    assert!(info.data_tracks.iter().all(|track| track.sid.starts_with("DTR_")), "{info:?}");
}

/// Panics at a track that the strictest client would panic at.
pub fn track(info: &proto::TrackInfo) {
    assert!(info.sid.starts_with("TR_") && info.r#type != proto::TrackType::Data as i32, "{info:?}");
}

fn server(info: Option<&proto::ServerInfo>) {
    let version = &info.expect("server info").version;
    assert!(version.split('.').map(str::parse::<u32>).all(|number| number.is_ok()), "{version}");
}

fn description(kind: &str, description: &proto::SessionDescription) {
    assert_eq!(description.r#type, kind);
    let parsed = SessionDescription::parse(&description.sdp).expect("a description that can be read");
    for section in &parsed.media {
        // A section that the client did not name is named by its stream alone.
        let Some(mid) = section.mid.as_deref() else { continue };
        let sid = description.mid_to_track_id.get(mid);
        assert_eq!(sid.is_some(), !section.msids.is_empty(), "every section that sends is named: {mid}");
        for msid in &section.msids {
            let parts: Vec<_> = msid.stream.split('|').collect();
            assert!(parts.len() == 2 && parts[0].starts_with("PA_") && msid.track.starts_with("TR_"));
            assert_eq!(sid, Some(&msid.track));
        }
    }
}
