//! Our own address as the outside sees it (1:1 NAT), asked of STUN servers once at the start.
//!
//! Basic binding requests (RFC 8489, section 6) only: no credentials, no long-lived bindings.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{UdpSocket, lookup_host};
use tokio::time::timeout;
use tutti_transport::{binding_request, mapped_address};

/// Requests to one server before it counts as silent.
const ATTEMPTS: u32 = 4;
/// Wait for the first answer; doubled with each attempt (RFC 8489, section 6.2.1).
const FIRST_WAIT: Duration = Duration::from_millis(250);
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
    let transaction: [u8; 12] = rand::random();
    for attempt in 0..ATTEMPTS {
        socket.send(&binding_request(transaction)).await?;
        if let Ok(answer) = timeout(FIRST_WAIT * 2_u32.pow(attempt), answer(&socket, transaction)).await {
            return answer;
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// The first valid answer; anything else that arrives is passed over.
async fn answer(socket: &UdpSocket, transaction: [u8; 12]) -> io::Result<IpAddr> {
    let mut buffer = [0; 1500];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(address) = buffer.get(..length).and_then(|answer| mapped_address(answer, transaction)) {
            return Ok(address.ip());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769, section 2.2, of another transaction: an answer with 192.0.2.1.
    const ANSWER: [u8; 32] = [
        0x01, 0x01, 0, 12, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, //
        0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    ];

    #[tokio::test]
    async fn a_server_is_asked_until_it_answers() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let answering = tokio::spawn(async move {
            let mut buffer = [0; 64];
            // The first request is lost.
            server.recv_from(&mut buffer).await.unwrap();
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            assert_eq!(length, 20);
            let mut answer = ANSWER;
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
