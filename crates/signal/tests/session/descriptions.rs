//! Descriptions in both directions: their numbers, their order, what they name.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::TrackType::{Audio, Video};
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_forward::ForwardCommand;
use tutti_room::{Notice, Request, SubscriptionNumber, TrackNumber};
use tutti_sdp::SessionDescription;
use tutti_signal::{Mode, Output, Start};
use tutti_transport::TransportCommand;

use crate::stage::{
    DATA, MICROPHONE, PUBLISH, SINGLE, accepted, answer, ask, drain, joined, offer, said, start, subscribe,
};

#[test]
fn absurd_descriptions_end_in_a_leave_with_its_reason() {
    for sdp in ["", "nonsense\r\n", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtcp-mux\r\n"] {
        let now = Instant::now();
        let (mut session, _) = joined(start(Mode::Single), now);
        let offer = proto::SessionDescription { r#type: "offer".into(), sdp: sdp.into(), id: 1, ..Default::default() };
        let outputs = ask(&mut session, Ask::Offer(offer));
        let leave = said(&outputs).into_iter().find_map(|message| match message {
            Message::Leave(leave) => Some(leave),
            _ => None,
        });
        let leave = leave.unwrap_or_else(|| panic!("{sdp:?}: {outputs:?}"));
        assert_eq!(leave.reason(), proto::DisconnectReason::StateMismatch);
        assert!(matches!(outputs.last(), Some(Output::Ended)));
        assert!(ask(&mut session, Ask::Ping(1)).is_empty(), "nothing after the end");
    }
}

#[test]
fn an_answer_carries_the_number_of_its_offer() {
    for (mode, sdp) in [(Mode::Dual, PUBLISH), (Mode::Single, SINGLE)] {
        for id in [0, 1, 7] {
            let now = Instant::now();
            let (mut session, _) = joined(start(mode), now);
            let told = said(&ask(&mut session, Ask::Offer(offer(sdp, id))));
            assert_eq!(answer(&told).map(|answer| answer.id), Some(id), "{mode:?}");
            assert_eq!(told.len(), 1, "every offer gets one answer: {told:?}");
        }
    }
}

#[test]
fn an_offer_may_come_before_its_track() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let outputs = ask(&mut session, Ask::Offer(offer(PUBLISH, 1)));
    assert!(answer(&said(&outputs)).is_some());
    assert!(!outputs.iter().any(|output| matches!(output, Output::Room(_) | Output::Forward(..))), "{outputs:?}");
    session.handle_notice(now, accepted(MICROPHONE));
    let outputs = drain(&mut session);
    assert!(matches!(said(&outputs).as_slice(), [Message::TrackPublished(_)]));
    assert!(outputs.iter().any(|output| matches!(output, Output::Forward(_, ForwardCommand::Publish(_)))));
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Room(Request::Negotiated(negotiated)) if negotiated.mid == "0"))
    );
}

#[test]
fn what_names_a_track_comes_before_the_offer_that_carries_it() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let update = proto::ParticipantUpdate::default();
    session.handle_notice(now, Notice::Send(Box::new(Message::Update(update))));
    session.handle_notice(now, subscribe(1, Audio, &["audio/opus"]));
    session.flush();
    let told = said(&drain(&mut session));
    let [Message::Update(_), Message::Offer(offer)] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!(offer.mid_to_track_id.values().collect::<Vec<_>>(), ["TR_1"]);
    assert!(offer.sdp.contains("a=msid:PA_other|TR_1 TR_1\r\n"), "{}", offer.sdp);
}

/// Browsers play what shares a stream id in step; some clients cannot, and all split the id at its bar.
#[test]
fn tracks_share_a_stream_where_the_room_and_the_client_want_it() {
    for (browser, protocol, stream) in
        [("chrome", 16, "PA_other|my_camera"), ("firefox", 16, "PA_other|TR_1"), ("chrome", 9, "PA_other|TR_1")]
    {
        let now = Instant::now();
        let mut start = start(Mode::Dual);
        (start.client.browser, start.client.protocol) = (browser.into(), protocol);
        let (mut session, _) = joined(start, now);
        let Notice::Subscribe(mut given) = subscribe(1, Audio, &["audio/opus"]) else { unreachable!() };
        given.sync_stream = true;
        given.info.stream = "my|camera".into();
        session.handle_notice(now, Notice::Subscribe(given));
        session.flush();
        let told = said(&drain(&mut session));
        let [Message::Offer(offer)] = told.as_slice() else { panic!("{told:?}") };
        assert!(offer.sdp.contains(&format!("a=msid:{stream} TR_1\r\n")), "{browser}: {}", offer.sdp);
    }
}

