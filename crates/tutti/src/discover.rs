//! Our own address as the outside sees it (1:1 NAT), asked of STUN servers once at the start.
//!
//! Basic binding requests (RFC 8489, section 6) only: no credentials, no long-lived bindings.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;

/// Requests to one server before it counts as silent.
const ATTEMPTS: u32 = 4;
/// Wait for the first answer; doubled with each attempt (RFC 8489, section 6.2.1).
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// RFC 8489, section 5.
const MAGIC_COOKIE: u32 = 0x2112_A442;
const HEADER_LEN: usize = 20;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
/// RFC 8489, section 14.2.
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

type Transaction = [u8; 12];

/// Why no address was found. The server does not start then: it would offer addresses that nobody reaches.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiscoverError {
    /// None of the servers answered, or their names cannot be resolved.
    #[error("no address discovered: none of {servers:?} (rtc.discover_ip) answered; rtc.node_ip states it by hand")]
    NoAnswer {
        /// The servers asked.
        servers: Vec<String>,
        /// What the last one failed with.
        #[source]
        last: io::Error,
    },
}

/// One address for each IP version in which one of `servers` (`host:port`) answers, asked in their order.
///
/// # Errors
/// No server answered.
pub(crate) async fn addresses(servers: &[String]) -> Result<Vec<IpAddr>, DiscoverError> {
    let mut found: Vec<IpAddr> = Vec::new();
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for server in servers {
        let resolved = match lookup_host(server).await {
            Ok(resolved) => resolved.collect::<Vec<_>>(),
            Err(error) => {
                tracing::warn!(server, %error, "STUN server not found");
                last = error;
                continue;
            }
        };
        for address in resolved {
            if found.iter().any(|ip| ip.is_ipv4() == address.is_ipv4()) {
                continue;
            }
            match ask(address).await {
                Ok(ip) => {
                    tracing::info!(server, %ip, "address discovered");
                    found.push(ip);
                }
                Err(error) => {
                    tracing::warn!(server, %address, %error, "STUN server did not answer");
                    last = error;
                }
            }
        }
    }
    if found.is_empty() { Err(DiscoverError::NoAnswer { servers: servers.to_vec(), last }) } else { Ok(found) }
}

async fn ask(server: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    let transaction: Transaction = rand::random();
    for attempt in 0..ATTEMPTS {
        socket.send(&request(transaction)).await?;
        if let Ok(answer) = timeout(FIRST_WAIT * 2_u32.pow(attempt), answer(&socket, transaction)).await {
            return answer;
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// The first valid answer; anything else that arrives is passed over.
async fn answer(socket: &UdpSocket, transaction: Transaction) -> io::Result<IpAddr> {
    let mut buffer = [0; 1500];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(address) = buffer.get(..length).and_then(|answer| mapped_address(answer, transaction)) {
            return Ok(address);
        }
    }
}

fn request(transaction: Transaction) -> [u8; HEADER_LEN] {
    let mut request = [0; HEADER_LEN];
    request[..2].copy_from_slice(&BINDING_REQUEST.to_be_bytes());
    request[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    request[8..].copy_from_slice(&transaction);
    request
}

/// The address in a success response to this transaction.
fn mapped_address(answer: &[u8], transaction: Transaction) -> Option<IpAddr> {
    let (header, mut attributes) = answer.split_at_checked(HEADER_LEN)?;
    let asked = header[..2] == BINDING_SUCCESS.to_be_bytes()
        && header[4..8] == MAGIC_COOKIE.to_be_bytes()
        && header[8..] == transaction;
    if !asked {
        return None;
    }
    loop {
        let (head, rest) = attributes.split_first_chunk::<4>()?;
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(..length)?;
        if kind == XOR_MAPPED_ADDRESS {
            return xor_address(value, transaction);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn xor_address(value: &[u8], transaction: Transaction) -> Option<IpAddr> {
    match (value.get(1)?, value.get(4..)?) {
        (1, ip) => Some(Ipv4Addr::from(u32::from_be_bytes(ip.try_into().ok()?) ^ MAGIC_COOKIE).into()),
        (2, ip) => {
            let mut key = [0; 16];
            key[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
            key[4..].copy_from_slice(&transaction);
            let ip = u128::from_be_bytes(ip.try_into().ok()?) ^ u128::from_be_bytes(key);
            Some(Ipv6Addr::from(ip).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769, sections 2.2 and 2.3: the same transaction answered with both kinds of address.
    const TRANSACTION: Transaction = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

    fn response(attribute: &[u8]) -> Vec<u8> {
        let mut message = BINDING_SUCCESS.to_be_bytes().to_vec();
        message.extend((attribute.len() as u16 + 8).to_be_bytes());
        message.extend(MAGIC_COOKIE.to_be_bytes());
        message.extend(TRANSACTION);
        message.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]); // SOFTWARE, padded
        message.extend(attribute);
        message
    }

    fn v4() -> Vec<u8> {
        response(&[0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43])
    }

    #[test]
    fn both_kinds_of_address_are_read() {
        assert_eq!(mapped_address(&v4(), TRANSACTION), Some("192.0.2.1".parse().unwrap()));
        let v6 = response(&[
            0x00, 0x20, 0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25,
            0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9,
        ]);
        assert_eq!(mapped_address(&v6, TRANSACTION), Some("2001:db8:1234:5678:11:2233:4455:6677".parse().unwrap()));
    }

    #[test]
    fn what_is_no_answer_to_us_is_none() {
        let whole = v4();
        for length in 0..whole.len() {
            assert_eq!(mapped_address(&whole[..length], TRANSACTION), None, "{length}");
        }
        assert_eq!(mapped_address(&whole, [0; 12]), None, "another transaction");
        let mut error = whole.clone();
        error[1] = 0x11;
        assert_eq!(mapped_address(&error, TRANSACTION), None, "an error response");
        assert_eq!(mapped_address(&request(TRANSACTION), TRANSACTION), None, "a request");
    }

    #[tokio::test]
    async fn a_server_is_asked_until_it_answers() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let answering = tokio::spawn(async move {
            let mut buffer = [0; 64];
            // The first request is lost.
            server.recv_from(&mut buffer).await.unwrap();
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(length, HEADER_LEN);
            let mut answer = v4();
            answer[8..20].copy_from_slice(&buffer[8..20]);
            server.send_to(b"noise", from).await.unwrap();
            server.send_to(&answer, from).await.unwrap();
        });
        let found = addresses(&["localhost.invalid:1".to_owned(), address]).await.unwrap();
        assert_eq!(found, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        answering.await.unwrap();
    }

    #[tokio::test]
    async fn without_an_answer_the_error_names_the_servers() {
        let error = addresses(&["localhost.invalid:1".to_owned()]).await.unwrap_err().to_string();
        assert!(error.contains("localhost.invalid:1") && error.contains("rtc.node_ip"), "{error}");
    }
}
