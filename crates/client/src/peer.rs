//! One peer connection: a UDP socket and the transport that lives on it.
//!
//! Moves datagrams between the two and tells what arrived. Knows no tracks and no session descriptions.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tutti_transport::{
    Certificate, Channel, Datagram, DatagramKind, IceCredentials, LocalAddresses, OpenTransport, Output, Proto,
    RemoteParameters, SRTCP_OVERHEAD_MAX, SRTP_OVERHEAD_MAX, Transport, TransportCommand, TransportConfig,
    TransportEvent, classify,
};

use crate::description::LocalTransport;
use crate::error::ClientError;

/// Asked of the system for each direction of a socket, bytes: a tenth of a second at 10 Mbit/s twice over.
const SOCKET_BUFFER: usize = 256 << 10;

/// Largest datagram that is read, bytes.
pub(crate) const DATAGRAM_MAX: usize = 2048;

/// What the clients of a process share: one certificate.
#[derive(Debug, Clone)]
pub struct Endpoint(Arc<TransportConfig>);

impl Endpoint {
    /// Makes a certificate.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn new() -> Result<Self, ClientError> {
        Ok(Self(Arc::new(TransportConfig::new(Certificate::generate()?))))
    }
}

/// What a datagram held.
pub(crate) enum Received {
    /// A plain RTP packet of this length at the start of the buffer.
    Rtp(usize),
    /// A plain RTCP compound packet of this length.
    Rtcp(usize),
    /// Something for the transport, already handled; or nothing of worth.
    Nothing,
}

/// Which side opens the data channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// We make the offers and open the channels.
    Ours,
    /// The server does.
    Theirs,
}

/// A peer connection.
pub(crate) struct Peer {
    socket: UdpSocket,
    address: SocketAddr,
    transport: Transport,
    pub(crate) local: LocalTransport,
    connected: bool,
    /// Datagrams that the system had no room for.
    pub(crate) refused: u64,
    sealed: Vec<u8>,
}

impl Peer {
    /// Opens a socket on `ip` and a transport on it.
    pub(crate) fn open(endpoint: &Endpoint, ip: IpAddr, side: Side, now: Instant) -> Result<Self, ClientError> {
        let socket = bind(ip).map_err(ClientError::Socket)?;
        let address = socket.local_addr().map_err(ClientError::Socket)?;
        let ice = IceCredentials {
            ufrag: format!("{:08x}", rand::random::<u32>()),
            pwd: format!("{:032x}", rand::random::<u128>()),
        };
        let channels = match side {
            Side::Ours => vec![Channel::Reliable, Channel::Lossy, Channel::DataTrack],
            Side::Theirs => Vec::new(),
        };
        let open = OpenTransport { ice: ice.clone(), ice_lite: false, open_channels: channels };
        let addresses = LocalAddresses { udp: vec![address], tcp: Vec::new() };
        let transport = Transport::new(open, &addresses, &endpoint.0, rand::random(), now);
        let (host, port) = (address.ip(), address.port());
        let local = LocalTransport {
            ice,
            fingerprint: endpoint.0.fingerprint().0,
            candidate: format!("candidate:1 1 udp 2130706431 {host} {port} typ host"),
        };
        Ok(Self { socket, address, transport, local, connected: false, refused: 0, sealed: vec![0; DATAGRAM_MAX] })
    }

