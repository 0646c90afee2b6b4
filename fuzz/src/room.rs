//! Targets for `tutti-room`.

use std::time::Instant;

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;
use proto::data_packet::Value;
use tutti_room::{Delivery, Joiner, MemberKey, Output, Request, Room, Settings};

use super::input::Input;

/// Who is in the room, by name and kind; the last one is not active yet.
const MEMBERS: [(&str, proto::participant_info::Kind); 5] = [
    ("ada", proto::participant_info::Kind::Standard),
    ("bea", proto::participant_info::Kind::Standard),
    ("eve", proto::participant_info::Kind::Standard),
    ("gus", proto::participant_info::Kind::Agent),
    ("tom", proto::participant_info::Kind::Standard),
];
const HIDDEN: &str = "eve";
/// Bytes of a data-track packet that name its track.
const HANDLE_AT: std::ops::Range<usize> = 2..4;

/// `DataPacket`s and data-track packets of one member after the other: each says how it is sent, then its length.
pub fn data_packet(data: &[u8]) {
    let mut stage = Stage::new();
    let mut input = Input::new(data);
    while !input.is_empty() {
        let how = input.byte();
        let (key, identity) = stage.members[usize::from(how & 3)].clone();
        let payload = Bytes::copy_from_slice(input.piece());
        match how >> 2 & 3 {
            0 | 1 => stage.send(key, &identity, Delivery::Reliable, payload),
            2 => stage.send(key, &identity, Delivery::Lossy, payload),
            _ => stage.send_raw(key, payload),
        }
    }
    stage.leave();
}

struct Stage {
    room: Room,
    now: Instant,
    members: Vec<(MemberKey, String)>,
}

impl Stage {
    fn new() -> Self {
        let now = Instant::now();
        let mut room =
            Room::new(Settings { name: "stage".to_owned(), ..Settings::default() }, 7, now, 1_700_000_000_000);
        let mut members = Vec::new();
        for (identity, kind) in MEMBERS {
            let key = room.join(now, joiner(identity, kind)).expect("there is room");
            if identity != "tom" {
                room.handle(now, key, Request::Active);
            }
            members.push((key, identity.to_owned()));
        }
        for (handle, (key, _)) in (1..).zip(&members) {
            let request =
                proto::PublishDataTrackRequest { pub_handle: handle, name: "d".to_owned(), ..Default::default() };
            room.handle(now, *key, Request::PublishDataTrack(request));
        }
        while room.poll_output().is_some() {}
        Self { room, now, members }
    }

    fn send(&mut self, key: MemberKey, identity: &str, delivery: Delivery, payload: Bytes) {
        self.room.handle(self.now, key, Request::Data { delivery, payload: payload.clone() });
        let mut copies = 0;
        while let Some(output) = self.room.poll_output() {
            let Output::Data { to, delivery: leaves, payload: stamped } = output else { panic!("{output:?}") };
            copies += 1;
            assert_eq!(leaves, delivery);
            assert!(!to.is_empty() && !to.contains(&key), "to {to:?} from {key:?}");
            assert!(to.iter().all(|to| self.members.iter().any(|(member, _)| member == to)));
            if let Ok(sent) = proto::DataPacket::decode(payload.clone()) {
                let arrives = proto::DataPacket::decode(stamped).expect("what could be read still can");
                let sid = self.room.sid_of(key).expect("a member");
                self.compare(sent, arrives, identity, sid);
            }
        }
        assert!(copies <= 1, "one packet became {copies}");
    }

    /// The sender is who it is; all else is as it was.
    fn compare(&self, mut sent: proto::DataPacket, mut arrives: proto::DataPacket, identity: &str, sid: &str) {
        let (identity, sid) = if identity == HIDDEN { ("", "") } else { (identity, sid) };
        let for_another = identity == "gus" && !sent.participant_identity.is_empty();
        if !for_another {
            assert_eq!(arrives.participant_identity, identity);
        }
        assert_eq!(arrives.participant_sid, sid);
        if let Some(Value::User(user)) = &arrives.value {
            #[expect(deprecated, reason = "older clients read the inner fields")]
            let inner = (user.participant_identity.as_str(), user.participant_sid.as_str());
            assert_eq!(inner, (arrives.participant_identity.as_str(), sid));
        }
        for packet in [&mut sent, &mut arrives] {
            unstamp(packet, for_another);
        }
        assert_eq!(sent.encode_to_vec(), arrives.encode_to_vec());
    }

    fn send_raw(&mut self, key: MemberKey, payload: Bytes) {
        self.room.handle(self.now, key, Request::DataTrackPacket(payload.clone()));
        while let Some(output) = self.room.poll_output() {
            let Output::DataTrackPacket { to, payload: copy } = output else { panic!("{output:?}") };
            assert_ne!(to, key);
            assert_eq!(copy.len(), payload.len());
            let same = |range: std::ops::Range<usize>| copy.get(range.clone()) == payload.get(range);
            assert!(same(0..HANDLE_AT.start) && same(HANDLE_AT.end..payload.len()));
        }
    }

    fn leave(&mut self) {
        for (key, _) in &self.members {
            self.room.handle(self.now, *key, Request::Leave(proto::DisconnectReason::ClientInitiated));
        }
        while self.room.poll_output().is_some() {}
        let census = self.room.census();
        assert_eq!((census.members, census.tracks, census.subscriptions, census.data_tracks), (0, 0, 0, 0));
    }
}

fn joiner(identity: &str, kind: proto::participant_info::Kind) -> Joiner {
    Joiner {
        identity: identity.to_owned(),
        name: String::new(),
        metadata: String::new(),
        attributes: Default::default(),
        kind,
        kind_details: Vec::new(),
        permission: proto::ParticipantPermission {
            can_subscribe: true,
            can_publish: true,
            can_publish_data: true,
            hidden: identity == HIDDEN,
            can_subscribe_metrics: identity == "bea",
            ..Default::default()
        },
        client: proto::ClientInfo { protocol: 16, ..Default::default() },
        auto_subscribe: true,
        auto_subscribe_data_track: true,
        adaptive_stream: false,
    }
}

/// Takes out what the server writes.
fn unstamp(packet: &mut proto::DataPacket, generated: bool) {
    packet.participant_identity.clear();
    packet.participant_sid.clear();
    #[expect(deprecated, reason = "older clients read these fields")]
    {
        packet.kind = 0;
        if let Some(Value::User(user)) = &mut packet.value {
            user.participant_identity.clear();
            user.participant_sid.clear();
        }
    }
    if !generated {
        return;
    }
    match &mut packet.value {
        Some(Value::ChatMessage(chat)) => chat.generated = false,
        Some(Value::StreamHeader(header)) => {
            if let Some(proto::data_stream::header::ContentHeader::TextHeader(text)) = &mut header.content_header {
                text.generated = false;
            }
        }
        _ => {}
    }
}
