//! The first words to a client, and when it becomes active.

use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_id::RoomKey;
use tutti_room::{MemberKey, Notice, Request};
use tutti_signal::{Mode, Output, Start};
use tutti_transport::{Channel, TransportCommand, TransportEvent};

use crate::stage::{ask, drain, joined, opened, said, start};

#[test]
fn join_comes_first_then_the_token_then_the_offer_of_the_primary_connection() {
    let now = Instant::now();
    let (mut session, outputs) = joined(start(Mode::Dual), now);
    let Some(Message::Join(join)) = said(&outputs).into_iter().next() else { panic!("{outputs:?}") };
    assert!(join.subscriber_primary);
    assert!(join.ping_interval > 0 && join.room.is_some() && join.participant.is_some());
    assert_eq!(join.enabled_publish_codecs[0].mime, "video/VP8");
    assert_eq!(join.server_info.unwrap().version, "1.8.0");
    assert_eq!(join.ice_servers[0].urls, ["stun:stun.example.com"], "those of this client");
    assert!(matches!(outputs[1], Output::RefreshToken));
    assert_eq!(opened(&outputs).len(), 2);
    session.flush();
    let offers = said(&drain(&mut session));
    assert!(
        matches!(offers.as_slice(), [Message::Offer(offer)] if offer.id == 1 && offer.sdp.contains("m=application"))
    );
    session.flush();
    assert!(drain(&mut session).is_empty(), "one offer at a time");
}

#[test]
fn single_mode_never_offers_and_opens_one_transport() {
    let (mut session, outputs) = joined(start(Mode::Single), Instant::now());
    assert!(matches!(said(&outputs).first(), Some(Message::Join(join)) if !join.subscriber_primary));
    assert_eq!(opened(&outputs).len(), 1);
    session.flush();
    assert!(!said(&drain(&mut session)).iter().any(|message| matches!(message, Message::Offer(_))));
}

#[test]
fn who_may_not_subscribe_gets_the_publisher_as_primary_and_no_offer() {
    let start = Start { can_subscribe: false, ..start(Mode::Dual) };
    let (mut session, outputs) = joined(start, Instant::now());
    assert!(matches!(said(&outputs).first(), Some(Message::Join(join)) if !join.subscriber_primary));
    assert_eq!(opened(&outputs).len(), 1);
    session.flush();
    assert!(said(&drain(&mut session)).is_empty());
}

#[test]
fn the_first_connection_makes_it_active_once() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [publisher, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.handle_transport(now, publisher, TransportEvent::Connected { tcp: false });
    assert!(drain(&mut session).is_empty(), "the publisher connection is not the primary one");
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    assert!(matches!(drain(&mut session).as_slice(), [Output::Room(Request::Active)]));
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    assert!(drain(&mut session).is_empty());
}

#[test]
fn a_client_that_shall_use_tcp_is_offered_nothing_else() {
    let now = Instant::now();
    let both =
        ["candidate:1 1 udp 2 127.0.0.1 7883 typ host", "candidate:2 1 tcp 1 127.0.0.1 7881 typ host tcptype passive"];
    let mut start = start(Mode::Dual);
    start.placement.candidates = both.map(str::to_owned).to_vec();
    for (tcp_only, offered) in [(false, [true, true]), (true, [false, true])] {
        let (mut session, _) = joined(Start { tcp_only, ..start.clone() }, now);
        session.flush();
        let outputs = said(&drain(&mut session));
        let [Message::Offer(offer)] = outputs.as_slice() else { panic!("{outputs:?}") };
        assert_eq!(both.map(|candidate| offer.sdp.contains(candidate)), offered);
    }
    let (mut session, _) = joined(start, now);
    let scenario = proto::simulate_scenario::Scenario::SwitchCandidateProtocol(proto::CandidateProtocol::Tcp as i32);
    let outputs = ask(&mut session, Ask::Simulate(proto::SimulateScenario { scenario: Some(scenario) }));
    assert!(matches!(outputs.as_slice(), [Output::PreferTcp(true)]));
}

/// A client without a way to it would try it in vain.
#[test]
fn the_ipv6_loopback_is_offered_to_who_came_over_it() {
    let now = Instant::now();
    let both = ["candidate:1 1 udp 2 127.0.0.1 7883 typ host", "candidate:2 1 udp 1 ::1 7883 typ host"];
    for (address, candidates, offered) in [
        ("127.0.0.1", &both[..], &both[..1]),
        ("192.0.2.7", &both, &both[..1]),
        ("", &both, &both[..1]),
        ("::1", &both, &both),
        ("192.0.2.7", &both[1..], &both[1..]),
    ] {
        let mut start = start(Mode::Dual);
        start.client.address = address.to_owned();
        start.placement.candidates = candidates.iter().map(|text| (*text).to_owned()).collect();
        let (mut session, _) = joined(start, now);
        session.flush();
        let outputs = said(&drain(&mut session));
        let [Message::Offer(offer)] = outputs.as_slice() else { panic!("{outputs:?}") };
        let found: Vec<&str> = both.into_iter().filter(|candidate| offer.sdp.contains(candidate)).collect();
        assert_eq!(found, offered, "{address:?}");
    }
}

#[test]
fn old_rust_clients_are_spared_messages_they_cannot_decode() {
    let now = Instant::now();
    let client = proto::ClientInfo { sdk: proto::client_info::Sdk::Rust as i32, protocol: 9, ..Default::default() };
    let (mut session, _) = joined(Start { client, protocol: 9, ..start(Mode::Dual) }, now);
    let subscribed = Message::TrackSubscribed(proto::TrackSubscribed { track_sid: "TR_x".into() });
    session.handle_notice(now, Notice::Send(Box::new(subscribed.clone())));
    assert!(drain(&mut session).is_empty());
    let (mut session, _) = joined(start(Mode::Dual), now);
    session.handle_notice(now, Notice::Send(Box::new(subscribed)));
    assert_eq!(said(&drain(&mut session)).len(), 1);
}

#[test]
fn the_server_opens_channels_only_on_the_connection_that_it_offers() {
    let ours = &[Channel::Reliable, Channel::Lossy, Channel::DataTrack][..];
    for (mode, can_subscribe, expected) in
        [(Mode::Dual, true, &[&[], ours][..]), (Mode::Dual, false, &[&[]]), (Mode::Single, true, &[&[]])]
    {
        let (_, outputs) = joined(Start { can_subscribe, ..start(mode) }, Instant::now());
        let channels = outputs.into_iter().filter_map(|output| match output {
            Output::Transport(_, TransportCommand::Open(open)) => Some(open.open_channels),
            _ => None,
        });
        assert_eq!(channels.collect::<Vec<_>>(), expected, "{mode:?} {can_subscribe}");
    }
}
