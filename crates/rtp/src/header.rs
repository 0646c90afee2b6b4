//! Writes RTP headers: the fixed part and an RFC 8285 extension block, into the caller's buffer.
//!
//! On the path of every forwarded packet: no allocation, one pass in the common case. Never writes CSRCs or payloads.

use crate::packet::{FIXED_HEADER_LEN, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};
use crate::{AbsSendTime, Error, Extension, ExtensionMap, HeaderExtensions, RtpTimestamp, SequenceNumber, Ssrc};

const WHAT: &str = "RTP header";

/// Bytes in front of the elements: profile and length.
const BLOCK_HEAD_LEN: usize = 4;

/// The fixed header of a packet to be sent, RFC 3550, section 5.1, without CSRCs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpHeader {
    /// Marker bit.
    pub marker: bool,
    /// Payload type, 0 to 127; the highest bit is cut.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: SequenceNumber,
    /// Timestamp.
    pub timestamp: RtpTimestamp,
    /// Synchronization source.
    pub ssrc: Ssrc,
    /// The packet ends in padding; see [`fill_padding`].
    pub padding: bool,
}

/// Where a written header ends, and where the fields lie that are known only at the moment of sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenHeader {
    /// Bytes written; the payload goes here.
    pub len: usize,
    /// Offset of the two bytes of the transport-wide sequence number.
    pub transport_cc_at: Option<u16>,
    /// Offset of the three bytes of abs-send-time.
    pub abs_send_time_at: Option<u16>,
}

impl RtpHeader {
    /// Writes the header with those of `extensions` that have an id in `ids`; without any, no extension block.
    ///
    /// The one-byte form is taken unless an id above 14 or data of 0 or more than 16 bytes needs the two-byte form.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if `out` is too small, [`Error::Unrepresentable`] for an element above 255 bytes.
    pub fn write(
        &self,
        ids: &ExtensionMap,
        extensions: &HeaderExtensions<'_>,
        out: &mut [u8],
    ) -> Result<WrittenHeader, Error> {
        self.write_fixed(out)?;
        let block = match write_block::<OneByte>(ids, extensions, out) {
            Err(Stop::Unfit) => write_block::<TwoByte>(ids, extensions, out),
            done => done,
        };
        let written = block.map_err(|stop| match stop {
            Stop::NoRoom => Error::no_room(WHAT),
            Stop::Unfit => Error::unrepresentable(WHAT, "an extension element is longer than 255 bytes"),
        })?;
        if written.len > FIXED_HEADER_LEN
            && let Some(first) = out.first_mut()
        {
            *first |= 0x10;
        }
        Ok(written)
    }

    fn write_fixed(&self, out: &mut [u8]) -> Result<(), Error> {
        let fixed = out.first_chunk_mut::<FIXED_HEADER_LEN>().ok_or(Error::no_room(WHAT))?;
        let [s0, s1] = self.sequence.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [r0, r1, r2, r3] = self.ssrc.0.to_be_bytes();
        let first = 0x80 | u8::from(self.padding) << 5;
        let second = u8::from(self.marker) << 7 | self.payload_type & 0x7F;
        *fixed = [first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3];
        Ok(())
    }
}

impl WrittenHeader {
    /// Puts the transport-wide sequence number into `packet`, which begins with this header. Does nothing if the
    /// header has no room for one.
    pub fn set_transport_cc(&self, packet: &mut [u8], sequence: u16) {
        overwrite(packet, self.transport_cc_at, sequence.to_be_bytes());
    }

    /// Puts the time of sending into `packet`, which begins with this header. Does nothing if the header has no
    /// room for one.
    pub fn set_abs_send_time(&self, packet: &mut [u8], time: AbsSendTime) {
        overwrite(packet, self.abs_send_time_at, time.to_bytes());
    }
}

/// Makes `tail`, the last 1 to 255 bytes of a packet, into RTP padding: zeros, and the count in the last byte.
/// More than 255 bytes cannot be padding of one packet: only the last 255 are filled then.
pub fn fill_padding(tail: &mut [u8]) {
    let start = tail.len().saturating_sub(usize::from(u8::MAX));
    let Some(padding) = tail.get_mut(start..) else { return };
    padding.fill(0);
    let count = padding.len() as u8;
    if let Some(last) = padding.last_mut() {
        *last = count;
    }
}

fn overwrite<const N: usize>(packet: &mut [u8], at: Option<u16>, bytes: [u8; N]) {
    let field = at.and_then(|at| packet.get_mut(usize::from(at)..)?.first_chunk_mut::<N>());
    if let Some(field) = field {
        *field = bytes;
    }
}

