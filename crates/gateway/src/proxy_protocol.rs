//! The head that a proxy below HTTP puts before a connection to say whose it is: PROXY protocol, version 2
//! (haproxy.org, "The PROXY protocol", section 2.2). It is looked for only where the peer is a trusted proxy.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// What such a head begins with; no HTTP request does.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const HEAD_LEN: usize = 16;
/// Addresses take 216 at most; the rest is what proxies tell beside (section 2.2.1).
const REST_LEN_MAX: usize = 4096;

/// Takes the head off a connection, if there is one. `None`: none, or one that names nobody (a health check of the
/// proxy's own).
///
/// # Errors
/// The connection broke, or what began like a head is none.
pub(crate) async fn take(stream: &mut TcpStream) -> io::Result<Option<IpAddr>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 || first != SIGNATURE[..1] {
        return Ok(None);
    }
    let mut head = [0; HEAD_LEN];
    stream.read_exact(&mut head).await?;
    let mut rest = vec![0; rest_len(&head).ok_or(io::ErrorKind::InvalidData)?];
    stream.read_exact(&mut rest).await?;
    source(&head, &rest).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// How much follows a head; `None` if it is none.
fn rest_len(head: &[u8; HEAD_LEN]) -> Option<usize> {
    let length = usize::from(u16::from_be_bytes([head[14], head[15]]));
    (head[..12] == SIGNATURE && length <= REST_LEN_MAX).then_some(length)
}

/// Whom a head names; the outer `None` if it cannot be read.
fn source(head: &[u8; HEAD_LEN], rest: &[u8]) -> Option<Option<IpAddr>> {
    match head[12] {
        0x20 => return Some(None),
        0x21 => {}
        _ => return None,
    }
    // The lower half names the transport, which does not matter here.
    match head[13] >> 4 {
        1 => rest.get(..12)?.first_chunk::<4>().map(|ip| Some(Ipv4Addr::from(*ip).into())),
        2 => rest.get(..36)?.first_chunk::<16>().map(|ip| Some(Ipv6Addr::from(*ip).to_canonical())),
        // Unknown, or a socket of the proxy's machine.
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(command: u8, family: u8, length: u16) -> [u8; HEAD_LEN] {
        let mut head = [0; HEAD_LEN];
        head[..12].copy_from_slice(&SIGNATURE);
        head[12..14].copy_from_slice(&[command, family]);
        head[14..].copy_from_slice(&length.to_be_bytes());
        head
    }

    #[test]
    fn heads() {
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0x1e, 0xc8];
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().expect("it is one").octets());
        let with_more = [&v4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat();
        let ip = |text: &str| Some(Some(text.parse::<IpAddr>().expect("it is one")));
        for (command, family, rest, expected) in [
            (0x21, 0x11, &v4[..], ip("203.0.113.7")),
            (0x21, 0x12, &v4[..], ip("203.0.113.7")),
            (0x21, 0x11, &with_more, ip("203.0.113.7")),
            (0x21, 0x21, &v6, ip("2001:db8::7")),
            (0x20, 0x11, &v4, Some(None)),
            (0x20, 0x00, &[], Some(None)),
            (0x21, 0x00, &[], Some(None)),
            (0x21, 0x31, &[0; 216], Some(None)),
            (0x22, 0x11, &v4, None),
            (0x11, 0x11, &v4, None),
            (0x21, 0x11, &v4[..11], None),
            (0x21, 0x21, &v6[..35], None),
        ] {
            assert_eq!(source(&head(command, family, 0), rest), expected, "{command:x} {family:x} {}", rest.len());
        }
        assert_eq!(rest_len(&head(0x21, 0x11, 12)), Some(12));
        assert_eq!(rest_len(&head(0x21, 0x11, 4097)), None);
        let mut other = head(0x21, 0x11, 12);
        other[11] = b'\r';
        assert_eq!(rest_len(&other), None);
    }
}
