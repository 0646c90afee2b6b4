//! The client publishes: answers to the offers of real clients.

use std::collections::BTreeMap;

use tutti_forward::{LayerMode, PayloadFormat};
use tutti_rtp::{Codec, Extension, MediaKind};
use tutti_sdp::{Direction, Feedback, RidDirection, Setup};
use tutti_transport::DtlsRole;

use super::fixtures::*;
use super::*;
use crate::negotiation::{Answered, Ended, NegotiationError};

/// Answers `sdp` as the first offer; the first audio section gets track 1, the first video section track 2.
fn answer(client: &proto::ClientInfo, sdp: &str, adapt: impl Fn(MediaKind, &mut SectionPolicy)) -> Answered {
    let mut connection = connection(Role::Publisher, client);
    let offered = connection.read_offer(&description("offer", sdp, 5)).unwrap();
    let mut policies = BTreeMap::new();
    for section in &offered.sections {
        let mut policy = policy(if section.kind == MediaKind::Audio { 1 } else { 2 });
        adapt(section.kind, &mut policy);
        if policies.values().all(|other: &SectionPolicy| other.track != policy.track) {
            policies.insert(section.mid.clone(), policy);
        }
    }
    connection.answer(&policies).unwrap()
}

fn prefer(codec: Codec) -> impl Fn(MediaKind, &mut SectionPolicy) {
    move |kind, policy| {
        if kind == codec.kind() {
            policy.codec = Some(codec);
        }
    }
}

fn codecs(formats: &[PayloadFormat]) -> Vec<Codec> {
    let mut codecs: Vec<Codec> = formats.iter().map(|format| format.codec).collect();
    codecs.dedup();
    codecs
}

