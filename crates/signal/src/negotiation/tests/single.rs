//! One connection for both ways: the client offers, and we fill its sections.

use std::collections::BTreeMap;

use tutti_rtp::{Codec, Extension};
use tutti_sdp::Direction;

use super::fixtures::*;
use super::model::Offerer;
use super::*;
use crate::negotiation::{Answered, Need};

/// One exchange; every section that wants a track gets the one with its number.
fn round(connection: &mut Connection, client: &mut Offerer) -> Answered {
    let offer = client.offer();
    let offered = connection.read_offer(&offer).unwrap();
    let open = offered.sections.iter().filter(|section| section.track.is_none());
    let policies = open.map(|section| (section.mid.clone(), policy(section.mid.parse().unwrap()))).collect();
    let answered = connection.answer(&policies).unwrap();
    client.take(&answered);
    answered
}

/// Does what we ask for, if we ask.
fn serve(connection: &mut Connection, client: &mut Offerer) -> Option<(u32, u32)> {
    let Need::Ask { audios, videos } = connection.need() else { return None };
    connection.asked();
    client.add_receivers(audios, videos);
    Some((audios, videos))
}

#[test]
fn tracks_fill_the_free_sections_of_the_first_offer() {
    for (name, sdp, audio_mid, video_mid, client) in [
        ("chrome", CHROME_SINGLE, "0", "3", plain()),
        ("libwebrtc", LIBWEBRTC_SINGLE, "1", "4", plain()),
        ("firefox", FIREFOX_SINGLE, "1", "4", client("firefox", "windows")),
    ] {
        let mut connection = connection(Role::Single, &client);
        connection.add_send(outgoing(1, &[Codec::Red, Codec::Opus]));
        connection.add_send(outgoing(2, &[Codec::Vp9, Codec::Vp8]));
        let offered = connection.read_offer(&description("offer", sdp, 1)).unwrap();
        assert!(offered.sections.is_empty(), "{name}");
        let answered = connection.answer(&BTreeMap::new()).unwrap();
        let answer = parse(&answered.description);
        let mids: BTreeMap<_, _> = answered.description.mid_to_track_id.iter().collect();
        assert_eq!(mids.len(), 2, "{name}");
        assert_eq!(answered.description.mid_to_track_id[audio_mid], "TR_1", "{name}");
        assert_eq!(answered.description.mid_to_track_id[video_mid], "TR_2", "{name}");
        let offer = SessionDescription::parse(sdp).unwrap();
        for (theirs, ours) in offer.media.iter().zip(&answer.media) {
            let mid = ours.mid.as_deref().unwrap();
            let sends = mid == audio_mid || mid == video_mid;
            if ours.kind != tutti_sdp::MediaKind::Application {
                assert_eq!(ours.direction, Direction::new(sends, false), "{name} {mid}");
            }
            assert_eq!(ours.msids.len(), usize::from(sends), "{name} {mid}");
            for extension in &ours.extensions {
                assert!(theirs.extensions.iter().any(|e| e.id == extension.id && e.uri == extension.uri), "{name}");
            }
        }
        let [audio, video] = [&answered.sends.subscribed[0], &answered.sends.subscribed[1]];
        let audio_codecs: Vec<_> = audio.formats.iter().map(|format| format.codec).collect();
        let expected: &[Codec] = if name == "firefox" { &[Codec::Opus] } else { &[Codec::Red, Codec::Opus] };
        assert_eq!(audio_codecs, expected, "{name}");
        assert_eq!(video.formats[0].codec, Codec::Vp9, "{name}");
        assert_eq!(video.formats[0].payload_type, if name == "firefox" { 121 } else { 98 }, "{name}");
        assert_eq!(video.formats[0].rtx_payload_type, Some(if name == "firefox" { 125 } else { 99 }), "{name}");
        assert_eq!(numbers(section(&answer, video_mid))[0], video.formats[0].payload_type, "{name}");
        assert_eq!(section(&answer, video_mid).sources[0].ssrc, video.ssrc, "{name}");
        assert_eq!(video.extensions.id(Extension::Mid), Some(if name == "firefox" { 3 } else { 4 }), "{name}");
        assert_eq!(connection.need(), Need::Nothing, "{name}");
    }
}

