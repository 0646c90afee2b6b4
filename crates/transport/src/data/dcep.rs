//! The Data Channel Establishment Protocol (RFC 8832): DATA_CHANNEL_OPEN and DATA_CHANNEL_ACK.

use sctp_proto::ReliabilityType;

const OPEN: u8 = 0x03;
const ACK: u8 = 0x02;

/// Bytes of an OPEN before label and protocol.
const OPEN_LEN: usize = 12;

/// The bit of the channel type that says unordered.
const UNORDERED: u8 = 0x80;

/// A DCEP message.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Message<'a> {
    /// Asks for a channel.
    Open(Open<'a>),
    /// Grants it.
    Ack,
}

/// What DATA_CHANNEL_OPEN says (RFC 8832, section 5.1). Priority and protocol mean nothing to us.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Open<'a> {
    pub(super) label: &'a str,
    pub(super) unordered: bool,
    pub(super) reliability: ReliabilityType,
    /// Retransmissions or milliseconds, depending on `reliability`.
    pub(super) parameter: u32,
}

impl<'a> Message<'a> {
    /// Reads a message; `None` when it is malformed.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        match bytes {
            [ACK, ..] => Some(Self::Ack),
            [OPEN, kind, _, _, p0, p1, p2, p3, l0, l1, r0, r1, rest @ ..] => {
                let label_len = usize::from(u16::from_be_bytes([*l0, *l1]));
                let protocol_len = usize::from(u16::from_be_bytes([*r0, *r1]));
                let (label, protocol) = rest.split_at_checked(label_len)?;
                if protocol.len() < protocol_len {
                    return None;
                }
                let reliability = match kind & !UNORDERED {
                    0x00 => ReliabilityType::Reliable,
                    0x01 => ReliabilityType::Rexmit,
                    0x02 => ReliabilityType::Timed,
                    _ => return None,
                };
                Some(Self::Open(Open {
                    label: std::str::from_utf8(label).ok()?,
                    unordered: kind & UNORDERED != 0,
                    reliability,
                    parameter: u32::from_be_bytes([*p0, *p1, *p2, *p3]),
                }))
            }
            _ => None,
        }
    }

    /// Writes the message.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Ack => vec![ACK],
            Self::Open(open) => {
                let kind = match open.reliability {
                    ReliabilityType::Reliable => 0x00,
                    ReliabilityType::Rexmit => 0x01,
                    ReliabilityType::Timed => 0x02,
                };
                let mut bytes = Vec::with_capacity(OPEN_LEN + open.label.len());
                bytes.extend([OPEN, if open.unordered { kind | UNORDERED } else { kind }]);
                // Priority "normal" (RFC 8832, section 8.2.2 leaves it to us; browsers send 256).
                bytes.extend(256_u16.to_be_bytes());
                bytes.extend(open.parameter.to_be_bytes());
                bytes.extend((open.label.len() as u16).to_be_bytes());
                bytes.extend([0, 0]);
                bytes.extend(open.label.as_bytes());
                bytes
            }
        }
    }
}

/// Reads any bytes, writes what was understood and reads that.
#[cfg(any(test, fuzzing))]
pub(crate) fn round_trip(bytes: &[u8]) {
    if let Some(message) = Message::parse(bytes) {
        assert_eq!(Message::parse(&message.to_bytes()), Some(message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_truncations() {
        for (reliability, unordered, parameter) in [
            (ReliabilityType::Reliable, false, 0),
            (ReliabilityType::Rexmit, true, 0),
            (ReliabilityType::Timed, true, 500),
        ] {
            let open = Message::Open(Open { label: "_lossy", unordered, reliability, parameter });
            let bytes = open.to_bytes();
            assert_eq!(Message::parse(&bytes), Some(open));
            for end in 0..bytes.len() {
                assert_eq!(Message::parse(&bytes[..end]), None, "cut at {end}");
            }
        }
        assert_eq!(Message::parse(&Message::Ack.to_bytes()), Some(Message::Ack));
        assert_eq!(Message::parse(&[0x07, 0, 0]), None);
    }

    #[test]
    fn a_browsers_open_with_a_protocol() {
        let mut bytes = vec![3, 0x81, 1, 0, 0, 0, 0, 2, 0, 3, 0, 4];
        bytes.extend(b"abcjson");
        let expected = Open { label: "abc", unordered: true, reliability: ReliabilityType::Rexmit, parameter: 2 };
        assert_eq!(Message::parse(&bytes), Some(Message::Open(expected)));
        bytes[12] = 0xff;
        assert_eq!(Message::parse(&bytes), None, "no UTF-8");
    }
}
