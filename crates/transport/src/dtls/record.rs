//! Records (RFC 6347, section 4.1): their headers, and their protection with AES-GCM (RFC 5288) once there are keys.
//!
//! Owns record numbers and the replay window. Knows nothing of what records hold.

use aws_lc_rs::aead::{Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};

use super::failure::DtlsFailure;
use super::wire::Reader;

/// Content types (RFC 5246, section 6.2.1).
pub(super) mod content {
    pub(in super::super) const CHANGE_CIPHER_SPEC: u8 = 20;
    pub(in super::super) const ALERT: u8 = 21;
    pub(in super::super) const HANDSHAKE: u8 = 22;
    pub(in super::super) const APPLICATION_DATA: u8 = 23;
}

/// DTLS 1.2 on the wire.
pub(super) const VERSION_1_2: u16 = 0xfefd;

/// DTLS 1.0, which first records may carry whatever is negotiated later.
pub(super) const VERSION_1_0: u16 = 0xfeff;

/// Length of a record's header, bytes.
pub(super) const HEADER_LEN: usize = 13;

/// What protection adds to a record, bytes: the explicit half of the nonce and the tag.
pub(super) const PROTECTION_LEN: usize = EXPLICIT_LEN + TAG_LEN;

/// Length of the half of the nonce that is in the record, bytes (RFC 5288, section 3).
const EXPLICIT_LEN: usize = 8;

/// Length of the half of the nonce that is derived, bytes.
pub(super) const SALT_LEN: usize = 4;

const TAG_LEN: usize = 16;

/// The largest record number, 48 bits.
const NUMBER_MAX: u64 = (1 << 48) - 1;

/// A record as it came.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) kind: u8,
    version: u16,
    pub(super) epoch: u16,
    number: u64,
    pub(super) body: &'a [u8],
    /// Header and body.
    pub(super) whole: &'a [u8],
}

impl<'a> Record<'a> {
    /// Takes the next record from the front of a datagram. `None` at its end, and where the rest is no record.
    pub(super) fn next(datagram: &mut &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(datagram);
        let kind = reader.u8()?;
        let version = reader.u16()?;
        let epoch = reader.u16()?;
        let [a, b, c, d, e, f] = reader.array()?;
        let body = reader.vector16()?.rest();
        let (whole, rest) = datagram.split_at_checked(HEADER_LEN + body.len())?;
        *datagram = rest;
        let number = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
        matches!(version, VERSION_1_2 | VERSION_1_0).then_some(Self { kind, version, epoch, number, body, whole })
    }

    /// Epoch and number as one value: what protection takes for a sequence number.
    fn sequence(&self) -> u64 {
        u64::from(self.epoch) << 48 | self.number
    }
}

/// Writes a record's header.
fn header(out: &mut Vec<u8>, kind: u8, sequence: u64, len: usize) {
    out.push(kind);
    out.extend_from_slice(&VERSION_1_2.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&(len as u16).to_be_bytes());
}

/// What is authenticated with a record (RFC 5246, section 6.2.3.3).
fn additional(kind: u8, version: u16, sequence: u64, len: usize) -> Aad<[u8; 13]> {
    let mut bytes = [0; 13];
    bytes[..8].copy_from_slice(&sequence.to_be_bytes());
    bytes[8] = kind;
    bytes[9..11].copy_from_slice(&version.to_be_bytes());
    bytes[11..].copy_from_slice(&(len as u16).to_be_bytes());
    Aad::from(bytes)
}

fn nonce(salt: [u8; SALT_LEN], explicit: [u8; EXPLICIT_LEN]) -> Nonce {
    let mut bytes = [0; SALT_LEN + EXPLICIT_LEN];
    bytes[..SALT_LEN].copy_from_slice(&salt);
    bytes[SALT_LEN..].copy_from_slice(&explicit);
    Nonce::assume_unique_for_key(bytes)
}

/// Writes records of epoch 0, which are plain.
#[derive(Default)]
pub(super) struct PlainWriter {
    next: u64,
}

impl PlainWriter {
    /// Appends a record.
    pub(super) fn write(&mut self, kind: u8, body: &[u8], out: &mut Vec<u8>) {
        header(out, kind, self.next, body.len());
        out.extend_from_slice(body);
        self.next += 1;
    }
}

/// Seals records of epoch 1.
pub(super) struct Sealer {
    key: LessSafeKey,
    salt: [u8; SALT_LEN],
    next: u64,
}

impl Sealer {
    /// `None` when the key's length is not the algorithm's.
    pub(super) fn new(algorithm: &'static Algorithm, key: &[u8], salt: [u8; SALT_LEN]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        Some(Self { key, salt, next: 0 })
    }