#[test]
fn both_ways_at_once() {
    let mut connection = connection(Role::Single, &plain());
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    connection.read_offer(&description("offer", CHROME_SINGLE, 1)).unwrap();
    let first = connection.answer(&BTreeMap::new()).unwrap();
    let offered = connection.read_offer(&description("offer", CHROME_SINGLE_PUBLISH, 2)).unwrap();
    let cids: Vec<_> = offered.sections.iter().map(|section| section.mid.as_str()).collect();
    assert_eq!(cids, ["7", "8"]);
    let policies = BTreeMap::from([("7".to_owned(), policy(7)), ("8".to_owned(), policy(8))]);
    let answered = connection.answer(&policies).unwrap();
    assert_eq!(answered.published.len(), 2);
    assert!(answered.sends.subscribed.is_empty(), "what runs is not told again");
    assert_eq!(answered.description.mid_to_track_id, first.description.mid_to_track_id);
    let answer = parse(&answered.description);
    assert_eq!(section(&answer, "8").direction, Direction::RecvOnly);
    assert_eq!(section(&answer, "8").simulcast.as_ref().unwrap().recv, ["q", "h", "f"]);
    assert_eq!(section(&answer, "3").sources[0].ssrc, first.sends.subscribed[0].ssrc);
}

#[test]
fn a_section_may_carry_both_ways() {
    let mut connection = connection(Role::Single, &plain());
    let mut client = Offerer::new(0, 1);
    client.slots[0].direction = Direction::SendRecv;
    connection.add_send(outgoing(1, &[Codec::H264, Codec::Vp8]));
    let answered = round(&mut connection, &mut client);
    let answer = parse(&answered.description);
    assert_eq!(section(&answer, "0").direction, Direction::SendRecv);
    assert_eq!(answered.published[0].publish.mid, "0");
    assert_eq!(answered.sends.subscribed[0].formats[0].codec, Codec::H264);
    // The client stops sending, and goes on receiving.
    client.slots[0].direction = Direction::RecvOnly;
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.ended.len(), 1);
    assert_eq!(section(&parse(&answered.description), "0").direction, Direction::SendOnly);
}

#[test]
fn the_client_is_asked_for_what_is_missing() {
    let mut connection = connection(Role::Single, &plain());
    let mut client = Offerer::new(1, 1);
    connection.add_send(outgoing(1, &[Codec::Opus]));
    assert_eq!(connection.need(), Need::Nothing, "the first offer comes unasked");
    round(&mut connection, &mut client);

    connection.add_send(outgoing(2, &[Codec::Vp8]));
    assert_eq!(connection.need(), Need::Ask { audios: 0, videos: 0 }, "a section is free");
    connection.asked();
    assert_eq!(connection.need(), Need::Nothing);
    for index in 3..6 {
        connection.add_send(outgoing(index, &[Codec::Vp8]));
    }
    connection.add_send(outgoing(6, &[Codec::Opus]));
    assert_eq!(connection.need(), Need::Ask { audios: 1, videos: 3 });
    connection.asked();
    connection.add_send(outgoing(7, &[Codec::Opus]));
    assert_eq!(connection.need(), Need::Ask { audios: 1, videos: 0 }, "on top of what was asked for");
    connection.asked();
    assert_eq!(connection.need(), Need::Nothing);

    // An offer that was on its way fills what there is; what was asked for is still to come.
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.sends.subscribed.len(), 1);
    assert_eq!(connection.need(), Need::Nothing);
    client.add_receivers(2, 3);
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.sends.subscribed.len(), 5);
    assert_eq!(connection.need(), Need::Nothing);
    assert_eq!(client.rules.carried().len(), 7);
}

#[test]
fn a_request_that_is_never_met_is_made_again() {
    let mut connection = connection(Role::Single, &plain());
    let mut client = Offerer::new(0, 0);
    round(&mut connection, &mut client);
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    connection.asked();
    round(&mut connection, &mut client);
    assert_eq!(connection.need(), Need::Nothing);
    round(&mut connection, &mut client);
    assert_eq!(connection.need(), Need::Ask { audios: 0, videos: 1 });
    connection.asked();
    connection.forget_asked();
    assert_eq!(connection.need(), Need::Ask { audios: 0, videos: 1 });
}

