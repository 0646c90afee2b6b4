//! Joining: what the newcomer gets, what the others see, who is refused.

use livekit_protocol as proto;
use proto::participant_info::{Kind, State};
use tutti_room::{BadText, JoinError, RoomEventKind};

use crate::stage::{Stage, WALL_MS, joiner, secs};

#[test]
fn newcomer_is_described_in_full() {
    let mut stage = Stage::new();
    stage.advance(secs(2));
    let ada = stage.join_as("ada", |joiner| {
        joiner.name = "Ada".into();
        joiner.metadata = "meta".into();
        joiner.attributes.insert("seat".into(), "1".into());
        joiner.kind_details = vec![proto::participant_info::KindDetail::Forwarded];
        joiner.client.capabilities = vec![1];
    });
    let info = stage.info(ada);
    assert!(info.sid.starts_with("PA_") && info.sid.len() == 15, "{}", info.sid);
    assert_eq!((info.identity.as_str(), info.name.as_str(), info.metadata.as_str()), ("ada", "Ada", "meta"));
    assert_eq!(info.attributes.get("seat").map(String::as_str), Some("1"));
    assert_eq!(info.state(), State::Joined);
    assert_eq!((info.joined_at, info.joined_at_ms), ((WALL_MS + 2000) / 1000, WALL_MS + 2000));
    assert!(info.permission.is_some() && info.version > 0);
    assert_eq!((info.client_protocol, info.capabilities.as_slice()), (1, &[1][..]));
    assert_eq!(info.kind_details, [1]);
    assert_eq!(stage.room.find("ada"), Some(ada));
    assert_eq!(stage.room.sid_of(ada), Some(info.sid.as_str()));

    let room = stage.room.info();
    assert!(room.sid.starts_with("RM_"));
    assert_eq!((room.creation_time, room.creation_time_ms), (WALL_MS / 1000, WALL_MS));
    assert_eq!((room.num_participants, room.num_publishers, room.active_recording), (1, 0, false));
    assert_eq!(room.enabled_codecs.first().map(|codec| codec.mime.as_str()), Some("video/VP8"));
}

#[test]
fn others_see_joined_then_active() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    stage.advance(secs(10));
    stage.clear();
    let bea = stage.join("bea");
    let seen = stage.updates(ada);
    assert_eq!(
        seen.iter().map(|info| (info.identity.as_str(), info.state())).collect::<Vec<_>>(),
        [("bea", State::Joined)]
    );
    stage.handle(bea, tutti_room::Request::Active);
    stage.advance(secs(3));
    let active: Vec<_> = stage.updates(ada).into_iter().filter(|info| info.identity == "bea").collect();
    assert_eq!(active.last().map(|info| info.state()), Some(State::Active));
    assert!(active.iter().all(|info| info.version > seen[0].version));
    assert!(matches!(&stage.events[..], [RoomEventKind::ParticipantJoined(info)] if info.identity == "bea"));
    // A second report changes nothing.
    stage.clear();
    stage.handle(bea, tutti_room::Request::Active);
    assert!(stage.events.is_empty());
}

#[test]
fn hidden_members_are_not_shown() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let spy = stage.enter_as("spy", |joiner| joiner.permission.hidden = true);
    stage.advance(secs(10));
    assert!(stage.updates(ada).iter().all(|info| info.identity != "spy"));
    assert!(stage.room.others(ada).is_empty());
    assert_eq!(stage.room.others(spy).len(), 1);
    stage.handle(spy, tutti_room::Request::Leave(proto::DisconnectReason::ClientInitiated));
    stage.advance(secs(10));
    assert!(stage.updates(ada).iter().all(|info| info.identity != "spy"));
}

#[test]
fn refusals_change_nothing() {
    let mut stage = Stage::with(|settings| {
        settings.max_participants = 2;
        settings.limits.metadata_bytes = 8;
        settings.limits.attributes_bytes = 8;
    });
    let long = "x".repeat(257);
    let too_long = |what, bytes_max| Err(JoinError::Text(BadText::TooLong { what, bytes_max }));
    let control = |what| Err(JoinError::Text(BadText::ControlCharacter { what }));
    let attributes = [("1234".to_owned(), "12345".to_owned())].into();
    let cases = [
        (joiner(""), Err(JoinError::IdentityEmpty)),
        (joiner(&long), too_long("identity", 256)),
        (tutti_room::Joiner { name: long, ..joiner("a") }, too_long("name", 256)),
        (tutti_room::Joiner { metadata: "123456789".into(), ..joiner("a") }, too_long("metadata", 8)),
        (tutti_room::Joiner { attributes, ..joiner("a") }, too_long("attributes", 8)),
        (joiner("a\nb"), control("identity")),
        (joiner("a\u{9b}31m"), control("identity")),
        (tutti_room::Joiner { name: "A\tB".into(), ..joiner("a") }, control("name")),
        (
            tutti_room::Joiner { attributes: [("a\nb".into(), "1".into())].into(), ..joiner("a") },
            control("attribute key"),
        ),
    ];
    for (joiner, refused) in cases {
        assert_eq!(stage.try_join(joiner), refused);
    }
    assert_eq!(stage.room.member_count(), 0);
}

