//! Descriptions stay as small as what they carry.

use std::collections::BTreeSet;

use livekit_protocol as proto;
use tutti_rtp::Codec;

use super::model::{Answerer, Offerer};
use super::*;
use crate::negotiation::Need;

/// Clients that keep a section for its next track, and those that want it under another name.
fn clients() -> [proto::ClientInfo; 2] {
    [plain(), proto::ClientInfo { sdk: proto::client_info::Sdk::Python as i32, protocol: 17, ..Default::default() }]
}

#[test]
fn tracks_that_come_and_go_do_not_grow_our_offers() {
    for client in clients() {
        let mut connection = connection(Role::Subscriber, &client);
        let mut peer = Answerer::new();
        let mut longest = 0;
        for index in 1..=400 {
            connection.add_send(outgoing(index, if index % 2 == 0 { &[Codec::Vp8] } else { &[Codec::Opus] }));
            if index > 6 {
                connection.remove_send(subscription(index - 6));
            }
            let offer = connection.offer(None).unwrap();
            longest = longest.max(parse(&offer).media.len());
            let answered = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
            assert_eq!(answered.sends.subscribed.len(), 1);
        }
        // Six at a time, those that are being freed, and the data channels.
        assert!(longest <= 10, "{longest} sections");
    }
}

/// A client that hears of no track twice under one name must be told another one each time.
#[test]
fn one_track_that_comes_and_goes_is_new_each_time() {
    let [_, client] = clients();
    let mut connection = connection(Role::Subscriber, &client);
    let mut peer = Answerer::new();
    let mut mids = BTreeSet::new();
    for _ in 0..400 {
        connection.add_send(outgoing(1, &[Codec::Vp8]));
        let offer = connection.offer(None).unwrap();
        assert_eq!(parse(&offer).media.len(), 2);
        let mut answered = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
        assert!(mids.insert(answered.sends.subscribed.remove(0).mid));
        connection.remove_send(subscription(1));
        let offer = connection.offer(None).unwrap();
        assert!(parse(&offer).media[1].is_rejected());
        connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
    }
}

#[test]
fn tracks_that_come_and_go_do_not_grow_the_clients_offers() {
    for client in clients() {
        let mut connection = connection(Role::Single, &client);
        let mut client = Offerer::new(3, 3);
        let mut exchange = |connection: &mut Connection, audios, videos| {
            client.add_receivers(audios, videos);
            connection.read_offer(&client.offer()).unwrap();
            client.take(&connection.answer(&Default::default()).unwrap());
            client.slots.len()
        };
        let mut sections = exchange(&mut connection, 0, 0);
        for index in 1..=400 {
            connection.add_send(outgoing(index, if index % 2 == 0 { &[Codec::Vp8] } else { &[Codec::Opus] }));
            if index > 6 {
                connection.remove_send(subscription(index - 6));
            }
            while let Need::Ask { audios, videos } = connection.need() {
                connection.asked();
                sections = exchange(&mut connection, audios, videos);
            }
        }
        assert!(sections <= 10, "{sections} sections");
    }
}

#[test]
fn a_hundred_sections_fit_a_signalling_message() {
    let mut connection = connection(Role::Subscriber, &plain());
    let mut peer = Answerer::new();
    for index in 1..=100 {
        connection.add_send(outgoing(index, if index % 2 == 0 { &[Codec::Vp8] } else { &[Codec::Red, Codec::Opus] }));
    }
    let offer = connection.offer(None).unwrap();
    assert!(offer.sdp.len() < 160_000, "{} bytes", offer.sdp.len());
    let answered = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
    assert_eq!(answered.sends.subscribed.len(), 100);
    // Emptied, each section costs a stub.
    for index in 1..=100 {
        connection.remove_send(subscription(index));
    }
    let offer = connection.offer(None).unwrap();
    assert!(offer.sdp.len() < 70_000, "{} bytes", offer.sdp.len());
}

#[test]
fn a_thousand_tracks_are_served() {
    let mut connection = connection(Role::Subscriber, &plain());
    let mut peer = Answerer::new();
    for index in 1..=900 {
        connection.add_send(outgoing(index, &[Codec::Opus]));
    }
    let offer = connection.offer(None).unwrap();
    let answered = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
    assert_eq!(answered.sends.subscribed.len(), 900);
}
