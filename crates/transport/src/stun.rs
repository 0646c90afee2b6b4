//! The little of STUN (RFC 8489) that a server needs: reading binding requests and writing their answers for its side of
//! ICE, asking a peer whether it is there, and asking another server where it is itself.
//!
//! Borrows, allocates nothing, and never panics whatever the bytes. Knows no paths and no roles' consequences.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use crate::path::Contents;

/// Bytes of the header: type, length, magic cookie, transaction id (RFC 8489, section 5).
const HEADER_LEN: usize = 20;

/// The magic cookie.
const COOKIE: u32 = 0x2112_A442;

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;

/// Bytes of a MESSAGE-INTEGRITY value (RFC 8489, section 14.5).
const INTEGRITY_LEN: usize = 20;

/// What the CRC-32 of FINGERPRINT is combined with (RFC 8489, section 14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// What a check of ours says of the candidate that it would find: a peer-reflexive one (RFC 8445, section 5.1.2.1).
const CHECK_PRIORITY: u32 = 110 << 24 | 0xff_ffff;

/// The error that tells a peer to take the other role (RFC 8445, section 7.3.1.1).
pub(crate) const ROLE_CONFLICT: u16 = 487;

/// Identifies a request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransactionId([u8; 12]);

/// The key of one password for MESSAGE-INTEGRITY: made once, used for every check.
pub(crate) struct IntegrityKey(hmac::Key);

impl IntegrityKey {
    /// The key of a short-term credential (RFC 8489, section 9.1).
    pub(crate) fn new(password: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()))
    }

    /// Numbers that only we can know beforehand, other ones for each `number`: a transaction and a tie-breaker.
    pub(crate) fn draw(&self, number: u64) -> (TransactionId, [u8; 8]) {
        let tag = hmac::sign(&self.0, &number.to_be_bytes());
        let (mut transaction, mut tie_breaker) = ([0; 12], [0; 8]);
        let drawn = transaction.iter_mut().chain(&mut tie_breaker);
        drawn.zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        (TransactionId(transaction), tie_breaker)
    }

    /// The HMAC over a message whose length field says that it ends with MESSAGE-INTEGRITY.
    fn sign(&self, message: &[u8]) -> hmac::Tag {
        let (head, tail) = message.split_at_checked(4).unwrap_or((message, &[]));
        let length = (message.len() + 4 + INTEGRITY_LEN).saturating_sub(HEADER_LEN) as u16;
        let mut context = hmac::Context::with_key(&self.0);
        context.update(head.get(..2).unwrap_or_default());
        context.update(&length.to_be_bytes());
        context.update(tail);
        context.sign()
    }
}

/// A well-formed binding request of an ICE agent; whether it is authentic, [`BindingRequest::is_authentic`] tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BindingRequest<'a> {
    pub(crate) transaction: TransactionId,
    /// Our half of USERNAME.
    pub(crate) local_ufrag: &'a str,
    /// The peer's half of USERNAME.
    pub(crate) remote_ufrag: &'a str,
    /// The peer nominates the pair.
    pub(crate) use_candidate: bool,
    /// The peer believes that it is controlled.
    pub(crate) controlled: bool,
    /// What MESSAGE-INTEGRITY covers, and its value.
    covered: &'a [u8],
    integrity: &'a [u8],
}

impl<'a> BindingRequest<'a> {
    /// Reads a binding request that has USERNAME, PRIORITY and MESSAGE-INTEGRITY (RFC 8445, section 7.1.1).
    pub(crate) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let attributes = attributes(datagram)?;
        if read_u16(datagram, 0)? != BINDING_REQUEST {
            return None;
        }
        let transaction = TransactionId(datagram.get(8..)?.first_chunk().copied()?);
        let mut username = None;
        let mut priority = false;
        let mut use_candidate = false;
        let mut controlled = false;
        for attribute in attributes {
            let Attribute { kind, value, offset } = attribute?;
            match kind {
                USERNAME => username = Some(std::str::from_utf8(value).ok()?),
                PRIORITY => priority = value.len() == 4,
                USE_CANDIDATE => use_candidate = true,
                ICE_CONTROLLED => controlled = true,
                MESSAGE_INTEGRITY if value.len() == INTEGRITY_LEN => {
                    // What follows is not covered and so means nothing (RFC 8489, section 14.5).
                    let (local_ufrag, remote_ufrag) = username?.split_once(':')?;
                    return priority.then_some(Self {
                        transaction,
                        local_ufrag,
                        remote_ufrag,
                        use_candidate,
                        controlled,
                        covered: datagram.get(..offset)?,
                        integrity: value,
                    });
                }
                _ => {}
            }
        }
        None
    }

    /// Whether the sender knows the password behind `key`. In constant time.
    pub(crate) fn is_authentic(&self, key: &IntegrityKey) -> bool {
        verify_slices_are_equal(key.sign(self.covered).as_ref(), self.integrity).is_ok()
    }
}

