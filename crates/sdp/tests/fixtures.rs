//! Descriptions of real clients: what is read from them, and that writing and reading again changes nothing.

use tutti_sdp::{
    Direction, Feedback, GroupSemantics, Hash, MediaKind, Protocol, RidDirection, SessionDescription, Setup,
};

macro_rules! fixtures {
    ($($name:ident),* $(,)?) => {
        /// Every fixture by name.
        const FIXTURES: &[(&str, &str)] =
            &[$((stringify!($name), include_str!(concat!("fixtures/", stringify!($name), ".sdp")))),*];
    };
}

fixtures! {
    chrome_data_offer, chrome_publish_av1_svc_offer, chrome_publish_h264_offer, chrome_publish_vp8_offer,
    chrome_publish_vp9_svc_offer, chrome_single_offer, chrome_single_publish_offer,
    chrome_subscriber_answer, firefox_publish_offer,
    firefox_single_offer, libwebrtc_publish_offer, libwebrtc_single_offer, pion_publish_offer,
    pion_subscriber_answer, safari_publish_offer,
}

fn read(name: &str) -> SessionDescription {
    let text = FIXTURES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text).unwrap();
    SessionDescription::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_fixture_survives_a_round_trip() {
    for (name, text) in FIXTURES {
        let first = read(name);
        let again = SessionDescription::parse(&first.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"));
        // The writer has its own origin; everything else must come back.
        assert_eq!(first, again, "{name}");
        let lf = SessionDescription::parse(&text.replace("\r\n", "\n")).unwrap();
        assert_eq!(first, lf, "{name} with LF");
    }
}

#[test]
fn every_fixture_has_its_sections() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("chrome_data_offer", &["application"], "0"),
        ("chrome_publish_vp8_offer", &["audio", "video", "application"], "0 1 2"),
        (
            "chrome_single_offer",
            &["audio", "audio", "audio", "video", "video", "video", "application"],
            "0 1 2 3 4 5 6",
        ),
        ("firefox_publish_offer", &["application", "audio", "video"], "0 1 2"),
        ("libwebrtc_publish_offer", &["application", "audio", "video"], "0 1 2"),
        ("pion_publish_offer", &["audio", "video", "video", "application"], "0 1 2 3"),
        ("safari_publish_offer", &["application", "audio", "video"], "0 1 2"),
    ];
    for (name, kinds, bundle) in cases {
        let description = read(name);
        let found: Vec<&str> = description.media.iter().map(|media| media.kind.text()).collect();
        assert_eq!(found, *kinds, "{name}");
        assert_eq!(description.bundle.join(" "), *bundle, "{name}");
        let mids: Vec<&str> = description.media.iter().filter_map(|media| media.mid.as_deref()).collect();
        assert_eq!(mids.join(" "), *bundle, "{name}");
        for media in &description.media {
            assert!(!media.is_rejected(), "{name}");
            let of_session_or_section =
                |f: fn(&tutti_sdp::TransportAttributes) -> bool| f(&media.transport) || f(&description.transport);
            assert!(of_session_or_section(|t| t.ice_ufrag.is_some() && t.ice_pwd.is_some()), "{name}");
            assert!(of_session_or_section(|t| t.fingerprints.iter().any(|f| f.hash == Hash::Sha256)), "{name}");
            assert_eq!(media.transport.setup, Some(Setup::ActPass), "{name}");
            if media.kind == MediaKind::Application {
                assert_eq!(media.protocol, Protocol::DtlsSctp, "{name}");
                assert_eq!(media.format, "webrtc-datachannel", "{name}");
                assert_eq!(media.sctp_port, Some(5000), "{name}");
            } else {
                assert!(media.rtcp_mux, "{name}");
                assert!(media.payloads.iter().all(|payload| !payload.encoding.is_empty()), "{name}");
            }
        }
    }
}

