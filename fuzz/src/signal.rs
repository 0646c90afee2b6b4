//! Target for signalling: what clients say over their sockets and data channels, in a room with others.

use std::time::Duration;

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::client_info::Sdk;
use proto::signal_request::Message as Ask;
use tutti_id::RoomKey;
use tutti_room::{Joiner, Leg, MemberKey, Request, SubscriptionNumber, TrackNumber};
use tutti_signal::{Mode, Placement, Start, transports_of};
use tutti_transport::{Channel, TransportEvent, TransportFailure};

use super::call::Call;
use super::input::Input;

/// Offers of real clients, to be told with one byte.
const OFFERS: [&str; 6] = [
    include_str!("../../crates/sdp/tests/fixtures/chrome_publish_vp8_offer.sdp"),
    include_str!("../../crates/sdp/tests/fixtures/chrome_single_offer.sdp"),
    include_str!("../../crates/sdp/tests/fixtures/chrome_data_offer.sdp"),
    include_str!("../../crates/sdp/tests/fixtures/chrome_single_publish_offer.sdp"),
    include_str!("../../crates/sdp/tests/fixtures/firefox_publish_offer.sdp"),
    include_str!("../../crates/sdp/tests/fixtures/pion_publish_offer.sdp"),
];

/// Steps of up to four members, each with its letter in the lower half of a byte and its member in the upper.
pub fn signal(data: &[u8]) {
    let mut call = Call::new();
    let mut input = Input::new(data);
    while !input.is_empty() {
        step(&mut call, &mut input);
    }
    call.end();
}

fn step(call: &mut Call, input: &mut Input<'_>) {
    let op = input.byte();
    if op & 0x0f == 0 {
        return join(call, input);
    }
    let Some(key) = call.member(op >> 4) else { return };
    match op & 0x0f {
        1..=3 => {
            if let Ok(request) = proto::SignalRequest::decode(&*call.fill(input.piece())) {
                call.ask(key, request);
            }
        }
        4 => {
            let channel = [Channel::Reliable, Channel::Lossy, Channel::DataTrack][usize::from(input.byte() % 3)];
            let payload = Bytes::copy_from_slice(input.piece());
            report(call, key, input.byte(), TransportEvent::Message { channel, payload });
        }
        5 => {
            let event = match input.byte() % 6 {
                0 => TransportEvent::Connected { tcp: false },
                1 => TransportEvent::Disconnected,
                2 => TransportEvent::Failed { reason: TransportFailure::NoChecks },
                3 => TransportEvent::ChannelOpen(Channel::Reliable),
                4 => TransportEvent::ChannelOpen(Channel::Lossy),
                _ => TransportEvent::ChannelOpen(Channel::DataTrack),
            };
            report(call, key, input.byte(), event);
        }
        6 => call.wait(Duration::from_millis(100) * u32::from(input.byte())),
        7 => call.with(key, |session, _| session.handle_socket_gone()),
        8 => call.resume(key),
        9 | 10 => {
            // An offer of a real client, damaged at one place.
            let text = OFFERS[usize::from(input.byte()) % OFFERS.len()];
            let offer = description("offer", &damaged(text, input), u32::from(input.byte()));
            if op & 0x0f == 9 {
                call.ask(key, proto::SignalRequest { message: Some(Ask::Offer(offer)) });
            } else {
                call.with(key, |session, now| session.handle_embedded_offer(now, offer));
            }
        }
        11 => {
            // An honest answer to the server's offer, damaged at one place.
            let Some(offer) = call.offer(key) else { return };
            let text = offer.sdp.replace("a=setup:actpass", "a=setup:active").replace("a=sendonly", "a=recvonly");
            let answer = description("answer", &damaged(&text, input), offer.id);
            call.ask(key, proto::SignalRequest { message: Some(Ask::Answer(answer)) });
        }
        12 => publish(call, key, input),
        13 => call.room(key, shard_report(input)),
        _ => trickle(call, key, input),
    }
}

