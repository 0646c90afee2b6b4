//! Data packets down to the client.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tutti_id::RoomKey;
use tutti_room::{Delivery, MemberKey};
use tutti_signal::{Mode, Output, Start};
use tutti_transport::{Channel, TransportCommand, TransportEvent, TransportId};

use crate::stage::{drain, joined, start};

#[test]
fn reliable_packets_wait_for_the_channels_lossy_ones_do_not() {
    let now = Instant::now();
    let (mut session, _) = joined(start(Mode::Dual), now);
    let [publisher, subscriber] = tutti_signal::transports_of(RoomKey(7), MemberKey(3));
    session.send_data(now, Delivery::Reliable, Bytes::from_static(b"old"));
    let later = now + Duration::from_secs(3);
    session.send_data(later, Delivery::Lossy, Bytes::from_static(b"lossy"));
    session.send_data(later, Delivery::Reliable, Bytes::from_static(b"one"));
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
    assert_eq!(session.data_dropped(), 2, "the old one and the lossy one");
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