#[test]
fn chrome_publisher_offer_in_detail() {
    let description = read("chrome_publish_vp8_offer");
    assert!(description.extmap_allow_mixed);
    let audio = &description.media[0];
    assert_eq!(audio.direction, Direction::SendOnly);
    let opus = audio.payload(111).unwrap();
    assert!(opus.is("OPUS"));
    assert_eq!((opus.clock_rate, opus.channels), (48_000, 2));
    assert_eq!(opus.parameter("useinbandfec"), Some("1"));
    assert!(opus.feedback.contains(Feedback::TransportCc));
    assert!(!opus.feedback.contains(Feedback::Nack));
    assert_eq!(audio.payload(63).unwrap().parameters, "111/111");
    assert_eq!(audio.sources.len(), 1);
    assert_eq!(audio.sources[0].msid.as_ref(), audio.msid());

    let video = &description.media[1];
    assert_eq!(video.payloads[0].number, 96);
    let vp8 = &video.payloads[0];
    for feedback in Feedback::ALL {
        assert!(vp8.feedback.contains(feedback), "{feedback:?}");
    }
    assert_eq!(video.payload(97).unwrap().retransmits(), Some(96));
    assert_eq!(vp8.retransmits(), None);
    let rids: Vec<(&str, RidDirection)> = video.rids.iter().map(|rid| (rid.id.as_str(), rid.direction)).collect();
    assert_eq!(rids, [("q", RidDirection::Send), ("h", RidDirection::Send), ("f", RidDirection::Send)]);
    assert_eq!(video.simulcast.as_ref().unwrap().send, ["q", "h", "f"]);
    assert!(video.sources.is_empty());
    assert!(video.extensions.iter().any(|e| e.id == 4 && e.uri == "urn:ietf:params:rtp-hdrext:sdes:mid"));
    assert_eq!(description.media[2].max_message_size, Some(262_144));
}

#[test]
fn firefox_formats_may_stand_before_their_names() {
    let description = read("firefox_publish_offer");
    let video = &description.media[2];
    let h264 = video.payload(126).unwrap();
    assert!(h264.is("H264"));
    assert_eq!(h264.parameter("packetization-mode"), Some("1"));
    assert_eq!(h264.parameter("PROFILE-LEVEL-ID"), Some("42e01f"));
    assert_eq!(video.payload(127).unwrap().retransmits(), Some(126));
    let directed = video.extensions.iter().find(|e| e.uri.ends_with("rtp-stream-id")).unwrap();
    assert_eq!((directed.id, directed.direction), (9, Some(Direction::SendOnly)));
    assert_eq!(video.sources.len(), 6);
    assert_eq!(video.source_groups.len(), 3);
    assert_eq!(video.source_groups[0].semantics, GroupSemantics::Fid);
    assert_eq!(video.source_groups[0].ssrcs, [1_012_345_671, 2_012_345_671]);
    // The fingerprint stands in the session only.
    assert!(video.transport.fingerprints.is_empty());
    let [fingerprint] = description.transport.fingerprints.as_slice() else { panic!("one certificate") };
    assert_eq!((&fingerprint.hash, fingerprint.digest[0]), (&Hash::Sha256, 0xa3));
}

#[test]
fn answers_say_who_starts_the_handshake() {
    for (name, setup, sections) in
        [("chrome_subscriber_answer", Setup::Active, 8), ("pion_subscriber_answer", Setup::Passive, 8)]
    {
        let answer = read(name);
        assert_eq!(answer.media.len(), sections, "{name}");
        for media in &answer.media {
            assert_eq!(media.transport.setup, Some(setup), "{name}");
            let directions = [Direction::RecvOnly, Direction::SendRecv];
            assert!(directions.contains(&media.direction), "{name}");
        }
    }
}

#[test]
fn candidates_keep_their_text() {
    let description = read("chrome_single_offer");
    let candidate = &description.media[0].candidates[0];
    assert!(candidate.starts_with("candidate:") && candidate.contains(" typ host"), "{candidate}");
}

#[test]
fn truncated_fixtures_are_read_or_refused() {
    for (name, text) in FIXTURES {
        // Every byte of a short one; the long ones repeat themselves.
        let step = if text.len() < 4000 { 1 } else { 1 + text.len() / 200 };
        for end in (0..text.len()).step_by(step) {
            if let Ok(description) = SessionDescription::parse(&text[..end]) {
                let written = description.to_string();
                let again = SessionDescription::parse(&written);
                assert!(again.is_ok(), "{name} cut at {end}: {again:?}");
            }
        }
    }
}
