//! Descriptions in both directions: their numbers, their order, what they name.

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::TrackType::{Audio, Video};
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_forward::ForwardCommand;
use tutti_room::{Notice, Request, SubscriptionNumber};
use tutti_sdp::SessionDescription;
use tutti_signal::{Mode, Output, Start};
use tutti_transport::TransportCommand;

use crate::stage::{
    DATA, MICROPHONE, PUBLISH, SINGLE, accepted, answer, ask, drain, joined, offer, said, start, subscribe,
};

#[test]
fn absurd_descriptions_end_in_a_leave_with_its_reason() {
    for sdp in ["", "v=0", "nonsense\r\n", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"] {
        let now = Instant::now();
        let (mut session, _) = joined(start(Mode::Single), now);
        let offer = proto::SessionDescription { r#type: "offer".into(), sdp: sdp.into(), id: 1, ..Default::default() };
        let outputs = ask(&mut session, now, Ask::Offer(offer));
        let leave = said(&outputs).into_iter().find_map(|message| match message {
            Message::Leave(leave) => Some(leave),
            _ => None,
        });
        let leave = leave.unwrap_or_else(|| panic!("{sdp:?}: {outputs:?}"));
        assert_eq!(leave.reason(), proto::DisconnectReason::StateMismatch);
        assert!(matches!(outputs.last(), Some(Output::Ended)));
        assert!(ask(&mut session, now, Ask::Ping(1)).is_empty(), "nothing after the end");
    }
}

#[test]
fn an_answer_carries_the_number_of_its_offer() {
    for (mode, sdp) in [(Mode::Dual, PUBLISH), (Mode::Single, SINGLE)] {
        for id in [0, 1, 7] {
            let now = Instant::now();
            let (mut session, _) = joined(start(mode), now);
            let told = said(&ask(&mut session, now, Ask::Offer(offer(sdp, id))));
            assert_eq!(answer(&told).map(|answer| answer.id), Some(id), "{mode:?}");
            assert_eq!(told.len(), 1, "every offer gets one answer: {told:?}");
        }
    }
}

#[test]
fn an_offer_may_come_before_its_track() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let outputs = ask(&mut session, now, Ask::Offer(offer(PUBLISH, 1)));
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

#[test]
fn a_single_connection_is_filled_by_its_answers() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    session.handle_notice(now, subscribe(1, Audio, &["audio/opus"]));
    session.handle_notice(now, subscribe(2, Video, &["video/VP8"]));
    session.flush();
    assert!(drain(&mut session).is_empty(), "the first offer comes unasked");
    let told = said(&ask(&mut session, now, Ask::Offer(offer(SINGLE, 1))));
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
    let told = said(&ask(&mut session, now, Ask::Offer(offer(SINGLE, 2))));
    let named = answer(&told).map(|answer| answer.mid_to_track_id.clone()).unwrap_or_default();
    assert_eq!(named, [("3".to_owned(), "TR_2".to_owned())].into(), "all that are left, each time");
}

#[test]
fn a_single_connection_without_room_asks_for_it() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    ask(&mut session, now, Ask::Offer(offer(DATA, 1)));
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
    let outputs = ask(&mut session, now, Ask::Trickle(trickle));
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
    let told = said(&ask(&mut session, now, Ask::Offer(offer(SINGLE, 2))));
    let ids = told.iter().filter_map(|message| answer(std::slice::from_ref(message))).map(|answer| answer.id);
    assert_eq!(ids.collect::<Vec<_>>(), [1, 2], "every offer gets its answer");
}
