//! `DataPacket`s on the wire: read where they go, put the sender's true name in, leave every other byte as it came.
//!
//! Senders may be newer than we are: decoding and encoding again would drop the fields we do not know.
//! Wire types: <https://protobuf.dev/programming-guides/encoding/>.

use std::ops::Range;

/// Field numbers of `DataPacket`.
pub(crate) mod field {
    pub(crate) const KIND: u32 = 1;
    pub(crate) const USER: u32 = 2;
    pub(crate) const SPEAKER: u32 = 3;
    pub(crate) const PARTICIPANT_IDENTITY: u32 = 4;
    pub(crate) const DESTINATION_IDENTITIES: u32 = 5;
    pub(crate) const TRANSCRIPTION: u32 = 7;
    pub(crate) const METRICS: u32 = 8;
    pub(crate) const CHAT_MESSAGE: u32 = 9;
    pub(crate) const RPC_ACK: u32 = 11;
    pub(crate) const RPC_RESPONSE: u32 = 12;
    pub(crate) const STREAM_HEADER: u32 = 13;
    pub(crate) const SEQUENCE: u32 = 16;
    pub(crate) const PARTICIPANT_SID: u32 = 17;
    /// Members of the `value` oneof.
    pub(crate) const VALUES: [u32; 13] = [2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18];

    /// Field numbers of `UserPacket`.
    pub(crate) mod user {
        pub(crate) const PARTICIPANT_SID: u32 = 1;
        pub(crate) const DESTINATION_SIDS: u32 = 3;
        pub(crate) const PARTICIPANT_IDENTITY: u32 = 5;
        pub(crate) const DESTINATION_IDENTITIES: u32 = 6;
        pub(crate) const NONCE: u32 = 11;
    }

    /// Field numbers of `Transcription`.
    pub(crate) mod transcription {
        pub(crate) const TRACK_ID: u32 = 3;
    }

    /// Field numbers of `ChatMessage`, `DataStream.Header` and `DataStream.TextHeader`.
    pub(crate) mod generated {
        pub(crate) const CHAT_MESSAGE: u32 = 6;
        pub(crate) const TEXT_HEADER: u32 = 9;
        pub(crate) const IN_TEXT_HEADER: u32 = 5;
    }
}

/// The bytes are no message, or one that no honest sender makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// One field of a message.
#[derive(Debug, Clone)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    /// Tag and value.
    whole: Range<usize>,
    pub(crate) value: Value<'a>,
}

/// The value of a field, as far as it can be told without a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed,
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    fn bytes(&self) -> Result<&'a [u8], Malformed> {
        if let Value::Bytes(bytes) = self.value { Ok(bytes) } else { Err(Malformed) }
    }

    fn text(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }
}

/// Walks the fields of one message.
pub(crate) struct Fields<'a> {
    message: &'a [u8],
    at: usize,
}

pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields { message, at: 0 }
}

impl<'a> Fields<'a> {
    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.message.get(self.at).ok_or(Malformed)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let bytes = self.message.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(bytes)
    }

    fn field(&mut self) -> Result<Field<'a>, Malformed> {
        let start = self.at;
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| Malformed)?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(Malformed),
        };
        if number == 0 {
            return Err(Malformed);
        }
        Ok(Field { number, whole: start..self.at, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.at = self.message.len();
        }
        Some(field)
    }
}