    /// Appends a sealed record. The explicit half of the nonce is the record's sequence number, which never repeats.
    pub(super) fn seal(&mut self, kind: u8, plain: &[u8], out: &mut Vec<u8>) -> Result<(), DtlsFailure> {
        if self.next > NUMBER_MAX {
            return Err(DtlsFailure::Library);
        }
        let sequence = 1 << 48 | self.next;
        self.next += 1;
        let explicit = sequence.to_be_bytes();
        header(out, kind, sequence, plain.len() + PROTECTION_LEN);
        out.extend_from_slice(&explicit);
        let at = out.len();
        out.resize(at + plain.len() + TAG_LEN, 0);
        let aad = additional(kind, VERSION_1_2, sequence, plain.len());
        let (ciphertext, tag) = out
            .get_mut(at..)
            .and_then(|sealed| sealed.split_at_mut_checked(plain.len()))
            .ok_or(DtlsFailure::Library)?;
        self.key
            .seal_out_of_place_scatter(nonce(self.salt, explicit), aad, plain, ciphertext, &[], tag)
            .map_err(|_| DtlsFailure::Library)
    }
}

/// Opens records of epoch 1.
pub(super) struct Opener {
    key: LessSafeKey,
    salt: [u8; SALT_LEN],
    window: Window,
}

impl Opener {
    /// `None` when the key's length is not the algorithm's.
    pub(super) fn new(algorithm: &'static Algorithm, key: &[u8], salt: [u8; SALT_LEN]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        Some(Self { key, salt, window: Window::default() })
    }

    /// The plain content of a record, in `buffer`, which is to be as long as the record at least. `None` when it is not
    /// authentic or a replay.
    pub(super) fn open<'b>(&mut self, record: &Record<'_>, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        if record.version != VERSION_1_2 || !self.window.is_new(record.number) {
            return None;
        }
        let (explicit, sealed) = record.body.split_first_chunk::<EXPLICIT_LEN>()?;
        let (ciphertext, tag) = sealed.split_last_chunk::<TAG_LEN>()?;
        let plain = buffer.get_mut(..ciphertext.len())?;
        let aad = additional(record.kind, record.version, record.sequence(), ciphertext.len());
        self.key.open_separate_gather(nonce(self.salt, *explicit), aad, ciphertext, tag, plain).ok()?;
        self.window.note(record.number);
        Some(plain)
    }
}

/// Which records have come (RFC 6347, section 4.1.2.6): a bit for each of the last ones.
#[derive(Default)]
struct Window {
    /// One above the highest number seen.
    next: u64,
    /// Bit n: number `next - 1 - n` was seen.
    seen: u128,
}

impl Window {
    fn is_new(&self, number: u64) -> bool {
        number >= self.next || {
            let back = self.next - 1 - number;
            back < u128::BITS.into() && self.seen >> back & 1 == 0
        }
    }

    /// Takes a number that is new.
    fn note(&mut self, number: u64) {
        if number >= self.next {
            let ahead = number - self.next + 1;
            self.seen = if ahead < u128::BITS.into() { self.seen << ahead | 1 } else { 1 };
            self.next = number + 1;
        } else {
            self.seen |= 1 << (self.next - 1 - number);
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::aead::AES_128_GCM;

    use super::*;

    #[test]
    fn records_are_split_and_strange_ones_end_the_datagram() {
        let mut writer = PlainWriter::default();
        let mut datagram = Vec::new();
        writer.write(content::HANDSHAKE, &[1, 2, 3], &mut datagram);
        writer.write(content::ALERT, &[], &mut datagram);
        datagram.extend([22, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut rest = &datagram[..];
        let first = Record::next(&mut rest).unwrap();
        assert_eq!((first.kind, first.epoch, first.number, first.body), (22, 0, 0, &[1, 2, 3][..]));
        assert_eq!(first.whole.len(), 16);
        let second = Record::next(&mut rest).unwrap();
        assert_eq!((second.kind, second.number, second.body.len()), (21, 1, 0));
        assert!(Record::next(&mut rest).is_none(), "TLS, not DTLS");
        for len in 0..16 {
            assert!(Record::next(&mut &datagram[..len]).is_none(), "{len} bytes");
        }
    }

    #[test]
    fn a_sealed_record_opens_once_and_only_unchanged() {
        let (key, salt) = ([7; 16], [1, 2, 3, 4]);
        let mut sealer = Sealer::new(&AES_128_GCM, &key, salt).unwrap();
        let mut opener = Opener::new(&AES_128_GCM, &key, salt).unwrap();
        let mut datagram = Vec::new();
        sealer.seal(content::APPLICATION_DATA, b"hello", &mut datagram).unwrap();
        assert_eq!(datagram.len(), HEADER_LEN + PROTECTION_LEN + 5);
        let mut buffer = [0; 100];
        for at in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[at] ^= 1;
            if let Some(record) = Record::next(&mut &changed[..]) {
                assert!(opener.open(&record, &mut buffer).is_none(), "byte {at}");
            }
        }
        let record = Record::next(&mut &datagram[..]).unwrap();
        assert_eq!(opener.open(&record, &mut buffer), Some(&b"hello"[..]));
        assert!(opener.open(&record, &mut buffer).is_none(), "a replay");
    }

    #[test]
    fn the_window_takes_each_number_once() {
        let mut window = Window::default();
        for (number, new) in [
            (5, true),
            (5, false),
            (3, true),
            (3, false),
            (200, true),
            (5, false),
            (72, false),
            (73, true),
            (73, false),
        ] {
            assert_eq!(window.is_new(number), new, "{number}");
            if new {
                window.note(number);
            }
        }
        window.note(NUMBER_MAX);
        assert!(!window.is_new(200) && window.is_new(NUMBER_MAX - 1));
    }
}