#[test]
fn every_answer_mirrors_its_offer() {
    for (name, sdp) in [
        ("chrome data", CHROME_DATA),
        ("chrome vp8", CHROME_VP8),
        ("chrome h264", CHROME_H264),
        ("chrome vp9", CHROME_VP9),
        ("chrome av1", CHROME_AV1),
        ("firefox", FIREFOX),
        ("libwebrtc", LIBWEBRTC),
        ("pion", PION),
        ("safari", SAFARI),
    ] {
        let answered = answer(&plain(), sdp, |_, _| {});
        let offer = SessionDescription::parse(sdp).unwrap();
        let answer = parse(&answered.description);
        assert_eq!(answered.description.id, 5, "{name}");
        assert_eq!(answered.description.r#type, "answer", "{name}");
        assert!(answered.description.mid_to_track_id.is_empty(), "{name}");
        assert_eq!(answer.media.len(), offer.media.len(), "{name}");
        assert_eq!(answer.bundle, offer.bundle, "{name}");
        assert!(answer.ice_lite && answer.transport.trickle, "{name}");
        assert_eq!(answer.transport.ice_ufrag.as_deref(), Some("0000local000"), "{name}");
        assert_eq!(answer.extmap_allow_mixed, offer.extmap_allow_mixed, "{name}");
        let remote = answered.remote.as_ref().unwrap();
        assert_eq!(remote.dtls_role, DtlsRole::Server, "{name}");
        assert!(remote.data_channels, "{name}");
        assert!(!answered.restart && answered.ended.is_empty() && answered.refused.is_empty(), "{name}");
        for (theirs, ours) in offer.media.iter().zip(&answer.media) {
            assert_eq!((&ours.kind, &ours.mid), (&theirs.kind, &theirs.mid), "{name}");
            assert_eq!(ours.transport.setup, Some(Setup::Passive), "{name}");
            assert!(!ours.end_of_candidates, "{name}");
            for payload in &ours.payloads {
                let of = theirs.payload(payload.number).unwrap_or_else(|| panic!("{name}: {payload:?}"));
                assert_eq!((&of.encoding, of.clock_rate), (&payload.encoding, payload.clock_rate), "{name}");
                assert_eq!(payload.feedback.intersection(of.feedback), payload.feedback, "{name}");
            }
            for extension in &ours.extensions {
                let same = |e: &&tutti_sdp::ExtensionMapping| e.uri == extension.uri && e.id == extension.id;
                assert!(theirs.extensions.iter().any(|e| same(&e)), "{name}: {extension:?}");
            }
            if ours.kind != tutti_sdp::MediaKind::Application {
                assert_eq!(ours.direction, Direction::RecvOnly, "{name}");
                assert!(ours.rtcp_mux, "{name}");
            }
        }
        let candidates = answer.media.iter().map(|section| section.candidates.len());
        assert_eq!(candidates.sum::<usize>(), 1, "{name}: in the tagged section alone");
    }
}

#[test]
fn audio_puts_red_first_and_asks_for_dtx() {
    let answered = answer(&plain(), CHROME_VP8, |_, _| {});
    let answer = parse(&answered.description);
    let audio = section(&answer, "0");
    assert_eq!(numbers(audio), [63, 111, 0, 8]);
    assert_eq!(audio.payload(63).unwrap().parameters, "111/111");
    let opus = audio.payload(111).unwrap();
    assert_eq!(opus.parameters, "minptime=10;useinbandfec=1;usedtx=1");
    assert!(opus.feedback.contains(Feedback::TransportCc));
    let published = &answered.published[0];
    assert_eq!(published.mime_type, "audio/red");
    assert_eq!(published.publish.track, track(1));
    assert_eq!(published.publish.extensions.id(Extension::AudioLevel), Some(1));
    assert_eq!(published.publish.extensions.id(Extension::Mid), Some(4));
    assert!(published.publish.transport_cc);
    assert!(published.publish.encodings[0].ssrc.is_some());

    let nacks = answer_audio_feedback(LIBWEBRTC);
    assert!(nacks.contains(Feedback::Nack), "offered, so accepted");
}

fn answer_audio_feedback(sdp: &str) -> tutti_sdp::FeedbackSet {
    let answered = answer(&plain(), sdp, |_, _| {});
    let answer = parse(&answered.description);
    let audio = answer.media.iter().find(|section| section.kind == tutti_sdp::MediaKind::Audio).unwrap();
    audio.payload(111).unwrap().feedback
}

#[test]
fn audio_policies_change_the_answer() {
    let plain_answer = |adapt: fn(&mut SectionPolicy)| {
        let answered = answer(&plain(), CHROME_VP8, |_, policy| adapt(policy));
        let answer = parse(&answered.description);
        let audio = section(&answer, "0").clone();
        (numbers(&audio), audio.payload(111).unwrap().parameters.clone(), answered.published[0].mime_type.clone())
    };
    let (numbers, parameters, mime) = plain_answer(|policy| policy.red = false);
    assert_eq!((numbers.as_slice(), mime.as_str()), (&[111, 0, 8][..], "audio/opus"));
    assert_eq!(parameters, "minptime=10;useinbandfec=1;usedtx=1");
    let (_, parameters, _) = plain_answer(|policy| policy.dtx = false);
    assert_eq!(parameters, "minptime=10;useinbandfec=1");
    let (_, parameters, _) = plain_answer(|policy| policy.stereo = true);
    assert_eq!(parameters, "minptime=10;useinbandfec=1;usedtx=1;stereo=1;maxaveragebitrate=510000");
    let (numbers, _, mime) = plain_answer(|policy| policy.codec = Some(Codec::Pcmu));
    assert_eq!((numbers.as_slice(), mime.as_str()), (&[0, 111, 8, 63][..], "audio/PCMU"));
}

#[test]
fn simulcast_is_accepted_layer_by_layer() {
    for (name, sdp, mid) in [("chrome", CHROME_VP8, "1"), ("firefox", FIREFOX, "2"), ("libwebrtc", LIBWEBRTC, "2")] {
        let answered = answer(&plain(), sdp, prefer(Codec::Vp8));
        let answer = parse(&answered.description);
        let video = section(&answer, mid);
        let rids: Vec<(&str, RidDirection)> = video.rids.iter().map(|rid| (rid.id.as_str(), rid.direction)).collect();
        assert_eq!(rids, [("q", RidDirection::Recv), ("h", RidDirection::Recv), ("f", RidDirection::Recv)], "{name}");
        let simulcast = video.simulcast.as_ref().unwrap();
        assert_eq!(simulcast.recv, ["q", "h", "f"], "{name}");
        assert!(simulcast.send.is_empty(), "{name}");
        let publish = &answered.published[1].publish;
        let encodings: Vec<_> =
            publish.encodings.iter().map(|e| (e.rid.as_deref().unwrap(), e.spatial, e.ssrc)).collect();
        assert_eq!(encodings, [("q", 0, None), ("h", 1, None), ("f", 2, None)], "{name}");
        assert_eq!(publish.layer_mode, LayerMode::Simulcast, "{name}");
        assert_eq!(publish.formats[0].codec, Codec::Vp8, "{name}");
        assert!(publish.formats[0].nack && publish.formats[0].rtx_payload_type.is_some(), "{name}");
        assert!(publish.extensions.id(Extension::Rid).is_some(), "{name}");
        assert!(publish.extensions.id(Extension::RepairedRid).is_some(), "{name}");
        assert!(publish.transport_cc, "{name}");
        let feedback = video.payloads[0].feedback;
        for wanted in [Feedback::CcmFir, Feedback::Nack, Feedback::NackPli, Feedback::TransportCc] {
            assert!(feedback.contains(wanted), "{name}: {wanted:?}");
        }
        assert!(!feedback.contains(Feedback::GoogRemb), "{name}");
    }
}

#[test]
fn layers_follow_the_request_not_the_offer() {
    let rids = |stated: &[&str], sdp: &str| {
        let stated: Vec<String> = stated.iter().map(|rid| (*rid).to_owned()).collect();
        let answered = answer(&plain(), sdp, |_, policy| policy.rids.clone_from(&stated));
        let encodings = answered.published[1].publish.encodings.clone();
        assert!(encodings.iter().zip(0..).all(|(encoding, spatial)| encoding.spatial == spatial));
        encodings.into_iter().filter_map(|encoding| encoding.rid).collect::<Vec<_>>()
    };
    let reversed = CHROME_VP8.replace("send q;h;f", "send f;h;q");
    assert_eq!(rids(&[], &reversed), ["q", "h", "f"]);
    assert_eq!(rids(&["h", "q", "f"], CHROME_VP8), ["h", "q", "f"]);
    assert_eq!(rids(&["h", "zz"], CHROME_VP8), ["h", "q", "f"]);
    let numbered = |line: &str| match line {
        "a=rid:q send" => "a=rid:2 send".to_owned(),
        "a=rid:h send" => "a=rid:1 send".to_owned(),
        "a=rid:f send" => "a=rid:0 send".to_owned(),
        "a=simulcast:send q;h;f" => "a=simulcast:send 0;1;2".to_owned(),
        other => other.to_owned(),
    };
    let numbered: String = CHROME_VP8.lines().map(|line| numbered(line) + "\r\n").collect();
    assert_eq!(rids(&[], &numbered), ["2", "1", "0"]);
    let own = CHROME_VP8.replace("a=rid:q send", "a=rid:low send").replace("send q;h;f", "send low;h;f");
    assert_eq!(rids(&[], &own), ["low", "h", "f"]);
}

#[test]
fn simulcast_by_ssrc_group_is_taken_from_old_clients() {
    let sdp = SAFARI.replace(
        "a=ssrc-group:FID 1234567001 1234567002\r\n",
        "a=ssrc-group:SIM 11 22 33\r\na=ssrc-group:FID 11 111\r\na=ssrc-group:FID 22 222\r\na=ssrc-group:FID 33 333\r\n",
    );
    let publish = answer(&plain(), &sdp, |_, _| {}).published[1].publish.clone();
    let encodings: Vec<_> = publish.encodings.iter().map(|e| (e.rid.clone(), e.ssrc, e.rtx_ssrc, e.spatial)).collect();
    let expected = [(None, Some(11), Some(111), 0), (None, Some(22), Some(222), 1), (None, Some(33), Some(333), 2)];
    assert_eq!(encodings, expected);
    assert_eq!(publish.layer_mode, LayerMode::Simulcast);

    let publish = answer(&plain(), SAFARI, |_, _| {}).published[1].publish.clone();
    assert_eq!(publish.encodings.len(), 1);
    assert_eq!((publish.encodings[0].ssrc, publish.encodings[0].rtx_ssrc), (Some(1_234_567_001), Some(1_234_567_002)));
}

#[test]
fn svc_is_one_stream() {
    for (sdp, codec) in [(CHROME_VP9, Codec::Vp9), (CHROME_AV1, Codec::Av1)] {
        let answered = answer(&plain(), sdp, |kind, policy| {
            prefer(codec)(kind, policy);
            policy.layer_mode = Some(LayerMode::Svc);
        });
        let publish = &answered.published[1].publish;
        assert_eq!(publish.formats[0].codec, codec);
        assert_eq!(answered.published[1].mime_type, format!("video/{}", codec.name()));
        assert_eq!(publish.layer_mode, LayerMode::Svc);
        assert_eq!(publish.encodings.len(), 1);
        assert!(publish.encodings[0].ssrc.is_some() && publish.encodings[0].rtx_ssrc.is_some());
        assert!(publish.extensions.id(Extension::DependencyDescriptor).is_some());
    }
    // Several streams are simulcast, whatever was announced.
    let publish =
        answer(&plain(), CHROME_VP8, |_, policy| policy.layer_mode = Some(LayerMode::Svc)).published[1].publish.clone();
    assert_eq!(publish.layer_mode, LayerMode::Simulcast);
}

#[test]
fn the_preferred_codec_comes_first() {
    let first = |client: &proto::ClientInfo, sdp: &str, codec| {
        codecs(&answer(client, sdp, prefer(codec)).published[1].publish.formats)
    };
    assert_eq!(first(&plain(), CHROME_VP8, Codec::H264), [Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1]);
    assert_eq!(first(&plain(), CHROME_VP8, Codec::Av1)[0], Codec::Av1);
    assert_eq!(first(&plain(), SAFARI, Codec::H265)[0], Codec::H265);
    // Not offered: the client's own order stands.
    assert_eq!(first(&plain(), CHROME_VP8, Codec::H265)[0], Codec::Vp8);
    assert_eq!(first(&client("firefox", "windows"), FIREFOX, Codec::Vp9).len(), 4);
    assert_eq!(first(&client("firefox", "linux"), FIREFOX, Codec::Vp9), [Codec::Vp9]);
    assert_eq!(first(&client("firefox", "linux"), FIREFOX, Codec::H264), [Codec::Vp8]);
    assert_eq!(first(&client("safari", "macos"), SAFARI, Codec::Av1)[0], Codec::H264);
}

#[test]
fn h264_prefers_what_most_receivers_take() {
    let formats = |sdp: &str| {
        let publish = answer(&plain(), sdp, prefer(Codec::H264)).published[1].publish.clone();
        let of = publish.formats.into_iter().filter(|format| format.codec == Codec::H264);
        of.map(|format| (format.payload_type, format.profile)).collect::<Vec<_>>()
    };
    let [mode_1, mode_0] = [0x42_e001, 0x42_e000];
    assert_eq!(formats(CHROME_H264), [(108, mode_1), (102, mode_1), (114, mode_0), (104, mode_0)]);
    assert_eq!(formats(FIREFOX), [(126, mode_1), (105, mode_1), (97, mode_0), (103, mode_0)]);
    assert_eq!(formats(SAFARI), [(98, mode_1)]);
    // A client with nothing but a high profile may use it.
    let high = SAFARI.replace("profile-level-id=42e01f", "profile-level-id=640c1f");
    assert_eq!(formats(&high), [(96, 0x64_0001), (98, 0x64_0001)]);
}

#[test]
fn only_enabled_codecs_are_answered() {
    let local = LocalParameters {
        ice: credentials(0),
        ice_lite: true,
        fingerprint: Fingerprint([1; 32]),
        candidates: Vec::new(),
    };
    let codecs = CodecPolicy::new(vec![Codec::Pcmu, Codec::Vp9]);
    let mut connection = Connection::new(Role::Publisher, Peer::from_client(&plain()), codecs, local.clone(), 3);
    let offered = connection.read_offer(&description("offer", CHROME_VP8, 1)).unwrap();
    let found: Vec<_> = offered.sections.iter().map(|section| section.codecs.clone()).collect();
    assert_eq!(found, [vec![Codec::Pcmu], vec![Codec::Vp9]]);
    let answer = parse(&connection.answer(&BTreeMap::new()).unwrap().description);
    assert_eq!(numbers(section(&answer, "0")), [0]);
    assert_eq!(numbers(section(&answer, "1")), [98, 99, 100, 101]);

    // No codec in common: the section is refused, the others live.
    let codecs = CodecPolicy::new(vec![Codec::Opus, Codec::H265]);
    let mut connection = Connection::new(Role::Publisher, Peer::from_client(&plain()), codecs, local, 3);
    let offered = connection.read_offer(&description("offer", CHROME_VP8, 1)).unwrap();
    assert_eq!(offered.sections.len(), 1);
    let answered = connection.answer(&BTreeMap::new()).unwrap();
    assert_eq!(answered.refused.iter().map(|refused| refused.mid.as_str()).collect::<Vec<_>>(), ["1"]);
    let answer = parse(&answered.description);
    assert!(section(&answer, "1").is_rejected());
    assert_eq!(answer.bundle, ["0", "2"]);
}

#[test]
fn a_track_may_come_after_its_section() {
    let mut connection = connection(Role::Publisher, &plain());
    let offered = connection.read_offer(&description("offer", CHROME_VP8, 1)).unwrap();
    assert!(offered.sections.iter().all(|section| section.track.is_none()));
    let cid = offered.sections[1].cid.clone();
    assert_eq!(offered.sections[1].rids, ["q", "h", "f"]);
    assert_eq!(offered.sections[1].stream, offered.sections[0].stream);
    let answered = connection.answer(&BTreeMap::new()).unwrap();
    assert_eq!(answered.waiting, ["0", "1"]);
    assert!(answered.published.is_empty());
    let answer = parse(&answered.description);
    assert_eq!(section(&answer, "1").direction, Direction::RecvOnly);
    // Nobody asked for RED, so the client keeps its own order.
    assert_eq!(numbers(section(&answer, "0")), [111, 63, 0, 8]);

    let published = connection.attach("1", policy(2)).unwrap();
    assert_eq!(published.publish.track, track(2));
    assert_eq!(published.cid, cid);
    assert_eq!(published.publish.encodings.len(), 3);
    assert_eq!(connection.attach("1", policy(3)), Err(NegotiationError::UnknownSection("1".to_owned())));
    assert_eq!(connection.attach("2", policy(3)), Err(NegotiationError::UnknownSection("2".to_owned())));

    // The next round goes on with it.
    let offered = connection.read_offer(&description("offer", CHROME_VP8, 2)).unwrap();
    let tracks: Vec<_> = offered.sections.iter().map(|section| section.track).collect();
    assert_eq!(tracks, [None, Some(track(2))]);
    let answered = connection.answer(&BTreeMap::from([("0".to_owned(), policy(1))])).unwrap();
    assert_eq!(answered.published.len(), 1);
    assert_eq!(answered.published[0].publish.track, track(1));
    assert!(answered.waiting.is_empty());
}

#[test]
fn unpublishing_is_an_offer_without_the_track() {
    let mut connection = connection(Role::Publisher, &plain());
    let mut round = |sdp: &str, id, policies: &[(&str, u32)]| {
        let offered = connection.read_offer(&description("offer", sdp, id)).unwrap();
        let policies = policies.iter().map(|(mid, index)| ((*mid).to_owned(), policy(*index))).collect();
        let answered = connection.answer(&policies).unwrap();
        assert_eq!(offered.ended, answered.ended);
        (offered, answered)
    };
    round(CHROME_VP8, 1, &[("0", 1), ("1", 2)]);
    let video = CHROME_VP8.find("m=video").unwrap();
    let (audio_part, video_part) = CHROME_VP8.split_at(video);

    let inactive = format!("{audio_part}{}", video_part.replace("a=sendonly", "a=inactive"));
    let (_, answered) = round(&inactive, 2, &[]);
    assert_eq!(answered.ended, [Ended { mid: "1".to_owned(), track: track(2) }]);
    assert_eq!(section(&parse(&answered.description), "1").direction, Direction::Inactive);
    assert!(answered.published.is_empty());

    // Another track on the same section.
    let cid = SessionDescription::parse(CHROME_VP8).unwrap().media[1].msid().unwrap().track.clone();
    let again = CHROME_VP8.replace(&cid, "another");
    let (offered, answered) = round(&again, 3, &[("1", 3)]);
    assert_eq!(offered.sections[1].cid, "another");
    assert!(answered.ended.is_empty());
    assert_eq!(answered.published[0].publish.track, track(3));

    // A swap in one offer ends one and begins the other.
    let (offered, answered) = round(CHROME_VP8, 4, &[("1", 4)]);
    assert_eq!(answered.ended, [Ended { mid: "1".to_owned(), track: track(3) }]);
    assert_eq!(offered.sections[1].track, None);
    assert_eq!(answered.published[0].publish.track, track(4));

    // A stopped section.
    let stopped = format!("{audio_part}{}", video_part.replacen("m=video 9", "m=video 0", 1));
    let (_, answered) = round(&stopped, 5, &[]);
    assert_eq!(answered.ended, [Ended { mid: "1".to_owned(), track: track(4) }]);
    assert_eq!(parse(&answered.description).bundle, ["0", "2"]);
    assert!(answered.refused.is_empty());

    // Its place may be taken by a section with another name.
    let recycled = CHROME_VP8.replace("a=mid:1", "a=mid:x").replace("BUNDLE 0 1 2", "BUNDLE 0 x 2");
    let (offered, answered) = round(&recycled, 6, &[("x", 5)]);
    assert_eq!(offered.sections[1].mid, "x");
    assert_eq!(answered.published[0].publish.mid, "x");
}

#[test]
fn a_track_that_the_server_took_away_is_not_offered_again() {
    let mut connection = connection(Role::Publisher, &plain());
    connection.read_offer(&description("offer", CHROME_VP8, 1)).unwrap();
    let policies = BTreeMap::from([("0".to_owned(), policy(1)), ("1".to_owned(), policy(2))]);
    connection.answer(&policies).unwrap();
    connection.detach("1");
    let offered = connection.read_offer(&description("offer", CHROME_VP8, 2)).unwrap();
    assert_eq!(offered.sections.len(), 1);
    assert!(offered.ended.is_empty(), "the server knows");
    let answered = connection.answer(&BTreeMap::new()).unwrap();
    assert!(answered.waiting.is_empty() && answered.published.is_empty());
    assert_eq!(section(&parse(&answered.description), "1").direction, Direction::Inactive);
    // Another track on it is welcome.
    let cid = SessionDescription::parse(CHROME_VP8).unwrap().media[1].msid().unwrap().track.clone();
    let offered = connection.read_offer(&description("offer", &CHROME_VP8.replace(&cid, "new"), 3)).unwrap();
    assert_eq!(offered.sections[1].cid, "new");
}

#[test]
fn a_restart_is_seen_and_answered_with_our_new_credentials() {
    let mut connection = connection(Role::Publisher, &plain());
    connection.read_offer(&description("offer", CHROME_VP8, 1)).unwrap();
    let first = connection.answer(&BTreeMap::new()).unwrap();
    let ufrag = first.remote.as_ref().unwrap().ice.ufrag.clone();
    let restarted = CHROME_VP8.replace(&format!("a=ice-ufrag:{ufrag}"), "a=ice-ufrag:new1");
    assert!(connection.read_offer(&description("offer", &restarted, 2)).unwrap().restart);
    connection.restart(credentials(1));
    let answered = connection.answer(&BTreeMap::new()).unwrap();
    assert!(answered.restart);
    assert_eq!(answered.remote.as_ref().unwrap().ice.ufrag, "new1");
    let answer = parse(&answered.description);
    assert_eq!(answer.transport.ice_ufrag.as_deref(), Some("0000local001"));
    assert_eq!(answer.session_version, parse(&first.description).session_version + 1);
    assert_eq!(answer.session_id, parse(&first.description).session_id);
}

#[test]
fn the_handshake_role_is_fixed_by_the_first_offer() {
    for (setup, role, answered_setup) in [
        ("actpass", DtlsRole::Server, Setup::Passive),
        ("active", DtlsRole::Server, Setup::Passive),
        ("passive", DtlsRole::Client, Setup::Active),
    ] {
        let mut connection = connection(Role::Publisher, &plain());
        let sdp = CHROME_VP8.replace("a=setup:actpass", &format!("a=setup:{setup}"));
        connection.read_offer(&description("offer", &sdp, 1)).unwrap();
        let answered = connection.answer(&BTreeMap::new()).unwrap();
        assert_eq!(answered.remote.as_ref().unwrap().dtls_role, role, "{setup}");
        assert_eq!(parse(&answered.description).media[0].transport.setup, Some(answered_setup), "{setup}");
        connection.read_offer(&description("offer", CHROME_VP8, 2)).unwrap();
        assert_eq!(connection.answer(&BTreeMap::new()).unwrap().remote.unwrap().dtls_role, role, "{setup}");
    }
}

#[test]
fn bad_offers_are_named_and_change_nothing() {
    let broken = |from: &str, to: &str| CHROME_VP8.replace(from, to);
    let cases: &[(&str, NegotiationError)] = &[
        (&broken("a=ice-ufrag:", "a=x:"), NegotiationError::NoIceCredentials),
        (&broken("a=ice-pwd:", "a=ice-pwd:short\r\na=x:"), NegotiationError::NoIceCredentials),
        (&broken("a=fingerprint:", "a=x:"), NegotiationError::NoFingerprint),
        (
            &broken("a=fingerprint:sha-256", "a=fingerprint:md5"),
            NegotiationError::UnsupportedFingerprint("md5".to_owned()),
        ),
        (&broken("a=mid:1\r\n", "a=mid:0\r\n"), NegotiationError::DuplicateMid("0".to_owned())),
        (CHROME_DATA, NegotiationError::MissingSections { expected: 3, found: 1 }),
        (&broken("m=video", "m=audio"), NegotiationError::ChangedSection { mid: "1".to_owned() }),
    ];
    let mut connection = connection(Role::Publisher, &plain());
    connection.read_offer(&description("offer", CHROME_VP8, 1)).unwrap();
    connection.answer(&BTreeMap::from([("0".to_owned(), policy(1))])).unwrap();
    for (sdp, error) in cases {
        assert_eq!(connection.read_offer(&description("offer", sdp, 2)).as_ref(), Err(error));
    }
    let swapped = CHROME_VP8.replace("a=mid:1\r\n", "a=mid:t\r\n").replace("a=mid:2\r\n", "a=mid:1\r\n");
    let error = connection.read_offer(&description("offer", &swapped, 2)).unwrap_err();
    assert_eq!(error, NegotiationError::ChangedSection { mid: "1".to_owned() });
    let error = connection.read_offer(&description("answer", CHROME_VP8, 2)).unwrap_err();
    assert_eq!(error, NegotiationError::WrongType { expected: "offer", found: "answer".to_owned() });
    assert!(matches!(
        connection.read_offer(&description("offer", "hello", 2)),
        Err(NegotiationError::Malformed(error)) if error.line == 1
    ));
    assert_eq!(connection.answer(&BTreeMap::new()), Err(NegotiationError::NoOffer));
    let offered = connection.read_offer(&description("offer", CHROME_VP8, 2)).unwrap();
    assert_eq!(offered.sections[0].track, Some(track(1)));
    assert!(matches!(
        connection.read_answer(&description("answer", CHROME_ANSWER, 1)),
        Err(NegotiationError::WrongRole { .. })
    ));
}

#[test]
fn strange_sections_are_rejected_alone() {
    let strange = "m=text 9 UDP/TLS/RTP/SAVPF 98\r\na=mid:t\r\na=rtcp-mux\r\na=rtpmap:98 t140/1000\r\n\
        m=video 9 RTP/SAVPF/QUIC 96\r\na=mid:v\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:w\r\na=rtpmap:96 VP8/90000\r\n\
        m=application 9 UDP/DTLS/SCTP something\r\na=mid:a\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:o\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n";
    let sdp = CHROME_VP8.replace("BUNDLE 0 1 2", "BUNDLE 0 1 2 t v w a") + strange;
    let answered = answer(&plain(), &sdp, |_, _| {});
    let answer = parse(&answered.description);
    assert_eq!(answer.media.len(), 8);
    // What one section of a bundle says of its port holds for all.
    assert_eq!(answer.bundle, ["0", "1", "2", "w"]);
    assert!(!section(&answer, "w").is_rejected() && !section(&answer, "w").rtcp_mux);
    for mid in ["t", "v", "a", "o"] {
        let section = section(&answer, mid);
        assert!(section.is_rejected(), "{mid}");
        assert_eq!(section.direction, if mid == "a" { Direction::SendRecv } else { Direction::Inactive }, "{mid}");
    }
    assert_eq!(section(&answer, "a").format, "something");
}

#[test]
fn sends_are_no_matter_of_a_publisher() {
    let mut connection = connection(Role::Publisher, &plain());
    connection.add_send(outgoing(1, &[Codec::Vp8]));
    connection.read_offer(&description("offer", CHROME_SINGLE, 1)).unwrap();
    let answered = connection.answer(&BTreeMap::new()).unwrap();
    assert_eq!(answered.sends, crate::negotiation::Sends::default());
    assert_eq!(connection.need(), crate::negotiation::Need::Nothing);
    assert_eq!(connection.offer(None), None);
}
