//! Data packets: rights, routing, true senders, reliable sequences.

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::data_packet::Value;
use tutti_room::{AdminRequest, Delivery, MemberKey, Request};

use crate::stage::{Stage, secs};

fn text(payload: &str) -> proto::DataPacket {
    let user = proto::UserPacket { payload: payload.as_bytes().to_vec(), ..Default::default() };
    proto::DataPacket { value: Some(Value::User(user)), ..Default::default() }
}

fn send(stage: &mut Stage, from: MemberKey, delivery: Delivery, packet: &proto::DataPacket) {
    stage.handle(from, Request::Data { delivery, payload: Bytes::from(packet.encode_to_vec()) });
}

/// Who got what since the last look.
fn delivered(stage: &mut Stage) -> Vec<(Vec<MemberKey>, Delivery, proto::DataPacket)> {
    let data = std::mem::take(&mut stage.data).into_iter();
    data.map(|(to, delivery, payload)| (to, delivery, proto::DataPacket::decode(payload).unwrap())).collect()
}

#[test]
#[expect(deprecated, reason = "older clients use these fields")]
fn everyone_but_the_sender_with_its_true_name() {
    let mut stage = Stage::new();
    let [ada, bea, cai] = ["ada", "bea", "cai"].map(|identity| stage.enter(identity));
    for delivery in [Delivery::Reliable, Delivery::Lossy] {
        let forged =
            proto::DataPacket { participant_identity: "bea".into(), participant_sid: "PA_x".into(), ..text("hello") };
        send(&mut stage, ada, delivery, &forged);
        let got = delivered(&mut stage);
        let [(to, way, packet)] = got.as_slice() else { panic!("{got:?}") };
        assert_eq!((to.as_slice(), *way), (&[bea, cai][..], delivery));
        assert_eq!((packet.participant_identity.as_str(), &packet.participant_sid), ("ada", &stage.sid(ada)));
        let Some(Value::User(user)) = &packet.value else { panic!() };
        assert_eq!((user.participant_identity.as_str(), user.payload.as_slice()), ("ada", b"hello".as_slice()));
    }
    let spy = stage.enter_as("spy", |joiner| joiner.permission.hidden = true);
    send(&mut stage, spy, Delivery::Lossy, &text("psst"));
    let got = delivered(&mut stage);
    assert_eq!((got[0].2.participant_identity.as_str(), got[0].2.participant_sid.as_str()), ("", ""));
}

#[test]
#[expect(deprecated, reason = "older clients use these fields")]
fn destinations() {
    let mut stage = Stage::new();
    let [ada, bea, cai, dan] = ["ada", "bea", "cai", "dan"].map(|identity| stage.enter(identity));
    let mut legacy = text("sids");
    let sid = stage.sid(dan);
    if let Some(Value::User(user)) = &mut legacy.value {
        user.destination_sids = vec![sid];
    }
    for (packet, to) in [
        (
            proto::DataPacket { destination_identities: vec!["cai".into(), "bea".into(), "cai".into()], ..text("x") },
            vec![bea, cai],
        ),
        (proto::DataPacket { destination_identities: vec!["ada".into(), "bea".into()], ..text("x") }, vec![bea]),
        (proto::DataPacket { destination_identities: vec!["nobody".into()], ..text("x") }, vec![]),
        (legacy, vec![dan]),
    ] {
        send(&mut stage, ada, Delivery::Reliable, &packet);
        let got: Vec<_> = delivered(&mut stage).into_iter().flat_map(|(to, ..)| to).collect();
        assert_eq!(got, to);
    }
}

