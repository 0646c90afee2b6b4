//! What tests compare: packets that were sent with packets that arrived.

use super::{Arrived, Kind, Packet, Sink, body};

/// That `arrived` is what was `sent` from some packet on, each once, in order, without a gap, under the sink's names.
/// How many packets of `sent` came before.
#[track_caller]
pub fn same_stream(sink: &Sink, sent: &[Packet], arrived: &[&Arrived]) -> usize {
    let first = arrived.first().expect("something arrived");
    let from = sent
        .iter()
        .position(|packet| body(sink.kind, &packet.payload) == body(sink.kind, &first.payload))
        .expect("the first packet was sent");
    let expected = &sent[from..];
    for (number, (sent, arrived)) in expected.iter().zip(arrived).enumerate() {
        assert_eq!(body(sink.kind, &sent.payload), body(sink.kind, &arrived.payload), "payload of packet {number}");
        assert_eq!(arrived.sequence, first.sequence + number as u64, "sequence of packet {number}");
        let since = |timestamp: u32, start: u32| timestamp.wrapping_sub(start);
        assert_eq!(
            since(arrived.timestamp, first.timestamp),
            since(sent.timestamp, expected[0].timestamp),
            "timestamp of packet {number}"
        );
        assert_eq!(arrived.marker, sent.marker, "marker of packet {number}");
        assert_eq!((arrived.ssrc, arrived.payload_type), (sink.ssrc, sink.kind.payload_type()), "packet {number}");
        assert!(arrived.mid.is_none() || arrived.mid.as_deref() == Some(sink.mid.as_str()), "packet {number}");
    }
    assert_eq!(first.mid.as_deref(), Some(sink.mid.as_str()), "the first packet says which section it is for");
    assert_eq!(arrived.len(), expected.len(), "all of them");
    from
}

/// As [`same_stream`], for packets that were repaired on the way and so came in another order.
#[track_caller]
pub fn same_stream_repaired(sink: &Sink, sent: &[Packet], arrived: &[&Arrived]) -> usize {
    let mut sorted = arrived.to_vec();
    sorted.sort_by_key(|arrived| arrived.sequence);
    same_stream(sink, sent, &sorted)
}

/// The packets of one layer.
pub fn of_layer(sent: &[Packet], ssrc: u32) -> Vec<Packet> {
    sent.iter().filter(|packet| packet.ssrc == ssrc).cloned().collect()
}

/// The SSRC that a payload was made for.
pub fn made_for(kind: Kind, payload: &[u8]) -> Option<u32> {
    let body = body(kind, payload);
    // Behind the frame header, whose length depends on the frame.
    let at = match kind {
        Kind::Audio => 0,
        Kind::Video if payload[0] & 0x10 == 0 => 0,
        Kind::Video if body[0] & 1 == 0 => 10,
        Kind::Video => 3,
    };
    body.get(at..at + 4).map(|bytes| u32::from_be_bytes(bytes.try_into().expect("four bytes")))
}
