//! We offer: the text of our offers, and the answers of real clients.

use tutti_rtp::{Codec, Extension};
use tutti_sdp::{Direction, Feedback, GroupSemantics, Setup};
use tutti_transport::DtlsRole;

use super::fixtures::*;
use super::model::Answerer;
use super::*;
use crate::negotiation::{Need, NegotiationError};

fn subscriber() -> Connection {
    connection(Role::Subscriber, &plain())
}

/// The sends that [`CHROME_ANSWER`] and [`PION_ANSWER`] answer.
fn fixture_sends() -> Vec<Outgoing> {
    use Codec::*;
    let codecs: [&[Codec]; 7] = [&[Red, Opus], &[Vp8], &[Vp9, Vp8], &[H264], &[Av1], &[H265], &[Opus]];
    codecs.iter().zip(1..).map(|(codecs, index)| outgoing(index, codecs)).collect()
}

#[test]
fn the_first_offer_carries_data_channels_alone() {
    let mut connection = subscriber();
    assert_eq!(connection.need(), Need::Offer);
    let offer = connection.offer(None).unwrap();
    assert_eq!((offer.id, offer.r#type.as_str()), (1, "offer"));
    assert!(offer.mid_to_track_id.is_empty());
    let parsed = parse(&offer);
    assert_eq!(parsed.media.len(), 1);
    assert_eq!(parsed.bundle, ["0"]);
    let data = &parsed.media[0];
    assert_eq!(data.format, "webrtc-datachannel");
    assert_eq!((data.sctp_port, data.max_message_size), (Some(5000), Some(65_536)));
    assert_eq!(data.transport.setup, Some(Setup::ActPass));
    assert_eq!(data.candidates.len(), 1);
    assert!(parsed.ice_lite && parsed.extmap_allow_mixed && parsed.transport.trickle);
    assert!(connection.is_offering());
    assert_eq!(connection.need(), Need::Nothing);
    assert_eq!(connection.offer(None), None);
}

#[test]
fn a_section_tells_all_about_its_track() {
    let mut connection = subscriber();
    connection.add_send(Outgoing { stereo: true, ..outgoing(1, &[Codec::Red, Codec::Opus]) });
    connection.add_send(Outgoing { playout_delay: true, ..outgoing(2, &[Codec::H264]) });
    let offer = connection.offer(None).unwrap();
    let parsed = parse(&offer);
    assert_eq!(parsed.bundle, ["0", "1", "2"]);
    assert_eq!(offer.mid_to_track_id.get("1").map(String::as_str), Some("TR_1"));
    assert_eq!(offer.mid_to_track_id.get("2").map(String::as_str), Some("TR_2"));

    let audio = section(&parsed, "1");
    assert_eq!(numbers(audio), [63, 111, 0, 8], "its codecs, and all others that the client may get");
    assert_eq!(audio.direction, Direction::SendOnly);
    assert_eq!(audio.msids[0].stream, "PA_x|TR_1");
    assert_eq!(audio.msids[0].track, "TR_1");
    assert_eq!(audio.sources.len(), 1);
    assert_eq!(audio.sources[0].cname.as_deref(), Some("PA_x"));
    let opus = audio.payload(111).unwrap();
    assert_eq!(opus.parameters, "minptime=10;useinbandfec=1;sprop-stereo=1");
    assert!(opus.feedback.contains(Feedback::Nack) && opus.feedback.contains(Feedback::TransportCc));
    assert!(!audio.payload(63).unwrap().feedback.contains(Feedback::Nack), "RED repairs itself");
    assert!(audio.rtcp_mux && audio.rtcp_rsize);

    let video = section(&parsed, "2");
    let others = [96, 97, 98, 99, 100, 101, 35, 36, 116, 117];
    assert_eq!(numbers(video), [&[125, 126, 108, 109, 123, 124][..], &others].concat(), "its own first");
    assert_eq!(video.source_groups[0].semantics, GroupSemantics::Fid);
    let ssrcs: Vec<u32> = video.sources.iter().map(|source| source.ssrc).collect();
    assert_eq!(video.source_groups[0].ssrcs, ssrcs);
    assert_eq!(video.payload(126).unwrap().retransmits(), Some(125));
    for feedback in [Feedback::Nack, Feedback::NackPli, Feedback::CcmFir, Feedback::TransportCc] {
        assert!(video.payload(125).unwrap().feedback.contains(feedback));
    }
    let uris: Vec<_> = video.extensions.iter().filter_map(|e| Extension::from_uri(&e.uri)).collect();
    use Extension::*;
    assert_eq!(uris, [Mid, AbsCaptureTime, TransportCc, DependencyDescriptor, PlayoutDelay]);
    assert!(video.extensions.iter().all(|extension| extension.id < 15));
    assert!(video.candidates.is_empty() && !video.end_of_candidates);
}

#[test]
fn clients_get_only_what_they_take() {
    let numbers_for = |client: &proto::ClientInfo, send: Outgoing| {
        let mut connection = connection(Role::Subscriber, client);
        connection.add_send(send);
        numbers(&parse(&connection.offer(None).unwrap()).media[1])
    };
    let red = outgoing(1, &[Codec::Red, Codec::Opus]);
    assert_eq!(numbers_for(&client("firefox", "windows"), red.clone()), [111, 0, 8]);
    assert_eq!(numbers_for(&client("safari", "macos"), red), [111, 0, 8]);
    let av1 = outgoing(1, &[Codec::Av1, Codec::Vp8]);
    let rest = [125, 126, 108, 109, 123, 124, 98, 99, 100, 101, 116, 117];
    assert_eq!(numbers_for(&client("safari", "macos"), av1.clone()), [&[96, 97][..], &rest].concat());
    assert_eq!(numbers_for(&plain(), av1), [&[35, 36, 96, 97][..], &rest].concat());
    let delay = Outgoing { playout_delay: true, ..outgoing(1, &[Codec::Vp8]) };
    let mut connection = connection(Role::Subscriber, &client("firefox", "linux"));
    connection.add_send(delay);
    let offer = parse(&connection.offer(None).unwrap());
    assert!(!offer.media[1].extensions.iter().any(|e| e.uri == Extension::PlayoutDelay.uri()));
}

/// What the room does not allow is in no section, but one codec that every client takes always is.
#[test]
fn sections_list_what_the_room_allows() {
    for (enabled, video, audio) in [
        (vec![Codec::Opus, Codec::Vp8, Codec::H264], vec![125, 126, 108, 109, 123, 124, 96, 97], vec![111]),
        (vec![Codec::Pcmu, Codec::H264], vec![125, 126, 108, 109, 123, 124, 96, 97], vec![0, 111]),
    ] {
        let mut connection = allowing(Role::Subscriber, &plain(), CodecPolicy::new(enabled));
        connection.add_send(outgoing(1, &[Codec::H264]));
        connection.add_send(outgoing(2, &[Codec::Red, Codec::Opus]));
        let offer = parse(&connection.offer(None).unwrap());
        assert_eq!([numbers(&offer.media[1]), numbers(&offer.media[2])], [video, audio]);
    }
}

/// Clients on pion take in all sections of a kind only what the first one of that kind named.
#[test]
fn a_client_that_decides_by_its_first_section_gets_tracks_of_other_codecs() {
    let mut connection = subscriber();
    let mut peer = Answerer::new();
    peer.fixes_codecs = true;
    let tracks: [&[Codec]; 6] =
        [&[Codec::Vp8], &[Codec::Opus], &[Codec::H264], &[Codec::Red, Codec::Opus], &[Codec::Vp9], &[Codec::Pcmu]];
    for (codecs, index) in tracks.iter().zip(1..) {
        connection.add_send(outgoing(index, codecs));
        let offer = connection.offer(None).unwrap();
        let sends = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap().sends;
        assert_eq!(sends.unsupported, [], "{codecs:?}");
        let formats = &sends.subscribed[0].formats;
        assert!(formats.iter().all(|format| codecs.contains(&format.codec)), "{codecs:?}: {formats:?}");
    }
}

#[test]
fn chrome_and_pion_answer_our_offer() {
    for (name, answer, role, h265) in
        [("chrome", CHROME_ANSWER, DtlsRole::Server, false), ("pion", PION_ANSWER, DtlsRole::Client, true)]
    {
        let mut connection = subscriber();
        for send in fixture_sends() {
            connection.add_send(send);
        }
        let offer = connection.offer(None).unwrap();
        let answered = connection.read_answer(&description("answer", answer, offer.id)).unwrap().unwrap();
        let remote = answered.remote.as_ref().unwrap();
        assert_eq!(remote.dtls_role, role, "{name}");
        assert!(remote.data_channels, "{name}");
        assert!(!answered.restart, "{name}");
        let unsupported: Vec<_> = answered.sends.unsupported.clone();
        assert_eq!(unsupported, if h265 { vec![] } else { vec![subscription(6)] }, "{name}");
        let parsed = parse(&offer);
        for subscribed in &answered.sends.subscribed {
            let index = subscribed.subscription.index();
            assert_eq!(subscribed.mid, index.to_string(), "{name}");
            let sources = &section(&parsed, &subscribed.mid).sources;
            assert_eq!(sources[0].ssrc, subscribed.ssrc, "{name}");
            assert_eq!(sources.get(1).map(|source| source.ssrc), subscribed.rtx_ssrc, "{name}");
            assert!(subscribed.extensions.id(Extension::Mid).is_some(), "{name}");
            let codecs = &fixture_sends()[index as usize - 1].codecs;
            assert!(subscribed.formats.iter().all(|format| codecs.contains(&format.codec)), "{name}");
        }
        let first = &answered.sends.subscribed[0];
        let expected: &[Codec] = if name == "chrome" { &[Codec::Red, Codec::Opus] } else { &[Codec::Opus] };
        assert_eq!(first.formats.iter().map(|format| format.codec).collect::<Vec<_>>(), expected, "{name}");
        let vp8 = &answered.sends.subscribed[1].formats[0];
        assert_eq!((vp8.payload_type, vp8.rtx_payload_type, vp8.nack), (96, Some(97), true), "{name}");
        assert_eq!(connection.need(), if h265 { Need::Nothing } else { Need::Offer }, "{name}");
    }
}

#[test]
fn stale_and_foreign_answers_are_left_alone() {
    let mut connection = subscriber();
    let mut peer = Answerer::new();
    let first = connection.offer(None).unwrap();
    let answer = peer.answer(&first);
    let late = proto::SessionDescription { id: 7, ..answer.clone() };
    assert_eq!(connection.read_answer(&late), Ok(None));
    assert!(connection.is_offering());
    // Clients that do not count say 0.
    let uncounted = proto::SessionDescription { id: 0, ..answer.clone() };
    assert!(connection.read_answer(&uncounted).unwrap().is_some());
    assert_eq!(connection.read_answer(&answer), Ok(None));
    let offer = description("offer", &answer.sdp, 1);
    assert!(matches!(connection.read_answer(&offer), Err(NegotiationError::WrongType { .. })));
}

#[test]
fn changes_while_an_offer_is_out_wait_for_its_answer() {
    let mut connection = subscriber();
    let mut peer = Answerer::new();
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    let first = connection.offer(None).unwrap();
    connection.add_send(outgoing(2, &[Codec::Opus]));
    connection.remove_send(subscription(1));
    assert_eq!(connection.need(), Need::Nothing);
    assert_eq!(connection.offer(None), None);
    let answered = connection.read_answer(&peer.answer(&first)).unwrap().unwrap();
    assert!(answered.sends.subscribed.is_empty(), "it is gone already");
    assert_eq!(connection.need(), Need::Offer);
    let second = connection.offer(None).unwrap();
    assert_eq!(second.id, 2);
    let parsed = parse(&second);
    assert_eq!(section(&parsed, "1").direction, Direction::Inactive);
    assert_eq!(section(&parsed, "2").direction, Direction::SendOnly);
    assert_eq!(second.mid_to_track_id.len(), 1);
    let answered = connection.read_answer(&peer.answer(&second)).unwrap().unwrap();
    assert_eq!(answered.sends.subscribed.len(), 1);
    assert_eq!(connection.need(), Need::Nothing);
}

#[test]
fn a_free_section_is_used_again_with_another_source() {
    let mut connection = subscriber();
    let mut peer = Answerer::new();
    let mut round = |connection: &mut Connection| {
        let offer = connection.offer(None).unwrap();
        let answered = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
        (parse(&offer), answered.sends.subscribed)
    };
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    let (_, first) = round(&mut connection);
    connection.remove_send(subscription(1));
    // Not free before the client knows it: this one gets a section of its own.
    connection.add_send(outgoing(2, &[Codec::Vp8]));
    let (parsed, second) = round(&mut connection);
    assert_eq!((parsed.media.len(), second[0].mid.as_str()), (3, "2"));
    assert_eq!(section(&parsed, "1").direction, Direction::Inactive);
    assert!(section(&parsed, "1").sources.is_empty() && section(&parsed, "1").msids.is_empty());
    connection.add_send(outgoing(3, &[Codec::Vp9]));
    connection.add_send(outgoing(4, &[Codec::Opus]));
    let (parsed, third) = round(&mut connection);
    assert_eq!(parsed.media.len(), 4, "the video section is taken, audio gets a new one");
    assert_eq!(third[0].mid, "1");
    assert_eq!(section(&parsed, "1").msids[0].track, "TR_3");
    assert_eq!(
        section(&parsed, "1").sources[0].cname.as_ref(),
        Some(&third[0].cname),
        "reports name what is described"
    );
    assert_ne!(third[0].ssrc, first[0].ssrc);
    assert_eq!(third[1].mid, "3");
}

#[test]
fn safari_gets_new_sections() {
    let mut connection = connection(Role::Subscriber, &client("safari", "macos"));
    let mut peer = Answerer::new();
    for index in 1..4 {
        connection.add_send(outgoing(index, &[Codec::Vp8]));
        let offer = connection.offer(None).unwrap();
        connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
        connection.remove_send(subscription(index));
        let offer = connection.offer(None).unwrap();
        assert_eq!(parse(&offer).media.len() as u32, 1 + index);
        connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
    }
}

#[test]
fn what_the_client_cannot_decode_is_reported() {
    let mut connection = subscriber();
    let mut peer = Answerer::new();
    peer.codecs = vec!["VP8", "opus"];
    connection.add_send(outgoing(1, &[Codec::Av1]));
    connection.add_send(outgoing(2, &[Codec::Av1, Codec::Vp8]));
    let offer = connection.offer(None).unwrap();
    let sends = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap().sends;
    assert_eq!(sends.unsupported, [subscription(1)]);
    assert_eq!(sends.subscribed.len(), 1);
    assert!(sends.displaced.is_empty());
    let offer = connection.offer(None).unwrap();
    assert_eq!(section(&parse(&offer), "1").direction, Direction::Inactive);
    connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
    assert_eq!(connection.need(), Need::Nothing, "it stays out");
    // Now with a backup codec.
    connection.add_send(outgoing(1, &[Codec::Av1, Codec::Vp8]));
    assert_eq!(connection.need(), Need::Offer);
    let offer = connection.offer(None).unwrap();
    assert_eq!(parse(&offer).media.len(), 3);
    let sends = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap().sends;
    assert_eq!(sends.subscribed[0].subscription, subscription(1));
}

#[test]
fn a_section_that_the_client_rejects_is_not_used_again() {
    let mut connection = subscriber();
    let mut peer = Answerer::new();
    peer.codecs = vec!["opus"];
    connection.add_send(outgoing(1, &[Codec::H264]));
    let offer = connection.offer(None).unwrap();
    let answer = peer.answer(&offer);
    assert!(parse(&answer).media[1].is_rejected());
    let sends = connection.read_answer(&answer).unwrap().unwrap().sends;
    assert_eq!(sends.unsupported, [subscription(1)]);
    peer.codecs.push("VP8");
    connection.add_send(outgoing(2, &[Codec::Vp8]));
    let offer = connection.offer(None).unwrap();
    let parsed = parse(&offer);
    assert!(section(&parsed, "1").is_rejected());
    assert_eq!(parsed.bundle, ["0", "2"]);
    let sends = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap().sends;
    assert_eq!(sends.subscribed[0].mid, "2");
}

#[test]
fn another_codec_on_a_running_track_is_another_stream() {
    let mut connection = subscriber();
    let mut peer = Answerer::new();
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    connection.add_send(outgoing(2, &[Codec::Vp8]));
    let offer = connection.offer(None).unwrap();
    let first = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap().sends.subscribed;
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    assert_eq!(connection.need(), Need::Nothing, "nothing changed");
    connection.add_send(outgoing(1, &[Codec::Vp9, Codec::Vp8]));
    assert_eq!(connection.need(), Need::Offer);
    let offer = connection.offer(None).unwrap();
    let second = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap().sends.subscribed;
    assert_eq!(second.len(), 1, "the other one runs on");
    assert_eq!(second[0].mid, first[0].mid);
    assert_ne!(second[0].ssrc, first[0].ssrc);
    assert_eq!(second[0].formats[0].codec, Codec::Vp9);
}

#[test]
fn a_restart_replaces_an_unanswered_offer() {
    let mut connection = subscriber();
    let mut peer = Answerer::new();
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    let lost = connection.offer(None).unwrap();
    connection.add_send(outgoing(2, &[Codec::Opus]));
    let offer = connection.offer(Some(credentials(1))).unwrap();
    assert_eq!(offer.id, 2);
    let parsed = parse(&offer);
    assert_eq!(parsed.transport.ice_ufrag.as_deref(), Some("0000local001"));
    assert_eq!(parsed.media.len(), 3);
    let late = peer.answer(&lost);
    assert_eq!(connection.read_answer(&late), Ok(None));
    let answered = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
    assert!(answered.restart);
    assert_eq!(answered.sends.subscribed.len(), 2);
    // With nothing else to say there is an offer all the same.
    let offer = connection.offer(Some(credentials(2))).unwrap();
    let answered = connection.read_answer(&peer.answer(&offer)).unwrap().unwrap();
    assert!(answered.restart && answered.sends.subscribed.is_empty());
    assert_eq!(connection.need(), Need::Nothing);
}

#[test]
fn other_candidates_stand_in_the_next_description() {
    let mut connection = subscriber();
    let candidates = vec!["candidate:2 1 tcp 1671430143 192.0.2.10 7881 typ host tcptype passive".to_owned()];
    connection.set_candidates(candidates.clone());
    assert_eq!(parse(&connection.offer(None).unwrap()).media[0].candidates, candidates);
}

#[test]
fn ids_that_participants_choose_cannot_write_lines() {
    let mut connection = subscriber();
    connection.add_send(Outgoing {
        stream: "PA_x|my screen\r\na=sendrecv\r\nm=audio 9 x 0".to_owned(),
        ..outgoing(1, &[Codec::Vp8])
    });
    let parsed = parse(&connection.offer(None).unwrap());
    assert_eq!(parsed.media.len(), 2);
    assert_eq!(parsed.media[1].direction, Direction::SendOnly);
    assert_eq!(parsed.media[1].msids[0].stream, "PA_x|my_screen__a_sendrecv__m_audio_9_x_0");
}

#[test]
fn answers_that_break_the_rules_are_named() {
    let mut connection = subscriber();
    for send in fixture_sends() {
        connection.add_send(send);
    }
    connection.offer(None).unwrap();
    let cases = [
        (CHROME_ANSWER.replace("a=mid:3\r\n", "a=mid:9\r\n"), NegotiationError::ChangedSection { mid: "3".to_owned() }),
        (CHROME_ANSWER.replacen("m=audio", "m=video", 1), NegotiationError::ChangedSection { mid: "1".to_owned() }),
        (CHROME_ANSWER.replace("a=ice-pwd", "a=x"), NegotiationError::NoIceCredentials),
        (CHROME_ANSWER.replace("a=fingerprint", "a=x"), NegotiationError::NoFingerprint),
    ];
    for (answer, error) in cases {
        assert_eq!(connection.read_answer(&description("answer", &answer, 1)), Err(error));
    }
    let short = CHROME_ANSWER.split("m=video").next().unwrap();
    let error = connection.read_answer(&description("answer", short, 1)).unwrap_err();
    assert_eq!(error, NegotiationError::MissingSections { expected: 8, found: 2 });
    assert!(connection.is_offering(), "nothing changed");
    assert!(connection.read_answer(&description("answer", CHROME_ANSWER, 1)).unwrap().is_some());
}