/// A binding request without attributes, to learn where one is (RFC 8489, section 6.1).
pub fn binding_request(transaction: [u8; 12]) -> [u8; HEADER_LEN] {
    let mut request = [0; HEADER_LEN];
    request[..2].copy_from_slice(&BINDING_REQUEST.to_be_bytes());
    request[4..8].copy_from_slice(&COOKIE.to_be_bytes());
    request[8..].copy_from_slice(&transaction);
    request
}

/// Where a [`binding_request`] came from, as the answer to it says. `None`: it is no answer to this one.
pub fn mapped_address(answer: &[u8], transaction: [u8; 12]) -> Option<SocketAddr> {
    if read_u16(answer, 0)? != BINDING_SUCCESS || answer.get(8..HEADER_LEN)? != transaction {
        return None;
    }
    for attribute in attributes(answer)? {
        let Attribute { kind, value, .. } = attribute?;
        if kind == XOR_MAPPED_ADDRESS {
            return unmask(value, transaction);
        }
    }
    None
}

/// Whether a STUN datagram is a connectivity check and no answer to one.
pub(crate) fn is_request(datagram: &[u8]) -> bool {
    read_u16(datagram, 0) == Some(BINDING_REQUEST)
}

/// Whether the datagram is STUN whose attributes lie within it: what a parser may be trusted with.
pub(crate) fn is_well_formed(datagram: &[u8]) -> bool {
    attributes(datagram).is_some_and(|mut attributes| attributes.all(|attribute| attribute.is_some()))
}

/// The answer to an authentic request: where it came from (RFC 8489, section 14.2).
pub(crate) fn success(transaction: TransactionId, source: SocketAddr, key: &IntegrityKey) -> Contents {
    let mut value = [0; 20];
    let port = source.port() ^ (COOKIE >> 16) as u16;
    value[2..4].copy_from_slice(&port.to_be_bytes());
    // The address is combined with the cookie and, for its rest, the transaction id.
    let mask = COOKIE.to_be_bytes().into_iter().chain(transaction.0);
    let (family, len) = match source.ip() {
        IpAddr::V4(ip) => (1, fill_masked(&mut value[4..], &ip.octets(), mask)),
        IpAddr::V6(ip) => (2, fill_masked(&mut value[4..], &ip.octets(), mask)),
    };
    value[1] = family;
    message(BINDING_SUCCESS, transaction, &[(XOR_MAPPED_ADDRESS, &value[..4 + len])], key)
}

/// An error answer without reason phrase (RFC 8489, section 14.8).
pub(crate) fn error(transaction: TransactionId, code: u16, key: &IntegrityKey) -> Contents {
    let value = [0, 0, (code / 100) as u8, (code % 100) as u8];
    message(BINDING_ERROR, transaction, &[(ERROR_CODE, &value)], key)
}

/// A check of an agent that is controlled (RFC 8445, section 7.1): `names` are the peer's user name fragment and ours,
/// `key` is of the peer's password.
pub(crate) fn request(
    transaction: TransactionId,
    names: (&str, &str),
    tie_breaker: [u8; 8],
    key: &IntegrityKey,
) -> Contents {
    let username = format!("{}:{}", names.0, names.1);
    let attributes: [(u16, &[u8]); 3] =
        [(USERNAME, username.as_bytes()), (PRIORITY, &CHECK_PRIORITY.to_be_bytes()), (ICE_CONTROLLED, &tie_breaker)];
    message(BINDING_REQUEST, transaction, &attributes, key)
}

/// Whether the datagram is the success that answers `transaction`, and authentic.
pub(crate) fn answers(datagram: &[u8], transaction: TransactionId, key: &IntegrityKey) -> bool {
    let integrity = || {
        let mut attributes = attributes(datagram)?;
        let is_answer = read_u16(datagram, 0)? == BINDING_SUCCESS && *datagram.get(8..20)? == transaction.0;
        let integrity = attributes.find_map(|attribute| match attribute {
            Some(Attribute { kind: MESSAGE_INTEGRITY, value, offset }) => Some((value, offset)),
            _ => None,
        });
        integrity.filter(|_| is_answer)
    };
    integrity().is_some_and(|(value, offset)| {
        let covered = datagram.get(..offset).unwrap_or_default();
        verify_slices_are_equal(key.sign(covered).as_ref(), value).is_ok()
    })
}