#[test]
fn a_single_connection_is_filled_by_its_answers() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    session.handle_notice(now, subscribe(1, Audio, &["audio/opus"]));
    session.handle_notice(now, subscribe(2, Video, &["video/VP8"]));
    session.flush();
    assert!(drain(&mut session).is_empty(), "the first offer comes unasked");
    let told = said(&ask(&mut session, Ask::Offer(offer(SINGLE, 1))));
    let named = answer(&told).map(|answer| answer.mid_to_track_id.clone()).unwrap_or_default();
    let expected = [("0".to_owned(), "TR_1".to_owned()), ("3".to_owned(), "TR_2".to_owned())];
    assert_eq!(named, expected.into());

    // A track that goes needs an offer, and nothing but an offer.
    session.handle_notice(now, Notice::Unsubscribe(SubscriptionNumber(1)));
    session.flush();
    let told = said(&drain(&mut session));
    assert!(
        matches!(told.as_slice(), [Message::MediaSectionsRequirement(more)] if (more.num_audios, more.num_videos) == (0, 0)),
        "{told:?}"
    );
    let told = said(&ask(&mut session, Ask::Offer(offer(SINGLE, 2))));
    let named = answer(&told).map(|answer| answer.mid_to_track_id.clone()).unwrap_or_default();
    assert_eq!(named, [("3".to_owned(), "TR_2".to_owned())].into(), "all that are left, each time");
}

#[test]
fn a_single_connection_without_room_asks_for_it() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    ask(&mut session, Ask::Offer(offer(DATA, 1)));
    session.handle_notice(now, subscribe(1, Audio, &["audio/opus"]));
    session.handle_notice(now, subscribe(2, Video, &["video/VP8"]));
    session.handle_notice(now, subscribe(3, Video, &["video/VP8"]));
    session.flush();
    let told = said(&drain(&mut session));
    assert!(
        matches!(told.as_slice(), [Message::MediaSectionsRequirement(more)] if (more.num_audios, more.num_videos) == (1, 2)),
        "{told:?}"
    );
    session.flush();
    assert!(drain(&mut session).is_empty(), "asked once");
}

#[test]
fn a_backup_codec_stands_behind_the_primary_one() {
    for (codecs, first) in [
        (&["audio/PCMU", "audio/opus"][..], "PCMU"),
        (&["audio/opus"], "red"),
        (&["audio/red"], "red"),
        (&["audio/opus", "audio/PCMU"], "red"),
    ] {
        let now = Instant::now();
        let (mut session, _) = joined(start(Mode::Dual), now);
        session.handle_notice(now, subscribe(1, Audio, codecs));
        session.flush();
        let told = said(&drain(&mut session));
        let [Message::Offer(offer)] = told.as_slice() else { panic!("{told:?}") };
        let parsed = SessionDescription::parse(&offer.sdp).expect("our own description");
        assert!(parsed.media[1].payloads[0].encoding.eq_ignore_ascii_case(first), "{codecs:?}: {}", offer.sdp);
    }
}

