//! Tables for the wire-level patching, checked against the generated types.

use livekit_protocol as proto;
use prost::Message;
use proto::data_packet::Value as Payload;

use super::*;

const STAMP: Stamp<'_> = Stamp { identity: "ada", sid: "PA_ada", lossy: false, generated: false };

fn packet(value: Payload) -> proto::DataPacket {
    proto::DataPacket {
        participant_identity: "forged".into(),
        participant_sid: "PA_forged".into(),
        destination_identities: vec!["bea".into(), "cai".into()],
        sequence: 7,
        value: Some(value),
        ..Default::default()
    }
}

#[expect(deprecated, reason = "older clients use these fields")]
fn user() -> proto::UserPacket {
    proto::UserPacket {
        participant_sid: "PA_forged".into(),
        participant_identity: "forged".into(),
        payload: vec![1; 300],
        destination_sids: vec!["PA_bea".into()],
        destination_identities: vec!["old".into()],
        topic: Some("chat".into()),
        nonce: vec![9; 16],
        ..Default::default()
    }
}

#[test]
fn envelope() {
    let bytes = packet(Payload::User(user())).encode_to_vec();
    let envelope = Envelope::read(&bytes).unwrap();
    assert_eq!(envelope.value, field::USER);
    assert_eq!(envelope.participant_identity, "forged");
    assert_eq!(envelope.to_identities, ["bea", "cai"], "the outer list wins");
    assert_eq!(envelope.to_sids, ["PA_bea"]);
    assert_eq!(envelope.sequence, 7);
    assert_eq!(envelope.nonce, [9; 16]);

    let mut inner = packet(Payload::User(user()));
    inner.destination_identities.clear();
    assert_eq!(Envelope::read(&inner.encode_to_vec()).unwrap().to_identities, ["old"]);
    assert_eq!(Envelope::read(&[]).unwrap(), Envelope::default());
}

#[test]
#[expect(deprecated, reason = "older clients use these fields")]
fn sender_is_replaced_everywhere() {
    let stamped = stamped(&packet(Payload::User(user())).encode_to_vec(), STAMP).unwrap();
    let decoded = proto::DataPacket::decode(stamped.as_slice()).unwrap();
    let mut expected = packet(Payload::User(proto::UserPacket {
        participant_sid: "PA_ada".into(),
        participant_identity: "ada".into(),
        ..user()
    }));
    expected.participant_identity = "ada".into();
    expected.participant_sid = "PA_ada".into();
    assert_eq!(decoded, expected);
}

#[test]
fn channel_decides_the_kind_and_hidden_senders_stay_unnamed() {
    let mut sent = packet(Payload::RpcAck(proto::RpcAck { request_id: "r".into() }));
    sent.set_kind(proto::data_packet::Kind::Lossy);
    let bytes = sent.encode_to_vec();
    let reliable = proto::DataPacket::decode(stamped(&bytes, STAMP).unwrap().as_slice()).unwrap();
    assert_eq!(reliable.kind(), proto::data_packet::Kind::Reliable);
    let hidden = Stamp { identity: "", sid: "", lossy: true, generated: false };
    let lossy = proto::DataPacket::decode(stamped(&bytes, hidden).unwrap().as_slice()).unwrap();
    assert_eq!(lossy.kind(), proto::data_packet::Kind::Lossy);
    assert_eq!((lossy.participant_identity.as_str(), lossy.participant_sid.as_str()), ("", ""));
}

#[test]
fn unknown_fields_survive() {
    let mut bytes = packet(Payload::User(user())).encode_to_vec();
    write_bytes_field(&mut bytes, 900, b"from the future");
    write_varint_field(&mut bytes, 901, u64::MAX);
    bytes.extend_from_slice(&[0xad, 0x38, 1, 2, 3, 4]); // field 901, four bytes
    let stamped = stamped(&bytes, STAMP).unwrap();
    let unknown: Vec<_> =
        fields(&stamped).flatten().filter(|field| field.number >= 900).map(|field| field.value).collect();
    assert_eq!(unknown, [Value::Bytes(b"from the future"), Value::Varint(u64::MAX), Value::Fixed]);
    proto::DataPacket::decode(stamped.as_slice()).unwrap();
}

#[test]
fn agents_words_are_marked() {
    let generated = Stamp { generated: true, ..STAMP };
    let chat = packet(Payload::ChatMessage(proto::ChatMessage { message: "hi".into(), ..Default::default() }));
    let decoded = proto::DataPacket::decode(stamped(&chat.encode_to_vec(), generated).unwrap().as_slice()).unwrap();
    let Some(Payload::ChatMessage(chat)) = decoded.value else { panic!("{decoded:?}") };
    assert!(chat.generated && chat.message == "hi");

    let text = proto::data_stream::TextHeader { version: 3, ..Default::default() };
    let header = proto::data_stream::Header {
        stream_id: "s".into(),
        content_header: Some(proto::data_stream::header::ContentHeader::TextHeader(text)),
        ..Default::default()
    };
    let bytes = packet(Payload::StreamHeader(header)).encode_to_vec();
    assert!(announces_text(&bytes));
    let decoded = proto::DataPacket::decode(stamped(&bytes, generated).unwrap().as_slice()).unwrap();
    let Some(Payload::StreamHeader(header)) = decoded.value else { panic!("{decoded:?}") };
    let Some(proto::data_stream::header::ContentHeader::TextHeader(text)) = header.content_header else { panic!() };
    assert!(text.generated && text.version == 3);
}

#[test]
fn malformed() {
    let good = packet(Payload::User(user())).encode_to_vec();
    let mut two_values = good.clone();
    write_bytes_field(&mut two_values, field::TRANSCRIPTION, &[]);
    for (what, bytes) in [
        ("cut", good.get(..good.len() - 3).unwrap().to_vec()),
        ("group", vec![0x0b]),
        ("field zero", vec![0x00, 0x00]),
        ("endless varint", vec![0xff; 11]),
        ("length past the end", vec![0x12, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ("two values", two_values),
        ("name that is no text", vec![0x22, 0x01, 0xff]),
        ("name that is a number", vec![0x20, 0x01]),
        ("sequence over 32 bits", vec![0x80, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
    ] {
        assert_eq!(Envelope::read(&bytes), Err(Malformed), "{what}");
    }
}

#[test]
fn any_bytes_are_taken_or_refused() {
    use rand::{Rng, SeedableRng};
    let mut rng = rand::rngs::StdRng::seed_from_u64(11);
    let good = packet(Payload::User(user())).encode_to_vec();
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..bytes.len());
            if let Some(byte) = bytes.get_mut(at) {
                *byte = rng.random();
            }
        }
        bytes.truncate(rng.random_range(0..=bytes.len()));
        if Envelope::read(&bytes).is_ok()
            && let Ok(stamped) = stamped(&bytes, STAMP)
        {
            let envelope = Envelope::read(&stamped).unwrap();
            assert_eq!(envelope.participant_identity, "ada");
        }
    }
}