/// The value of XOR-MAPPED-ADDRESS (RFC 8489, section 14.2).
fn unmask(value: &[u8], transaction: [u8; 12]) -> Option<SocketAddr> {
    let port = read_u16(value, 2)? ^ (COOKIE >> 16) as u16;
    let masked = value.get(4..)?;
    let mut octets = [0; 16];
    let len = fill_masked(&mut octets, masked, COOKIE.to_be_bytes().into_iter().chain(transaction));
    let ip = match (value.get(1)?, len) {
        (1, 4) => IpAddr::from(*octets.first_chunk::<4>()?),
        (2, 16) => IpAddr::from(octets),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn fill_masked(to: &mut [u8], octets: &[u8], mask: impl Iterator<Item = u8>) -> usize {
    to.iter_mut().zip(octets.iter().zip(mask)).for_each(|(to, (octet, mask))| *to = octet ^ mask);
    octets.len()
}

/// A message with these attributes, MESSAGE-INTEGRITY and FINGERPRINT.
fn message(kind: u16, transaction: TransactionId, attributes: &[(u16, &[u8])], key: &IntegrityKey) -> Contents {
    const TRAILER_LEN: usize = 4 + INTEGRITY_LEN + 8;
    let body: usize = attributes.iter().map(|(_, value)| 4 + value.len().next_multiple_of(4)).sum();
    let mut message = Contents::new();
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&((body + TRAILER_LEN) as u16).to_be_bytes());
    message.extend_from_slice(&COOKIE.to_be_bytes());
    message.extend_from_slice(&transaction.0);
    for (kind, value) in attributes {
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&(value.len() as u16).to_be_bytes());
        message.extend_from_slice(value);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let signature = key.sign(&message);
    message.extend_from_slice(&MESSAGE_INTEGRITY.to_be_bytes());
    message.extend_from_slice(&(INTEGRITY_LEN as u16).to_be_bytes());
    message.extend_from_slice(signature.as_ref());
    let fingerprint = crc32(&message) ^ FINGERPRINT_XOR;
    message.extend_from_slice(&FINGERPRINT.to_be_bytes());
    message.extend_from_slice(&4_u16.to_be_bytes());
    message.extend_from_slice(&fingerprint.to_be_bytes());
    message
}

/// One attribute and where it begins.
struct Attribute<'a> {
    kind: u16,
    value: &'a [u8],
    offset: usize,
}

/// Walks the attributes of a STUN message; an attribute that reaches beyond the message comes out as `None`, last.
/// `None` at once when the header is not STUN's or its length not the datagram's.
fn attributes(datagram: &[u8]) -> Option<impl Iterator<Item = Option<Attribute<'_>>>> {
    let length = usize::from(read_u16(datagram, 2)?);
    let whole = datagram.len() == HEADER_LEN + length && length % 4 == 0;
    let cookie = u32::from_be_bytes(datagram.get(4..)?.first_chunk().copied()?);
    if !whole || cookie != COOKIE || datagram.first()? & 0xc0 != 0 {
        return None;
    }
    let mut offset = HEADER_LEN;
    Some(std::iter::from_fn(move || {
        if offset >= datagram.len() {
            return None;
        }
        let attribute = attribute_at(datagram, offset);
        offset = match &attribute {
            Some(attribute) => offset + 4 + attribute.value.len().next_multiple_of(4),
            None => datagram.len(),
        };
        Some(attribute)
    }))
}

fn attribute_at(datagram: &[u8], offset: usize) -> Option<Attribute<'_>> {
    let kind = read_u16(datagram, offset)?;
    let len = usize::from(read_u16(datagram, offset + 2)?);
    let value = datagram.get(offset + 4..)?.get(..len)?;
    Some(Attribute { kind, value, offset })
}

fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

/// CRC-32 as in ITU V.42.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table(0xedb8_8320);
    crc(&TABLE, bytes)
}

/// The table of [`crc`] for a reflected polynomial.
pub(crate) const fn crc_table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ polynomial } else { crc >> 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

/// A reflected checksum of 32 bits, one table step per byte.
pub(crate) fn crc(table: &[u32; 256], bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| table[usize::from(crc as u8 ^ byte)] ^ crc >> 8)
}

#[cfg(test)]
mod tests;