/// What routing needs to know of a packet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope<'a> {
    /// Number of the `value`'s field; 0 = none that we know.
    pub(crate) value: u32,
    /// Whom the sender claims to be.
    pub(crate) participant_identity: &'a str,
    /// Identities to deliver to.
    pub(crate) to_identities: Vec<&'a str>,
    /// Sids to deliver to; `user` only, from old clients.
    pub(crate) to_sids: Vec<&'a str>,
    /// Number in the sender's reliable sequence; 0 = none.
    pub(crate) sequence: u32,
    /// `user` only: names one message however often it is sent.
    pub(crate) nonce: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(crate) fn read(packet: &'a [u8]) -> Result<Self, Malformed> {
        let mut envelope = Self::default();
        let mut legacy_identities = Vec::new();
        for field in fields(packet) {
            let field = field?;
            match field.number {
                field::PARTICIPANT_IDENTITY => envelope.participant_identity = field.text()?,
                field::DESTINATION_IDENTITIES => envelope.to_identities.push(field.text()?),
                field::SEQUENCE => {
                    let Value::Varint(sequence) = field.value else { return Err(Malformed) };
                    envelope.sequence = u32::try_from(sequence).map_err(|_| Malformed)?;
                }
                number if field::VALUES.contains(&number) => {
                    if envelope.value != 0 {
                        return Err(Malformed);
                    }
                    envelope.value = number;
                    let value = field.bytes()?;
                    if number == field::USER {
                        envelope.read_user(value, &mut legacy_identities)?;
                    }
                }
                _ => {}
            }
        }
        if envelope.to_identities.is_empty() {
            envelope.to_identities = legacy_identities;
        }
        Ok(envelope)
    }

    fn read_user(&mut self, user: &'a [u8], identities: &mut Vec<&'a str>) -> Result<(), Malformed> {
        for field in fields(user) {
            let field = field?;
            match field.number {
                field::user::DESTINATION_SIDS => self.to_sids.push(field.text()?),
                field::user::DESTINATION_IDENTITIES => identities.push(field.text()?),
                field::user::NONCE => self.nonce = field.bytes()?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// What the server vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp<'a> {
    pub(crate) identity: &'a str,
    pub(crate) sid: &'a str,
    /// It came on the lossy channel.
    pub(crate) lossy: bool,
    /// An agent speaks for somebody else: mark what it says as generated.
    pub(crate) generated: bool,
}

/// The packet with the server's word in place of the sender's.
pub(crate) fn stamped(packet: &[u8], stamp: Stamp<'_>) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(packet.len() + 2 * (stamp.identity.len() + stamp.sid.len()) + 32);
    if stamp.lossy {
        write_varint_field(&mut out, field::KIND, 1);
    }
    for field in fields(packet) {
        let field = field?;
        match field.number {
            field::KIND | field::PARTICIPANT_IDENTITY | field::PARTICIPANT_SID => {}
            field::USER => write_bytes_field(&mut out, field::USER, &stamped_user(field.bytes()?, stamp)?),
            field::CHAT_MESSAGE if stamp.generated => {
                let chat = flagged(field.bytes()?, field::generated::CHAT_MESSAGE)?;
                write_bytes_field(&mut out, field.number, &chat);
            }
            field::STREAM_HEADER if stamp.generated => {
                let header = flagged_header(field.bytes()?)?;
                write_bytes_field(&mut out, field.number, &header);
            }
            _ => out.extend_from_slice(packet.get(field.whole).unwrap_or_default()),
        }
    }
    write_text_field(&mut out, field::PARTICIPANT_IDENTITY, stamp.identity);
    write_text_field(&mut out, field::PARTICIPANT_SID, stamp.sid);
    Ok(out)
}

/// Old clients read the sender inside the `user` packet.
fn stamped_user(user: &[u8], stamp: Stamp<'_>) -> Result<Vec<u8>, Malformed> {
    let mut out = without(user, &[field::user::PARTICIPANT_SID, field::user::PARTICIPANT_IDENTITY])?;
    write_text_field(&mut out, field::user::PARTICIPANT_SID, stamp.sid);
    write_text_field(&mut out, field::user::PARTICIPANT_IDENTITY, stamp.identity);
    Ok(out)
}

/// A message with one flag raised.
fn flagged(message: &[u8], flag: u32) -> Result<Vec<u8>, Malformed> {
    let mut out = without(message, &[flag])?;
    write_varint_field(&mut out, flag, 1);
    Ok(out)
}

fn flagged_header(header: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(header.len() + 4);
    for field in fields(header) {
        let field = field?;
        if field.number == field::generated::TEXT_HEADER {
            let text = flagged(field.bytes()?, field::generated::IN_TEXT_HEADER)?;
            write_bytes_field(&mut out, field.number, &text);
        } else {
            out.extend_from_slice(header.get(field.whole).unwrap_or_default());
        }
    }
    Ok(out)
}

/// Whether a stream header announces text.
pub(crate) fn announces_text(packet: &[u8]) -> bool {
    let header = fields(packet).flatten().find(|field| field.number == field::STREAM_HEADER);
    let header = header.and_then(|field| field.bytes().ok()).unwrap_or_default();
    fields(header).flatten().any(|field| field.number == field::generated::TEXT_HEADER)
}

/// Whether a transcription names its track by a sid. SDKs on the Rust core end their process at any other text.
pub(crate) fn transcribes_a_track(packet: &[u8]) -> bool {
    let transcription = fields(packet).flatten().find(|field| field.number == field::TRANSCRIPTION);
    let transcription = transcription.and_then(|field| field.bytes().ok()).unwrap_or_default();
    let track_ids = fields(transcription).flatten().filter(|field| field.number == field::transcription::TRACK_ID);
    // Of a field that stands twice the last counts.
    track_ids.last().and_then(|field| field.text().ok()).is_some_and(|sid| sid.starts_with("TR_"))
}

fn without(message: &[u8], dropped: &[u32]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(message.len() + 64);
    for field in fields(message) {
        let field = field?;
        if !dropped.contains(&field.number) {
            out.extend_from_slice(message.get(field.whole).unwrap_or_default());
        }
    }
    Ok(out)
}

fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn write_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    write_varint(out, u64::from(number) << 3);
    write_varint(out, value);
}

fn write_bytes_field(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    write_varint(out, u64::from(number) << 3 | 2);
    write_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Empty texts are left out, as encoders do.
fn write_text_field(out: &mut Vec<u8>, number: u32, value: &str) {
    if !value.is_empty() {
        write_bytes_field(out, number, value.as_bytes());
    }
}

#[cfg(test)]
mod tests;