    /// Whether media can be sent.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// The server's address that media goes to.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        self.transport.selected().map(|path| path.remote)
    }

    /// Takes the server's description of its transport.
    pub(crate) fn set_remote(&mut self, now: Instant, parameters: RemoteParameters, lite: bool) {
        if lite {
            self.transport.expect_lite_peer();
        }
        self.transport.handle_command(now, TransportCommand::SetRemote(Box::new(parameters)));
    }

    /// Takes a candidate of the server. Those over TCP are left alone.
    pub(crate) fn add_candidate(&mut self, now: Instant, text: &str) {
        if text.split_ascii_whitespace().nth(2).is_some_and(|proto| proto.eq_ignore_ascii_case("udp")) {
            self.transport.handle_command(now, TransportCommand::AddRemoteCandidate(text.to_owned()));
        }
    }

    /// Sends a message on a data channel.
    pub(crate) fn send_message(&mut self, now: Instant, channel: Channel, payload: Bytes) {
        self.transport.handle_command(now, TransportCommand::Send { channel, payload });
    }

    /// Bytes of reliable messages that wait to be sent or acknowledged.
    pub(crate) fn data_held(&self) -> u64 {
        self.transport.data_held()
    }

    /// Ends when there may be something to receive.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Receives one datagram into `buffer`; `None` if there is none.
    pub(crate) fn receive(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Received> {
        let (len, source) = match self.socket.try_recv_from(buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            // An ICMP error of something sent before.
            Err(_) => return Some(Received::Nothing),
        };
        let contents = buffer.get_mut(..len)?;
        Some(match classify(contents) {
            DatagramKind::Rtp => self.transport.open_rtp(contents).map_or(Received::Nothing, Received::Rtp),
            DatagramKind::Rtcp => self.transport.open_rtcp(contents).map_or(Received::Nothing, Received::Rtcp),
            DatagramKind::Stun | DatagramKind::Dtls => {
                let datagram = Datagram { proto: Proto::Udp, source, destination: self.address, contents };
                self.transport.handle_datagram(now, datagram);
                Received::Nothing
            }
            DatagramKind::Unknown => Received::Nothing,
        })
    }

    /// When [`Peer::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.transport.poll_timeout()
    }

    /// Lets the transport look at the clock.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.transport.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.transport.handle_timeout(now);
        }
    }

    /// Sends what the transport has to send and gives its next event.
    pub(crate) fn poll_event(&mut self) -> Option<TransportEvent> {
        while let Some(output) = self.transport.poll_output() {
            match output {
                Output::Transmit(transmit) | Output::Check(transmit) => {
                    let sent = self.socket.try_send_to(&transmit.contents, transmit.destination);
                    self.refused += u64::from(sent.is_err());
                }
                Output::Event(event) => {
                    match event {
                        TransportEvent::Connected { .. } => self.connected = true,
                        TransportEvent::Disconnected | TransportEvent::Failed { .. } => self.connected = false,
                        TransportEvent::ChannelOpen(_)
                        | TransportEvent::Message { .. }
                        | TransportEvent::DataProgress { .. }
                        | TransportEvent::DataStalled
                        | TransportEvent::DataUndelivered { .. } => {}
                    }
                    return Some(event);
                }
            }
        }
        None
    }

    /// Seals and sends one RTP packet. Says whether it left.
    pub(crate) fn send_rtp(&mut self, header: &[u8], payload: &[u8], index: u64) -> bool {
        debug_assert!(header.len() + payload.len() + SRTP_OVERHEAD_MAX <= DATAGRAM_MAX);
        let sealed = self.transport.seal_rtp(header, payload, index, &mut self.sealed);
        self.send_sealed(sealed.ok())
    }

    /// Seals and sends one RTCP compound packet. Says whether it left.
    pub(crate) fn send_rtcp(&mut self, packet: &[u8]) -> bool {
        debug_assert!(packet.len() + SRTCP_OVERHEAD_MAX <= DATAGRAM_MAX);
        let sealed = self.transport.seal_rtcp(packet, &mut self.sealed);
        self.send_sealed(sealed.ok())
    }

    fn send_sealed(&mut self, len: Option<usize>) -> bool {
        let (Some(len), Some(path)) = (len, self.transport.selected()) else { return false };
        let Some(datagram) = self.sealed.get(..len) else { return false };
        let sent = self.socket.try_send_to(datagram, path.remote).is_ok();
        self.refused += u64::from(!sent);
        sent
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, now: Instant) {
        self.transport.handle_command(now, TransportCommand::Close);
        while self.poll_event().is_some() {}
    }
}

fn bind(ip: IpAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(SocketAddr::new(ip, 0)), Type::DGRAM, Some(Protocol::UDP))?;
    // What the system allows is enough.
    let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
    let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::new(ip, 0).into())?;
    UdpSocket::from_std(socket.into())
}