#[test]
fn a_freed_section_is_inactive_before_it_is_used_again() {
    let mut connection = connection(Role::Single, &plain());
    let mut client = Offerer::new(1, 1);
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    let first = round(&mut connection, &mut client).sends.subscribed[0].ssrc;
    connection.remove_send(subscription(1));
    connection.add_send(outgoing(2, &[Codec::Vp8]));
    assert_eq!(serve(&mut connection, &mut client), Some((0, 1)), "the section is not free yet");
    client.slots.pop();
    // The client renegotiates without the section, and the old one is enough after all.
    let answered = round(&mut connection, &mut client);
    assert_eq!(section(&parse(&answered.description), "1").direction, Direction::Inactive);
    assert!(answered.sends.subscribed.is_empty());
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.sends.subscribed[0].mid, "1");
    assert_ne!(answered.sends.subscribed[0].ssrc, first);
}

#[test]
fn a_lost_answer_frees_nothing() {
    let mut connection = connection(Role::Single, &plain());
    let mut client = Offerer::new(0, 1);
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    round(&mut connection, &mut client);
    connection.remove_send(subscription(1));
    // This answer never arrives: the client still believes in track 1.
    connection.read_offer(&client.offer()).unwrap();
    connection.answer(&BTreeMap::new()).unwrap();
    connection.forget_asked();
    connection.add_send(outgoing(2, &[Codec::Vp8]));
    let answered = round(&mut connection, &mut client);
    assert!(answered.sends.subscribed.is_empty());
    assert_eq!(serve(&mut connection, &mut client), Some((0, 0)));
    assert_eq!(round(&mut connection, &mut client).sends.subscribed[0].mid, "0");
}

#[test]
fn a_removed_track_asks_for_an_offer() {
    let mut connection = connection(Role::Single, &plain());
    let mut client = Offerer::new(1, 1);
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    round(&mut connection, &mut client);
    connection.remove_send(subscription(1));
    assert_eq!(connection.need(), Need::Ask { audios: 0, videos: 0 });
    connection.asked();
    let answered = round(&mut connection, &mut client);
    assert!(answered.description.mid_to_track_id.is_empty());
    assert_eq!(connection.need(), Need::Nothing);
}

#[test]
fn a_section_that_the_client_takes_away_displaces_its_track() {
    let mut connection = connection(Role::Single, &plain());
    let mut client = Offerer::new(0, 3);
    for index in 1..3 {
        connection.add_send(outgoing(index, &[Codec::Vp8]));
    }
    let first = round(&mut connection, &mut client).sends.subscribed;
    client.slots[0].stopped = true;
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.sends.displaced, [subscription(1)]);
    assert_eq!(answered.sends.subscribed[0].mid, "2", "another one was free");
    assert_ne!(answered.sends.subscribed[0].ssrc, first[0].ssrc);
    client.slots[1].direction = Direction::Inactive;
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.sends.displaced, [subscription(2)]);
    assert!(answered.sends.subscribed.is_empty());
    assert_eq!(connection.need(), Need::Ask { audios: 0, videos: 1 });
}

#[test]
fn codecs_that_the_client_lacks_are_reported() {
    let mut connection = connection(Role::Single, &plain());
    let mut client = Offerer::new(0, 2);
    connection.add_send(outgoing(1, &[Codec::Av1]));
    connection.add_send(outgoing(2, &[Codec::Vp8]));
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.sends.unsupported, [subscription(1)]);
    assert_eq!(answered.sends.subscribed.len(), 1);
    assert_eq!(connection.need(), Need::Nothing);
    connection.add_send(outgoing(1, &[Codec::Av1, Codec::Vp9]));
    assert_eq!(serve(&mut connection, &mut client), Some((0, 0)));
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.sends.subscribed[0].formats[0].codec, Codec::Vp9);

    // A running track that changes to a codec which the client lacks stops.
    connection.add_send(outgoing(1, &[Codec::Av1]));
    assert_eq!(serve(&mut connection, &mut client), Some((0, 0)));
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.sends.displaced, [subscription(1)]);
    assert_eq!(answered.sends.unsupported, [subscription(1)]);
    assert_eq!(answered.description.mid_to_track_id.len(), 1);
}

#[test]
fn safari_needs_a_new_section_for_each_track() {
    let mut connection = connection(Role::Single, &client("safari", "macos"));
    let mut client = Offerer::new(0, 1);
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    round(&mut connection, &mut client);
    connection.remove_send(subscription(1));
    serve(&mut connection, &mut client);
    round(&mut connection, &mut client);
    connection.add_send(outgoing(2, &[Codec::Vp8]));
    assert_eq!(serve(&mut connection, &mut client), Some((0, 1)));
    let answered = round(&mut connection, &mut client);
    assert_eq!(answered.sends.subscribed[0].mid, "2");
}