#[test]
fn full_room_takes_dependents_and_rejoiners() {
    let mut stage = Stage::with(|settings| settings.max_participants = 2);
    stage.enter("ada");
    let bea = stage.enter("bea");
    assert_eq!(stage.try_join(joiner("cai")), Err(JoinError::Full { max: 2 }));
    stage.join_as("helper", |joiner| joiner.kind = Kind::Agent);
    stage.join_as("tape", |joiner| joiner.kind = Kind::Egress);
    assert_ne!(stage.join("bea"), bea);
    assert_eq!(stage.try_join(joiner("cai")), Err(JoinError::Full { max: 2 }));
    assert_eq!(stage.room.info().num_participants, 2);
    assert!(stage.room.info().active_recording);
}

#[test]
fn newest_session_of_an_identity_wins() {
    let mut stage = Stage::new();
    let new = stage.enter("new client");
    let old = stage.enter_as("old client", |joiner| joiner.client.protocol = 11);
    let ada = stage.enter("ada");
    stage.publish(ada, proto::TrackSource::Camera);
    stage.advance(secs(10));
    stage.clear();
    let first_sid = stage.sid(ada);
    let again = stage.join("ada");
    let told = stage.take(ada);
    assert!(
        matches!(
            told.last(),
            Some(tutti_room::Notice::Leave {
                reason: proto::DisconnectReason::DuplicateIdentity,
                action: proto::leave_request::Action::Disconnect
            })
        ),
        "{told:?}"
    );
    assert_eq!(stage.room.find("ada"), Some(again));
    let second_sid = stage.sid(again);
    let seen = |infos: Vec<proto::ParticipantInfo>| -> Vec<_> {
        infos.into_iter().map(|info| (info.sid.clone(), info.state())).collect()
    };
    // A client that knows identities hears only of the new session, at once; an older one hears of the end, too.
    assert_eq!(seen(stage.updates(new)), [(second_sid.clone(), State::Joined)]);
    let first = (first_sid, State::Disconnected);
    assert_eq!(seen(stage.updates(old)), [first, (second_sid, State::Joined)]);
    assert_eq!(stage.room.census().tracks, 0);
}

#[test]
fn many_reconnecting_viewers_are_collected() {
    let mut stage = Stage::new();
    let new = stage.enter("new client");
    let old = stage.enter_as("old client", |joiner| joiner.client.protocol = 11);
    for n in 0..50 {
        stage.enter(&format!("viewer {n}"));
    }
    stage.advance(secs(10));
    stage.clear();
    for n in 0..50 {
        stage.join(&format!("viewer {n}"));
    }
    stage.advance(secs(3));
    for (key, ends) in [(new, 0), (old, 50)] {
        let updates = stage.updates(key);
        let (gone, here): (Vec<_>, Vec<_>) = updates.iter().partition(|info| info.state() == State::Disconnected);
        assert_eq!((gone.len(), here.len()), (ends, 50));
        for info in gone {
            let at = |sid: &str| updates.iter().position(|info| info.sid == sid);
            let again = here.iter().find(|it| it.identity == info.identity).unwrap();
            assert!(at(&info.sid) < at(&again.sid), "the end of the old session comes first");
        }
    }
}

#[test]
fn two_thousand_join_in_batches() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    stage.publish(ada, proto::TrackSource::Microphone);
    for n in 0..2000 {
        let key = stage.join(&format!("viewer {n}"));
        stage.handle(key, tutti_room::Request::Active);
    }
    stage.clear();
    stage.advance(secs(3));
    let batches = stage.messages(ada);
    let sizes: Vec<_> = batches
        .iter()
        .filter_map(|message| match message {
            proto::signal_response::Message::Update(update) => Some(update.participants.len()),
            _ => None,
        })
        .collect();
    assert!(sizes.iter().sum::<usize>() >= 1950 && sizes.len() < 20, "{sizes:?}");
    assert_eq!(stage.room.census().subscriptions, 2000);
    assert_eq!(stage.room.info().num_participants, 2001);
}