#[test]
fn an_embedded_offer_is_answered_when_the_client_can_take_it() {
    let now = Instant::now();
    let client =
        |sdk: proto::client_info::Sdk| proto::ClientInfo { sdk: sdk as i32, protocol: 16, ..Default::default() };
    let (mut session, _) = joined(Start { client: client(proto::client_info::Sdk::Js), ..start(Mode::Single) }, now);
    session.handle_embedded_offer(now, offer(SINGLE, 1));
    assert!(answer(&said(&drain(&mut session))).is_some(), "at once");

    let go = || joined(Start { client: client(proto::client_info::Sdk::Go), ..start(Mode::Single) }, now).0;
    let mut session = go();
    session.handle_embedded_offer(now, offer(SINGLE, 1));
    assert!(drain(&mut session).is_empty(), "it has not applied its own offer yet");
    let init = r#"{"candidate":"candidate:1 1 udp 1 127.0.0.1 9 typ host","sdpMid":"0","sdpMLineIndex":0}"#;
    let trickle = proto::TrickleRequest { candidate_init: init.into(), ..Default::default() };
    let outputs = ask(&mut session, Ask::Trickle(trickle));
    assert!(answer(&said(&outputs)).is_some(), "its first candidate shows that it has");
    let remote = outputs.iter().position(|it| matches!(it, Output::Transport(_, TransportCommand::SetRemote(_))));
    let candidates =
        outputs.iter().filter(|it| matches!(it, Output::Transport(_, TransportCommand::AddRemoteCandidate(_))));
    assert!(remote.is_some() && candidates.count() > 0, "{outputs:?}");

    let mut session = go();
    session.handle_embedded_offer(now, offer(SINGLE, 1));
    let due = session.poll_timeout().expect("a deadline");
    assert!(due <= now + Duration::from_millis(250));
    session.handle_timeout(due);
    assert!(answer(&said(&drain(&mut session))).is_some(), "a client without candidates is answered too");

    let mut session = go();
    session.handle_embedded_offer(now, offer(SINGLE, 1));
    let told = said(&ask(&mut session, Ask::Offer(offer(SINGLE, 2))));
    let ids = told.iter().filter_map(|message| answer(std::slice::from_ref(message))).map(|answer| answer.id);
    assert_eq!(ids.collect::<Vec<_>>(), [1, 2], "every offer gets its answer");
}

/// The camera of [`PUBLISH`].
fn camera_cid() -> String {
    let parsed = SessionDescription::parse(PUBLISH).expect("a fixture");
    parsed.media[1].msid().expect("a stream").track.clone()
}

fn camera(codecs: &[(&str, &str)], mime: &str) -> Notice {
    let kind = Video as i32;
    let mode = proto::video_layer::Mode::MultipleSpatialLayersPerStream as i32;
    let asked = |(codec, cid): &(&str, &str)| proto::SimulcastCodec {
        codec: (*codec).into(),
        cid: (*cid).into(),
        video_layer_mode: mode,
        ..Default::default()
    };
    let listed = |(codec, cid): &(&str, &str)| proto::SimulcastCodecInfo {
        mime_type: format!("video/{codec}"),
        cid: (*cid).into(),
        video_layer_mode: mode,
        ..Default::default()
    };
    let cid = codecs.first().map(|(_, cid)| (*cid).to_owned()).unwrap_or_default();
    let info = proto::TrackInfo {
        sid: "TR_VCown".into(),
        r#type: kind,
        mime_type: mime.into(),
        codecs: codecs.iter().map(listed).collect(),
        ..Default::default()
    };
    let request = proto::AddTrackRequest {
        cid: cid.clone(),
        r#type: kind,
        simulcast_codecs: codecs.iter().map(asked).collect(),
        ..Default::default()
    };
    Notice::TrackAccepted { track: TrackNumber(2), cid, info: Box::new(info), request: Box::new(request) }
}

fn published(outputs: &[Output]) -> Vec<tutti_forward::PublishTrack> {
    let published = outputs.iter().filter_map(|output| match output {
        Output::Forward(_, ForwardCommand::Publish(publish)) => Some((**publish).clone()),
        _ => None,
    });
    published.collect()
}

#[test]
fn the_answer_decides_the_codec_and_how_its_layers_arrive() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    // The client asks for VP9 in layers, then offers one stream of VP8 and H.264 alone.
    let single = PUBLISH.replace("a=simulcast:send q;h;f\r\n", "").replace("VP9/90000", "x/90000");
    let single: String = single.split_inclusive("\r\n").filter(|line| !line.starts_with("a=rid:")).collect();
    session.handle_notice(now, camera(&[("VP9", &camera_cid())], "video/VP9"));
    drain(&mut session);
    let outputs = ask(&mut session, Ask::Offer(offer(&single, 1)));
    let negotiated = outputs.iter().find_map(|output| match output {
        Output::Room(Request::Negotiated(negotiated)) => Some(negotiated.mime_type.as_str()),
        _ => None,
    });
    assert_eq!(negotiated, Some("video/VP8"));
    let published = published(&outputs);
    assert_eq!(published[0].formats[0].codec, tutti_rtp::Codec::Vp8);
    assert_eq!(published[0].layer_mode, tutti_forward::LayerMode::Simulcast, "VP8 has no spatial layers in a stream");
}

