//! Data packets down to the client.

use std::time::{Duration, Instant};

use bytes::Bytes;
use livekit_protocol as proto;
use proto::signal_response::Message;
use tutti_id::RoomKey;
use tutti_room::{Delivery, MemberKey, Notice, Request};
use tutti_signal::{Mode, Output, Start};
use tutti_transport::{Channel, TransportCommand, TransportEvent, TransportId};

use crate::stage::{drain, joined, said, start};

#[test]
fn reliable_packets_wait_for_the_channels_lossy_ones_do_not() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [publisher, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.send_data(now, Delivery::Reliable, Bytes::from_static(b"old"));
    let later = now + Duration::from_secs(3);
    session.send_data(later, Delivery::Lossy, Bytes::from_static(b"lossy"));
    session.send_data(later, Delivery::Reliable, Bytes::from_static(b"one"));
    let lost = drain(&mut session);
    assert!(matches!(lost.as_slice(), [Output::Refused { what: "early data", .. }]), "the old one: {lost:?}");
    session.send_data(later, Delivery::Reliable, Bytes::from_static(b"two"));
    for channel in [Channel::Reliable, Channel::Lossy] {
        session.handle_transport(later, publisher, TransportEvent::ChannelOpen(channel));
    }
    assert!(drain(&mut session).is_empty(), "not the client's own");
    session.handle_transport(later, subscriber, TransportEvent::ChannelOpen(Channel::Reliable));
    assert!(drain(&mut session).is_empty(), "both channels first");
    session.handle_transport(later, subscriber, TransportEvent::ChannelOpen(Channel::Lossy));
    let sent: Vec<_> = drain(&mut session)
        .into_iter()
        .filter_map(|output| match output {
            Output::Transport(id, TransportCommand::Send { payload, .. }) if id == subscriber => Some(payload),
            _ => None,
        })
        .collect();
    assert_eq!(sent, [&b"one"[..], b"two"]);
    // Said once.
    let (mut session, _) = joined(start(Mode::Dual), now);
    for _ in 0..200 {
        session.send_data(now, Delivery::Reliable, Bytes::from_static(&[0; 1024]));
    }
    assert_eq!(drain(&mut session).len(), 1);
}

#[test]
fn reliable_packets_do_not_overtake_those_that_wait() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [_, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.send_data(now, Delivery::Reliable, Bytes::from_static(b"one"));
    session.handle_transport(now, subscriber, TransportEvent::ChannelOpen(Channel::Reliable));
    session.send_data(now, Delivery::Reliable, Bytes::from_static(b"two"));
    assert!(drain(&mut session).is_empty(), "the first one waits for the other channel");
    session.handle_transport(now, subscriber, TransportEvent::ChannelOpen(Channel::Lossy));
    let sent = drain(&mut session);
    let payloads = sent.iter().filter_map(|output| match output {
        Output::Transport(_, TransportCommand::Send { payload, .. }) => Some(&payload[..]),
        _ => None,
    });
    assert!(payloads.eq([&b"one"[..], b"two"]), "{sent:?}");
}

#[test]
fn data_goes_down_on_the_primary_connection_alone() {
    let [publisher, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    for (mode, can_subscribe, primary) in
        [(Mode::Dual, true, subscriber), (Mode::Dual, false, publisher), (Mode::Single, true, publisher)]
    {
        let now = Instant::now();
        let (mut session, _) = joined(Start { can_subscribe, ..start(mode) }, now);
        for id in [publisher, subscriber] {
            for channel in [Channel::Reliable, Channel::Lossy, Channel::DataTrack] {
                session.handle_transport(now, id, TransportEvent::ChannelOpen(channel));
            }
        }
        session.send_data(now, Delivery::Reliable, Bytes::from_static(b"reliable"));
        session.send_data(now, Delivery::Lossy, Bytes::from_static(b"lossy"));
        session.send_data_track(Bytes::from_static(b"track"));
        let sent: Vec<(TransportId, Channel)> = drain(&mut session)
            .into_iter()
            .filter_map(|output| match output {
                Output::Transport(id, TransportCommand::Send { channel, .. }) => Some((id, channel)),
                _ => None,
            })
            .collect();
        let expected = [Channel::Reliable, Channel::Lossy, Channel::DataTrack].map(|channel| (primary, channel));
        assert_eq!(sent, expected, "{mode:?} {can_subscribe}");
    }
}

#[test]
fn a_client_that_takes_nothing_any_more_is_told_to_join_anew() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [_, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    drain(&mut session);
    session.handle_transport(now, subscriber, TransportEvent::DataUndelivered { bytes: 70_000 });
    let outputs = drain(&mut session);
    assert!(matches!(outputs.as_slice(), [Output::Refused { what: "reliable message", .. }]), "{outputs:?}");
    session.handle_transport(now, subscriber, TransportEvent::DataStalled);
    let outputs = drain(&mut session);
    let said = said(&outputs);
    let [Message::Leave(leave)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(leave.action(), proto::leave_request::Action::Reconnect);
    assert_eq!(leave.reason(), proto::DisconnectReason::StateMismatch);
    assert!(outputs.iter().any(|output| matches!(output, Output::Refused { what: "reliable data", .. })));
    assert!(matches!(outputs.last(), Some(Output::Ended)));
}

#[test]
fn what_comes_on_a_channel_of_an_applications_own_is_passed_up() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Single), now);
    let [publisher, _] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.handle_transport(now, publisher, TransportEvent::ChannelOpen(Channel::Application));
    let message = TransportEvent::Message { channel: Channel::Application, payload: Bytes::from_static(b"raw") };
    session.handle_transport(now, publisher, message);
    let outputs = drain(&mut session);
    let [Output::Room(Request::ApplicationData(payload))] = outputs.as_slice() else { panic!("{outputs:?}") };
    assert_eq!(payload, &b"raw"[..]);
}

/// What the client was told when it joined stays true: it listens on the connection that was to be the primary one.
#[test]
fn data_stays_on_the_connection_it_was_announced_on() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [_, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    let permission = proto::ParticipantPermission { can_publish: true, ..Default::default() };
    let info = proto::ParticipantInfo { permission: Some(permission), ..Default::default() };
    session.handle_notice(now, Notice::IdentityChanged(Box::new(info)));
    for channel in [Channel::Reliable, Channel::Lossy] {
        session.handle_transport(now, subscriber, TransportEvent::ChannelOpen(channel));
    }
    session.handle_transport(now, subscriber, TransportEvent::Connected { tcp: false });
    drain(&mut session);
    session.send_data(now, Delivery::Reliable, Bytes::from_static(b"hello"));
    let outputs = drain(&mut session);
    assert!(matches!(outputs.as_slice(), [Output::Transport(id, _)] if *id == subscriber), "{outputs:?}");
}