enum Stop {
    NoRoom,
    /// The element does not fit this form.
    Unfit,
}

/// How an element's id and length stand in front of its data.
trait Framing {
    const PROFILE: u16;
    const HEAD_LEN: usize;
    fn head(id: u8, len: usize) -> Option<[u8; 2]>;
}

/// RFC 8285, section 4.2.
struct OneByte;

impl Framing for OneByte {
    const PROFILE: u16 = ONE_BYTE_PROFILE;
    const HEAD_LEN: usize = 1;

    fn head(id: u8, len: usize) -> Option<[u8; 2]> {
        (id <= 14 && (1..=16).contains(&len)).then(|| [id << 4 | (len - 1) as u8, 0])
    }
}

/// RFC 8285, section 4.3.
struct TwoByte;

impl Framing for TwoByte {
    const PROFILE: u16 = TWO_BYTE_PROFILE;
    const HEAD_LEN: usize = 2;

    fn head(id: u8, len: usize) -> Option<[u8; 2]> {
        Some([id, u8::try_from(len).ok()?])
    }
}

struct BlockWriter<'a, F> {
    ids: &'a ExtensionMap,
    out: &'a mut [u8],
    at: usize,
    framing: std::marker::PhantomData<F>,
}

impl<F: Framing> BlockWriter<'_, F> {
    /// Appends one element and returns the offset of its data; `None` if the extension has no id.
    fn element(&mut self, extension: Extension, data: &[u8]) -> Result<Option<u16>, Stop> {
        let Some(id) = self.ids.id(extension) else { return Ok(None) };
        let head = F::head(id, data.len()).ok_or(Stop::Unfit)?;
        let data_at = self.at + F::HEAD_LEN;
        let end = data_at + data.len();
        let field = self.out.get_mut(self.at..end).ok_or(Stop::NoRoom)?;
        let (head_field, data_field) = field.split_at_mut(F::HEAD_LEN);
        head_field.copy_from_slice(&head[..F::HEAD_LEN]);
        data_field.copy_from_slice(data);
        self.at = end;
        Ok(Some(data_at as u16))
    }
}

/// Writes the extension block behind the fixed header.
fn write_block<F: Framing>(
    ids: &ExtensionMap,
    extensions: &HeaderExtensions<'_>,
    out: &mut [u8],
) -> Result<WrittenHeader, Stop> {
    let start = FIXED_HEADER_LEN + BLOCK_HEAD_LEN;
    let mut written = WrittenHeader { len: FIXED_HEADER_LEN, transport_cc_at: None, abs_send_time_at: None };
    let mut block = BlockWriter::<F> { ids, out, at: start, framing: std::marker::PhantomData };
    if let Some(time) = extensions.abs_send_time {
        written.abs_send_time_at = block.element(Extension::AbsSendTime, &time.to_bytes())?;
    }
    if let Some(sequence) = extensions.transport_cc {
        written.transport_cc_at = block.element(Extension::TransportCc, &sequence.to_be_bytes())?;
    }
    if let Some(mid) = extensions.mid {
        block.element(Extension::Mid, mid.as_bytes())?;
    }
    if let Some(rid) = extensions.rid {
        block.element(Extension::Rid, rid.as_bytes())?;
    }
    if let Some(rid) = extensions.repaired_rid {
        block.element(Extension::RepairedRid, rid.as_bytes())?;
    }
    if let Some(level) = extensions.audio_level {
        block.element(Extension::AudioLevel, &level.to_bytes())?;
    }
    if let Some(orientation) = extensions.video_orientation {
        block.element(Extension::VideoOrientation, &orientation.to_bytes())?;
    }
    if let Some(delay) = extensions.playout_delay {
        block.element(Extension::PlayoutDelay, &delay.to_bytes())?;
    }
    if let Some(time) = extensions.abs_capture_time {
        let (data, len) = time.to_bytes();
        block.element(Extension::AbsCaptureTime, data.get(..len).unwrap_or_default())?;
    }
    if let Some(descriptor) = extensions.dependency_descriptor {
        block.element(Extension::DependencyDescriptor, descriptor)?;
    }
    let end = block.at;
    if end == start {
        return Ok(written);
    }
    let len = end.next_multiple_of(4);
    out.get_mut(end..len).ok_or(Stop::NoRoom)?.fill(0);
    let words = ((len - start) / 4) as u16;
    let [p0, p1] = F::PROFILE.to_be_bytes();
    let [w0, w1] = words.to_be_bytes();
    let head = out.get_mut(FIXED_HEADER_LEN..start).ok_or(Stop::NoRoom)?;
    head.copy_from_slice(&[p0, p1, w0, w1]);
    written.len = len;
    Ok(written)
}
