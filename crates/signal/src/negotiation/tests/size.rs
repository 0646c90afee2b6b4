//! Descriptions stay as small as what they carry.

use tutti_rtp::Codec;

use super::model::{Answerer, Offerer};
use super::*;
use crate::negotiation::Need;

#[test]
fn tracks_that_come_and_go_do_not_grow_our_offers() {
    let mut connection = connection(Role::Subscriber, &plain());
    let mut peer = Answerer::new();
    let mut longest = 0;
    for index in 1..=400 {
        connection.add_send(outgoing(index, if index % 2 == 0 { &[Codec::Vp8] } else { &[Codec::Opus] }));
        if index > 6 {
            connection.remove_send(subscription(index - 6));
        }
        let offer = connection.offer(None).unwrap();
        longest = longest.max(parse(&offer).media.len());
        connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
    }
    // Six at a time, those that are being freed, and the data channels.
    assert!(longest <= 10, "{longest} sections");
}

#[test]
fn tracks_that_come_and_go_do_not_grow_the_clients_offers() {
    let mut connection = connection(Role::Single, &plain());
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

#[test]
fn a_hundred_sections_fit_a_signalling_message() {
    let mut connection = connection(Role::Subscriber, &plain());
    let mut peer = Answerer::new();
    for index in 1..=100 {
        connection.add_send(outgoing(index, if index % 2 == 0 { &[Codec::Vp8] } else { &[Codec::Red, Codec::Opus] }));
    }
    let offer = connection.offer(None).unwrap();
    assert!(offer.sdp.len() < 80_000, "{} bytes", offer.sdp.len());
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