/// Text with some of its bytes taken out and others put in their place. Nothing happens where nothing is said.
fn damaged(text: &str, input: &mut Input<'_>) -> String {
    let (at, cut, insert) = (input.short(), input.byte(), input.piece());
    let mut bytes = text.as_bytes().to_vec();
    let at = usize::from(at) % (bytes.len() + 1);
    let end = (at + usize::from(cut)).min(bytes.len());
    bytes.splice(at..end, insert.iter().copied());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn description(kind: &str, sdp: &str, id: u32) -> proto::SessionDescription {
    proto::SessionDescription { r#type: kind.to_owned(), sdp: sdp.to_owned(), id, ..Default::default() }
}

/// A transport of the member reports.
fn report(call: &mut Call, key: MemberKey, side: u8, event: TransportEvent) {
    let [publisher, subscriber] = transports_of(RoomKey(7), key);
    let id = if side & 1 == 0 { publisher } else { subscriber };
    call.with(key, |session, now| session.handle_transport(now, id, event));
}

fn join(call: &mut Call, input: &mut Input<'_>) {
    let (flags, rights, who) = (input.byte(), input.byte(), input.byte());
    let is = |flag: u8| flags & flag != 0;
    let may = |right: u8| rights & right == 0;
    let sdks = [Sdk::Js, Sdk::Go, Sdk::Rust, Sdk::Swift, Sdk::Python, Sdk::Unknown];
    let client = proto::ClientInfo {
        sdk: sdks[usize::from(who >> 2) % sdks.len()] as i32,
        protocol: if is(2) { 16 } else { 8 },
        version: "2.21.0".to_owned(),
        browser: if is(4) { "firefox" } else { "chrome" }.to_owned(),
        ..Default::default()
    };
    let joiner = Joiner {
        identity: ["ada", "bea", "cai", "dan"][usize::from(who & 3)].to_owned(),
        name: String::new(),
        metadata: String::new(),
        attributes: Default::default(),
        kind: if is(8) { proto::participant_info::Kind::Agent } else { proto::participant_info::Kind::Standard },
        kind_details: Vec::new(),
        permission: proto::ParticipantPermission {
            can_subscribe: may(1),
            can_publish: may(2),
            can_publish_data: may(4),
            hidden: !may(8),
            can_update_metadata: may(16),
            can_subscribe_metrics: !may(32),
            ..Default::default()
        },
        client: client.clone(),
        auto_subscribe: !is(16),
        auto_subscribe_data_track: !is(32),
        adaptive_stream: is(64),
    };
    let start = |member: MemberKey, placement: Placement| Start {
        room: RoomKey(0),
        member,
        mode: if is(1) { Mode::Single } else { Mode::Dual },
        protocol: client.protocol.cast_unsigned(),
        client,
        can_subscribe: may(1),
        can_publish: may(2),
        disable_ice_lite: is(128),
        tcp_only: false,
        placement,
        ice_servers: Vec::new(),
        sif_trailer: vec![1, 2, 3],
        seed: [5; 32],
    };
    call.join(joiner, start);
}

/// The member asks to publish, as most clients do.
fn publish(call: &mut Call, key: MemberKey, input: &mut Input<'_>) {
    let (kind, cid) = (input.byte(), input.byte() % 4);
    let request = proto::AddTrackRequest {
        cid: if cid == 0 { "1d9398c8-3c86-4e37-82de-ec9f58c197c4".to_owned() } else { format!("cid {cid}") },
        r#type: i32::from(kind & 1),
        source: i32::from(kind >> 1 & 7),
        muted: kind & 16 != 0,
        disable_red: kind & 32 != 0,
        stream: if kind & 64 == 0 { "camera" } else { "" }.to_owned(),
        layers: (0..3)
            .filter(|_| kind & 1 == 1)
            .map(|quality| proto::VideoLayer {
                quality,
                width: 320 << quality,
                height: 180 << quality,
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    };
    call.ask(key, proto::SignalRequest { message: Some(Ask::AddTrack(request)) });
}

/// What a shard tells the room.
fn shard_report(input: &mut Input<'_>) -> Request {
    let (kind, number, value) = (input.byte(), u32::from(input.byte()), input.byte());
    let share = f32::from(value) / 255.0;
    let leg = Leg {
        loss: share,
        jitter_ms: f32::from(value),
        rtt_ms: (kind & 8 == 0).then_some(f32::from(value) * 4.0),
        bitrate: u64::from(value) << 14,
        layers: value & 7,
    };
    match kind % 4 {
        0 => Request::Speaker { track: TrackNumber(number), level: share, active: value & 1 == 1 },
        1 => Request::Upstream(TrackNumber(number), leg),
        2 => Request::Downstream(SubscriptionNumber(number), leg),
        _ => {
            let error = proto::SubscriptionError::SeCodecUnsupported;
            Request::SubscriptionFailed(SubscriptionNumber(number), error)
        }
    }
}

fn trickle(call: &mut Call, key: MemberKey, input: &mut Input<'_>) {
    let trickle = proto::TrickleRequest {
        candidate_init: String::from_utf8_lossy(input.piece()).into_owned(),
        target: i32::from(input.byte() & 1),
        ..Default::default()
    };
    call.ask(key, proto::SignalRequest { message: Some(Ask::Trickle(trickle)) });
}
