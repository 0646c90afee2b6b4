//! Who may have a member's tracks (`SubscriptionPermission`).

use livekit_protocol as proto;
use proto::TrackSource::{Camera, Microphone};
use proto::signal_response::Message;
use tutti_room::{MemberKey, Notice, Request};

use crate::stage::Stage;

fn allow(entries: &[(&str, &[&str])]) -> Request {
    let entry = |(identity, sids): &(&str, &[&str])| proto::TrackPermission {
        participant_identity: (*identity).to_owned(),
        all_tracks: sids.is_empty(),
        track_sids: sids.iter().map(|sid| (*sid).to_owned()).collect(),
        ..Default::default()
    };
    Request::SubscriptionPermission(proto::SubscriptionPermission {
        all_participants: false,
        track_permissions: entries.iter().map(entry).collect(),
    })
}

/// What a member was told: (track sid, allowed), then subscriptions begun and ended.
fn told(stage: &mut Stage, key: MemberKey) -> (Vec<(String, bool)>, usize, usize) {
    let (mut updates, mut begun, mut over) = (Vec::new(), 0, 0);
    for notice in stage.take(key) {
        match notice {
            Notice::Send(message) => {
                if let Message::SubscriptionPermissionUpdate(update) = *message {
                    updates.push((update.track_sid, update.allowed));
                }
            }
            Notice::Subscribe(_) => begun += 1,
            Notice::Unsubscribe(_) => over += 1,
            _ => {}
        }
    }
    (updates, begun, over)
}

#[test]
fn list_replaces_list() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let (camera, microphone) = (stage.publish(ada, Camera), stage.publish(ada, Microphone));
    let (bea, cai) = (stage.enter("bea"), stage.enter("cai"));
    let tape = stage.enter_as("tape", |joiner| joiner.kind = proto::participant_info::Kind::Egress);
    stage.clear();

    stage.handle(ada, allow(&[("bea", &[]), ("dan", &[&microphone.sid])]));
    assert_eq!(told(&mut stage, bea), (vec![], 0, 0));
    let (denied, begun, over) = told(&mut stage, cai);
    assert_eq!((denied.len(), begun, over), (2, 0, 2));
    assert!(denied.iter().all(|(_, allowed)| !allowed));
    assert_eq!(told(&mut stage, tape), (vec![], 0, 0), "recorders are exempt");

    // Named before it joined.
    let dan = stage.enter("dan");
    assert_eq!(told(&mut stage, dan), (vec![(camera.sid.clone(), false)], 1, 0));

    stage.handle(ada, allow(&[("cai", &[&camera.sid])]));
    assert_eq!(told(&mut stage, bea).2, 2);
    assert_eq!(told(&mut stage, cai), (vec![(camera.sid.clone(), true)], 1, 0));
    let open = proto::SubscriptionPermission { all_participants: true, ..Default::default() };
    stage.handle(ada, Request::SubscriptionPermission(open));
    assert_eq!(told(&mut stage, bea).1, 2);
    assert_eq!(told(&mut stage, cai), (vec![(microphone.sid.clone(), true)], 1, 0));
}

#[test]
fn new_tracks_follow_the_standing_list() {
    let mut stage = Stage::new();
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.handle(ada, allow(&[]));
    stage.clear();
    let camera = stage.publish(ada, Camera);
    assert_eq!(told(&mut stage, bea), (vec![(camera.sid.clone(), false)], 0, 0));
    // Asking again is answered again.
    let want = |subscribe| {
        Request::Subscription(proto::UpdateSubscription {
            track_sids: vec![camera.sid.clone()],
            subscribe,
            ..Default::default()
        })
    };
    stage.handle(bea, want(false));
    assert_eq!(told(&mut stage, bea), (vec![], 0, 0));
    stage.handle(bea, want(true));
    assert_eq!(told(&mut stage, bea), (vec![(camera.sid.clone(), false)], 0, 0));
}

#[test]
fn absurd_lists_are_refused() {
    let mut stage = Stage::with(|settings| settings.limits.track_permissions = 2);
    let (ada, bea) = (stage.enter("ada"), stage.enter("bea"));
    stage.publish(ada, Camera);
    stage.clear();
    stage.handle(ada, allow(&[("x", &[]), ("y", &[]), ("z", &[])]));
    assert_eq!(stage.responses(ada).len(), 1);
    assert_eq!(told(&mut stage, bea), (vec![], 0, 0));
}