#[test]
#[expect(deprecated, reason = "older clients use these fields")]
fn rights_and_kinds() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let mute = stage.enter_as("mute", |joiner| joiner.permission.can_publish_data = false);
    let agent = stage.enter_as("agent", |joiner| joiner.kind = proto::participant_info::Kind::Agent);
    let meter = stage.enter_as("meter", |joiner| joiner.permission.can_subscribe_metrics = true);
    let with = |value| proto::DataPacket { value: Some(value), ..Default::default() };
    let of_track =
        |sid: &str| with(Value::Transcription(proto::Transcription { track_id: sid.into(), ..Default::default() }));
    let (transcription, trackless) = (of_track("TR_x"), of_track("VC_x"));
    let metrics = with(Value::Metrics(proto::MetricsBatch::default()));
    let speaker = with(Value::Speaker(proto::ActiveSpeakerUpdate::default()));
    let rpc = with(Value::RpcRequest(proto::RpcRequest::default()));
    for (from, packet, to) in [
        (mute, &rpc, vec![]),
        (ada, &rpc, vec![mute, agent, meter]),
        (ada, &transcription, vec![]),
        (agent, &transcription, vec![ada, mute, meter]),
        // The Rust SDK panics on a track that is not named by a sid.
        (agent, &trackless, vec![]),
        (agent, &of_track(""), vec![]),
        (ada, &speaker, vec![]),
        (ada, &metrics, vec![meter]),
    ] {
        send(&mut stage, from, Delivery::Lossy, packet);
        let got: Vec<_> = delivered(&mut stage).into_iter().flat_map(|(to, ..)| to).collect();
        assert_eq!(got, to, "{packet:?}");
    }
    stage.handle(ada, Request::Data { delivery: Delivery::Lossy, payload: Bytes::from_static(&[0xff; 20]) });
    assert!(delivered(&mut stage).is_empty(), "no packet");
}

#[test]
fn agents_may_speak_for_others() {
    let mut stage = Stage::new();
    let agent = stage.enter_as("agent", |joiner| joiner.kind = proto::participant_info::Kind::Agent);
    let ada = stage.enter("ada");
    let chat = proto::DataPacket {
        participant_identity: "cai".into(),
        value: Some(Value::ChatMessage(proto::ChatMessage::default())),
        ..Default::default()
    };
    for (from, identity, generated) in [(agent, "cai", true), (ada, "ada", false)] {
        send(&mut stage, from, Delivery::Reliable, &chat);
        let got = delivered(&mut stage);
        assert_eq!(got[0].2.participant_identity, identity);
        assert!(matches!(&got[0].2.value, Some(Value::ChatMessage(chat)) if chat.generated == generated));
    }
}

#[test]
fn reliable_packets_arrive_once_and_in_order() {
    let mut stage = Stage::new();
    let (ada, _) = (stage.enter("ada"), stage.enter("bea"));
    let numbered = |sequence| proto::DataPacket { sequence, ..text("x") };
    assert_eq!(stage.room.last_reliable_sequence(ada), 0);
    for (sequence, arrives) in [(1, true), (2, true), (2, false), (1, false), (5, true), (4, false), (0, true)] {
        send(&mut stage, ada, Delivery::Reliable, &numbered(sequence));
        let got = delivered(&mut stage);
        assert_eq!(got.len(), usize::from(arrives), "{sequence}");
        assert!(got.iter().all(|(_, _, packet)| packet.sequence == sequence));
    }
    assert_eq!(stage.room.last_reliable_sequence(ada), 5);
    // The lossy channel has no sequence.
    send(&mut stage, ada, Delivery::Lossy, &numbered(9));
    assert_eq!(stage.room.last_reliable_sequence(ada), 5);
    // What is refused is not counted: the client may send it again.
    let mut stage = Stage::new();
    let mute = stage.enter_as("mute", |joiner| joiner.permission.can_publish_data = false);
    send(&mut stage, mute, Delivery::Reliable, &numbered(1));
    assert_eq!(stage.room.last_reliable_sequence(mute), 0);
}

