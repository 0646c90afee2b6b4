//! One dialogue without a room or a network. Checks on the way what must hold of everything that a client is told.

use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_request::Message as Ask;
use proto::signal_response::Message;
use tutti_id::{RoomKey, ShardNumber};
use tutti_room::{MemberKey, Notice, Subscribe, SubscriptionNumber, Target, TrackNumber};
use tutti_signal::{Facts, Mode, Output, Placement, Session, Start};
use tutti_transport::{Fingerprint, TransportCommand, TransportId};

use crate::strict;

/// Unix time of every request, ms.
pub(crate) const WALL_MS: i64 = 1_700_000_000_123;
/// Two tracks and data channels.
pub(crate) const PUBLISH: &str = include_str!("../../../sdp/tests/fixtures/chrome_publish_vp8_offer.sdp");
/// Client id of the microphone in [`PUBLISH`].
pub(crate) const MICROPHONE: &str = "1d9398c8-3c86-4e37-82de-ec9f58c197c4";
/// Three sections to receive audio on, three for video, and data channels.
pub(crate) const SINGLE: &str = include_str!("../../../sdp/tests/fixtures/chrome_single_offer.sdp");
/// Data channels alone.
pub(crate) const DATA: &str = include_str!("../../../sdp/tests/fixtures/chrome_data_offer.sdp");

pub(crate) fn facts() -> Arc<Facts> {
    Arc::new(Facts {
        server_info: proto::ServerInfo { version: "1.8.0".into(), protocol: 17, ..Default::default() },
        codecs: ["video/VP8", "video/H264", "audio/opus", "audio/red", "audio/PCMU"].map(str::to_owned).to_vec(),
        ping_interval_s: 5,
        ping_timeout_s: 15,
    })
}

pub(crate) fn start(mode: Mode) -> Start {
    Start {
        room: RoomKey(7),
        member: MemberKey(3),
        mode,
        protocol: 16,
        client: proto::ClientInfo {
            sdk: proto::client_info::Sdk::Js as i32,
            protocol: 16,
            version: "2.21.0".into(),
            ..Default::default()
        },
        can_subscribe: true,
        can_publish: true,
        disable_ice_lite: false,
        tcp_only: false,
        placement: Placement {
            shard: ShardNumber(1),
            candidates: vec!["candidate:1 1 udp 2130706431 127.0.0.1 7883 typ host".into()],
            fingerprint: Fingerprint([9; 32]),
        },
        ice_servers: vec![proto::IceServer { urls: vec!["stun:stun.example.com".into()], ..Default::default() }],
        sif_trailer: vec![1, 2, 3],
        seed: [5; 32],
    }
}

pub(crate) fn drain(session: &mut Session) -> Vec<Output> {
    std::iter::from_fn(|| session.poll_output()).collect()
}

/// The messages to the client, in order.
pub(crate) fn said(outputs: &[Output]) -> Vec<Message> {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Respond(frame) => frame.message().cloned(),
        _ => None,
    });
    frames.inspect(strict::message).collect()
}

pub(crate) fn joined(start: Start, now: Instant) -> (Session, Vec<Output>) {
    let mut session = Session::new(facts(), start);
    let me = proto::ParticipantInfo { sid: "PA_me".into(), identity: "me".into(), ..Default::default() };
    let room = proto::Room { sid: "RM_r".into(), name: "r".into(), ..Default::default() };
    session.begin(now, room, me, Vec::new());
    let outputs = drain(&mut session);
    (session, outputs)
}

pub(crate) fn ask(session: &mut Session, message: Ask) -> Vec<Output> {
    session.handle_request(WALL_MS, proto::SignalRequest { message: Some(message) });
    drain(session)
}

pub(crate) fn opened(outputs: &[Output]) -> Vec<TransportId> {
    let ids = outputs.iter().filter_map(|output| match output {
        Output::Transport(id, TransportCommand::Open(_)) => Some(*id),
        _ => None,
    });
    ids.collect()
}

pub(crate) fn offer(sdp: &str, id: u32) -> proto::SessionDescription {
    proto::SessionDescription { r#type: "offer".into(), sdp: sdp.into(), id, ..Default::default() }
}

/// Takes the first answer among messages.
pub(crate) fn answer(messages: &[Message]) -> Option<&proto::SessionDescription> {
    messages.iter().find_map(|message| if let Message::Answer(answer) = message { Some(answer) } else { None })
}

/// The room accepts a microphone that the client calls `cid`.
pub(crate) fn accepted(cid: &str) -> Notice {
    let kind = proto::TrackType::Audio as i32;
    let info = proto::TrackInfo { sid: "TR_AMown".into(), r#type: kind, ..Default::default() };
    let request = proto::AddTrackRequest { cid: cid.into(), r#type: kind, ..Default::default() };
    Notice::TrackAccepted { track: TrackNumber(1), cid: cid.into(), info: Box::new(info), request: Box::new(request) }
}

/// The client is to get a track of somebody else, in these codecs, preferred first.
pub(crate) fn subscribe(number: u32, kind: proto::TrackType, codecs: &[&str]) -> Notice {
    let entry = |mime: &&str| proto::SimulcastCodecInfo { mime_type: (*mime).to_owned(), ..Default::default() };
    let info = proto::TrackInfo {
        sid: format!("TR_{number}"),
        r#type: kind as i32,
        mime_type: codecs.first().map(|mime| (*mime).to_owned()).unwrap_or_default(),
        codecs: codecs.iter().map(entry).collect(),
        ..Default::default()
    };
    Notice::Subscribe(Box::new(Subscribe {
        subscription: SubscriptionNumber(number),
        track: TrackNumber(100 + number),
        publisher: MemberKey(9),
        publisher_sid: "PA_other".into(),
        info,
        target: Target { paused: false, spatial: 0, temporal: 0 },
        sync_stream: false,
    }))
}