#[test]
fn a_track_that_comes_after_its_offer_is_named_as_it_was_answered() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    ask(&mut session, Ask::Offer(offer(PUBLISH, 1)));
    session.handle_notice(now, camera(&[("H264", &camera_cid())], "video/H264"));
    let outputs = drain(&mut session);
    let told = said(&outputs);
    let [Message::TrackPublished(told)] = told.as_slice() else { panic!("{told:?}") };
    let track = told.track.as_ref().expect("a track");
    let first = &published(&outputs)[0].formats[0];
    assert_eq!((first.codec, track.mime_type.as_str(), track.mid.as_str()), (tutti_rtp::Codec::Vp8, "video/VP8", "1"));
    assert_eq!(track.codecs[0].mime_type, "video/VP8");
}

#[test]
fn each_codec_with_a_client_id_of_its_own_gets_its_section() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [microphone, backup] = [MICROPHONE, "another"];
    session.handle_notice(now, camera(&[("VP8", &camera_cid()), ("H264", backup)], "video/VP8"));
    drain(&mut session);
    let outputs = ask(&mut session, Ask::Offer(offer(PUBLISH, 1)));
    assert_eq!(published(&outputs).len(), 1, "one section is no other codec's: {microphone}");
    let both = PUBLISH
        .replace(microphone, backup)
        .replace("m=audio 9 UDP/TLS/RTP/SAVPF 111 63", "m=audio 0 UDP/TLS/RTP/SAVPF 111 63");
    let second = PUBLISH.split("m=video").nth(1).and_then(|rest| rest.split("m=application").next()).expect("video");
    let second = second.replace("a=mid:1\r\n", "a=mid:3\r\n").replace(&camera_cid(), backup);
    let more = format!("{}m=video{second}", both.replace("BUNDLE 0 1 2", "BUNDLE 1 2 3"));
    let outputs = ask(&mut session, Ask::Offer(offer(&more, 2)));
    let more = published(&outputs);
    assert_eq!(more.len(), 1, "{outputs:?}");
    assert_eq!((more[0].mid.as_str(), more[0].formats[0].codec), ("3", tutti_rtp::Codec::H264));
}

#[test]
fn a_track_in_no_codec_of_ours_is_told_to_be_gone() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    session.handle_notice(now, camera(&[("VP8", &camera_cid())], "video/VP8"));
    drain(&mut session);
    let strange = PUBLISH.replace("VP8/90000", "x/90000").replace("H264/90000", "y/90000");
    let outputs = ask(&mut session, Ask::Offer(offer(&strange, 1)));
    let told = said(&outputs);
    assert!(
        matches!(told.as_slice(), [Message::Answer(_), Message::TrackUnpublished(gone)] if gone.track_sid == "TR_VCown"),
        "{told:?}"
    );
    assert!(outputs.iter().any(|output| matches!(output, Output::Room(Request::Unpublish(TrackNumber(2))))));
}

#[test]
fn a_codec_that_the_client_must_not_send_is_replaced_before_the_room_names_it() {
    let now = Instant::now();
    let client = proto::ClientInfo {
        sdk: proto::client_info::Sdk::Js as i32,
        protocol: 16,
        browser: "firefox".into(),
        os: "linux".into(),
        ..Default::default()
    };
    let (mut session, _) = joined(Start { client, ..start(Mode::Dual) }, now);
    let asked = proto::SimulcastCodec { codec: "h264".into(), cid: "c".into(), ..Default::default() };
    let request = proto::AddTrackRequest { cid: "c".into(), simulcast_codecs: vec![asked], ..Default::default() };
    let outputs = ask(&mut session, Ask::AddTrack(request));
    let [Output::Room(Request::AddTrack(request))] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(request.simulcast_codecs[0].codec, "video/VP8");
}
