//! Participant updates and room updates: when, to whom, how large.

use livekit_protocol as proto;
use proto::TrackSource;
use proto::signal_response::Message;
use tutti_room::{AdminRequest, MemberKey, Request};

use crate::stage::{Stage, millis, secs};

fn room_updates(stage: &mut Stage, key: MemberKey) -> Vec<proto::Room> {
    let messages = stage.messages(key).into_iter();
    messages.filter_map(|message| if let Message::RoomUpdate(update) = message { update.room } else { None }).collect()
}

#[test]
fn viewers_wait_for_the_batch_and_publishers_do_not() {
    let mut stage = Stage::with(|settings| settings.update_burst_messages = 1);
    let ada = stage.enter("ada");
    stage.advance(secs(10));
    stage.clear();
    stage.enter("bea");
    let cai = stage.enter("cai");
    assert_eq!(stage.updates(ada).len(), 1, "the first of a quiet time is told at once");
    stage.advance(millis(2999));
    assert!(stage.updates(ada).is_empty());
    stage.advance(millis(1));
    let mut batch: Vec<_> = stage.updates(ada).into_iter().map(|info| info.identity).collect();
    batch.sort();
    assert_eq!(batch, ["bea", "cai"]);

    stage.join("dan");
    let eve = stage.join("eve");
    stage.clear();
    stage.publish(eve, TrackSource::Camera);
    let seen: Vec<_> = stage.updates(ada).into_iter().map(|info| (info.identity, info.tracks.len())).collect();
    assert_eq!(seen, [("eve".to_owned(), 1)], "a publisher is told at once, and only it");
    stage.advance(secs(3));
    let seen: Vec<_> = stage.updates(ada).into_iter().map(|info| info.identity).collect();
    assert_eq!(seen, ["dan"], "and not again");
    stage.handle(cai, Request::Active);
}

#[test]
fn small_rooms_do_not_wait() {
    // Two changes for each of four guests, to as many members as there are then: 2 * (2 + 3 + 4 + 5).
    let mut stage = Stage::with(|settings| settings.update_burst_messages = 28);
    let ada = stage.enter("ada");
    stage.advance(secs(10));
    stage.clear();
    for n in 0..4 {
        stage.enter(&format!("guest {n}"));
        let seen: Vec<_> = stage.updates(ada).iter().map(proto::ParticipantInfo::state).collect();
        assert_eq!(seen, [proto::participant_info::State::Joined, proto::participant_info::State::Active]);
    }
    stage.enter("one too many");
    assert!(stage.updates(ada).is_empty());
    stage.advance(secs(3));
    assert_eq!(stage.updates(ada).len(), 1);
    stage.advance(secs(3));
    stage.enter("later");
    assert_eq!(stage.updates(ada).len(), 2);
}

#[test]
fn every_update_lists_every_track_with_a_higher_version() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.advance(secs(3));
    let mut version = stage.info(ada).version;
    stage.clear();
    let mut expected = Vec::new();
    for source in [TrackSource::Camera, TrackSource::Microphone, TrackSource::ScreenShare] {
        expected.push(stage.publish(ada, source).sid);
        let updates = stage.updates(bea);
        assert_eq!(updates.len(), 1);
        let sids: Vec<_> = updates[0].tracks.iter().map(|track| track.sid.clone()).collect();
        assert_eq!(sids, expected);
        assert!(updates[0].version > version && updates[0].is_publisher);
        version = updates[0].version;
    }
    assert!(stage.updates(ada).is_empty(), "the publisher is not told of its own tracks");
}

#[test]
fn large_batches_come_in_pieces() {
    let mut stage = Stage::with(|settings| {
        settings.update_batch_bytes_max = 10_000;
        settings.update_burst_messages = 1;
    });
    let ada = stage.enter("ada");
    stage.advance(secs(10));
    stage.enter("first");
    stage.clear();
    for n in 0..20 {
        stage.join_as(&format!("viewer {n}"), |joiner| joiner.metadata = "m".repeat(3000));
    }
    stage.clear();
    stage.advance(secs(3));
    let sizes: Vec<_> = stage
        .messages(ada)
        .into_iter()
        .filter_map(
            |message| if let Message::Update(update) = message { Some(update.participants.len()) } else { None },
        )
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), 21);
    assert!(sizes.iter().all(|size| *size <= 4) && sizes.len() >= 7, "{sizes:?}");
}

#[test]
fn room_updates_keep_their_distance() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    stage.advance(secs(10));
    stage.clear();
    stage.enter("bea");
    stage.enter("cai");
    stage.advance(millis(0));
    let first = room_updates(&mut stage, ada);
    assert_eq!(first.len(), 1);
    stage.enter("dan");
    stage.advance(millis(4999));
    assert!(room_updates(&mut stage, ada).is_empty());
    stage.advance(millis(1));
    let second = room_updates(&mut stage, ada);
    assert_eq!(second.iter().map(|room| room.num_participants).collect::<Vec<_>>(), [4]);
    let version = |room: &proto::Room| room.version.map(|version| (version.unix_micro, version.ticks));
    assert!(version(&second[0]) > version(&first[0]));
    stage.advance(secs(60));
    assert!(room_updates(&mut stage, ada).is_empty(), "nothing changed");
}

#[test]
fn metadata_and_recording_are_told_at_once() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    stage.admin(AdminRequest::UpdateMetadata("topic".into())).unwrap();
    assert_eq!(room_updates(&mut stage, ada).last().map(|room| room.metadata.clone()), Some("topic".to_owned()));
    let tape = stage.enter_as("tape", |joiner| {
        joiner.permission.hidden = true;
        joiner.kind = proto::participant_info::Kind::Egress;
    });
    let update = room_updates(&mut stage, ada).pop().unwrap();
    assert_eq!((update.active_recording, update.num_participants), (true, 1));
    stage.handle(tape, Request::Leave(proto::DisconnectReason::ClientInitiated));
    assert!(!room_updates(&mut stage, ada).pop().unwrap().active_recording);
    let long = "x".repeat(512 * 1024 + 1);
    assert!(stage.admin(AdminRequest::UpdateMetadata(long)).is_err());
    assert_eq!(stage.room.info().metadata, "topic");
}