#[test]
fn repeated_messages_are_dropped_by_their_name() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let message = |nonce: u8| {
        AdminRequest::SendData(proto::SendDataRequest {
            data: vec![1],
            nonce: vec![nonce; 16],
            destination_identities: vec!["ada".into()],
            topic: Some("t".into()),
            ..Default::default()
        })
    };
    stage.admin(message(1)).unwrap();
    stage.admin(message(1)).unwrap();
    stage.admin(message(2)).unwrap();
    let got = delivered(&mut stage);
    assert_eq!(got.len(), 2);
    assert_eq!((got[0].0.as_slice(), got[0].1, got[0].2.sequence), (&[ada][..], Delivery::Reliable, 0));
    for nonce in 3..110 {
        stage.admin(message(nonce)).unwrap();
    }
    stage.data.clear();
    stage.admin(message(1)).unwrap();
    assert_eq!(delivered(&mut stage).len(), 1, "long forgotten");
}

#[test]
fn reliable_packets_wait_a_moment_for_those_who_join() {
    let mut stage = Stage::new();
    let ada = stage.enter("ada");
    let bea = stage.join("bea");
    send(&mut stage, ada, Delivery::Reliable, &text("too old"));
    stage.advance(secs(3));
    send(&mut stage, ada, Delivery::Reliable, &text("first"));
    send(&mut stage, ada, Delivery::Lossy, &text("lost"));
    send(&mut stage, ada, Delivery::Reliable, &text("second"));
    assert!(delivered(&mut stage).is_empty());
    stage.handle(bea, Request::Active);
    let got: Vec<_> = delivered(&mut stage)
        .into_iter()
        .map(|(to, _, packet)| {
            let Some(Value::User(user)) = packet.value else { panic!() };
            (to, String::from_utf8(user.payload).unwrap())
        })
        .collect();
    assert_eq!(got, [(vec![bea], "first".to_owned()), (vec![bea], "second".to_owned())]);

    let cai = stage.join("cai");
    for _ in 0..10 {
        send(&mut stage, ada, Delivery::Reliable, &text(&"x".repeat(30_000)));
    }
    stage.data.clear();
    stage.handle(cai, Request::Active);
    assert_eq!(delivered(&mut stage).len(), 3, "at most 100 KiB");
}

#[test]
#[expect(deprecated, reason = "older clients use these fields")]
fn what_comes_on_a_channel_of_an_applications_own_goes_to_everyone_else() {
    let mut stage = Stage::new();
    let [ada, bea, cai] = ["ada", "bea", "cai"].map(|identity| stage.enter(identity));
    stage.handle(ada, Request::ApplicationData(Bytes::from_static(b"raw")));
    let got = delivered(&mut stage);
    let [(to, Delivery::Reliable, packet)] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!(to, &[bea, cai]);
    let Some(Value::User(user)) = &packet.value else { panic!("{packet:?}") };
    assert_eq!((packet.participant_identity.as_str(), user.payload.as_slice()), ("ada", b"raw".as_slice()));
    assert_eq!(user.participant_sid, stage.sid(ada));
    let mute = stage.enter_as("mute", |joiner| joiner.permission.can_publish_data = false);
    stage.handle(mute, Request::ApplicationData(Bytes::from_static(b"raw")));
    assert!(delivered(&mut stage).is_empty());
}

#[test]
fn who_sends_too_much_reliably_waits_and_nothing_is_dropped() {
    let mut stage = Stage::new();
    let [ada, ..] = ["ada", "bea", "cai"].map(|identity| stage.enter(identity));
    // Each is more than 100 datagrams to both.
    let large = text(&"x".repeat(60_000));
    let ready = |stage: &mut Stage| {
        let now = stage.now;
        stage.room.data_ready_at(now, ada).map(|at| at - now)
    };
    for number in 0..11_000 {
        send(&mut stage, ada, Delivery::Reliable, &large);
        if number == 9_000 {
            assert_eq!(ready(&mut stage), None, "less than a million datagrams");
        }
    }
    assert_eq!(delivered(&mut stage).len(), 11_000);
    let wait = ready(&mut stage).expect("more than a million datagrams");
    // 11,000 messages of 51 datagrams to two, less the million, at 200,000 a second.
    assert_eq!(wait.as_millis(), (11_000 * 102 - 1_000_000) * 1000 / 200_000);
    let over = stage.room.over_limit();
    assert_eq!((over.data, over.data_slowed > 1_000), (0, true));
}
