//! Our transport as an end of the network.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use bytes::Bytes;
use tutti_transport::*;

use super::{Endpoint, Packet};

static CONFIG: LazyLock<Arc<TransportConfig>> =
    LazyLock::new(|| Arc::new(TransportConfig::new(Certificate::generate().unwrap())));

/// How to make an end.
pub struct OursBuilder {
    pub address: SocketAddr,
    pub lite: bool,
    pub open_channels: Vec<Channel>,
    pub ice: IceCredentials,
    pub seed: u64,
}

impl OursBuilder {
    pub fn new(address: &str, name: &str) -> Self {
        Self {
            address: address.parse().unwrap(),
            lite: true,
            open_channels: Vec::new(),
            ice: credentials(name),
            seed: 7,
        }
    }

    pub fn full(mut self) -> Self {
        self.lite = false;
        self
    }

    pub fn opening(mut self, channels: &[Channel]) -> Self {
        self.open_channels = channels.to_vec();
        self
    }

    pub fn build(self, now: Instant) -> Ours {
        let open = OpenTransport { ice: self.ice.clone(), ice_lite: self.lite, open_channels: self.open_channels };
        let local = LocalAddresses { udp: vec![self.address], tcp: vec![self.address] };
        Ours {
            transport: Transport::new(open, &local, &CONFIG, self.seed, now),
            address: self.address,
            ice: self.ice,
            events: Vec::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            largest: 0,
        }
    }
}

/// Credentials made from a name.
pub fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: format!("{name}frag"), pwd: format!("{name}0123456789abcdefghijkl") }
}

/// Our transport.
pub struct Ours {
    pub transport: Transport,
    pub address: SocketAddr,
    pub ice: IceCredentials,
    pub events: Vec<TransportEvent>,
    /// Plain packets that were opened.
    pub rtp: Vec<Vec<u8>>,
    pub rtcp: Vec<Vec<u8>>,
    /// Length of the largest datagram sent, bytes.
    pub largest: usize,
}

impl Ours {
    pub fn fingerprint() -> Fingerprint {
        CONFIG.fingerprint()
    }

    /// Tells what the peer's description said.
    pub fn set_remote(&mut self, now: Instant, ice: &IceCredentials, fingerprint: Fingerprint, dtls_role: DtlsRole) {
        let remote = RemoteParameters {
            ice: ice.clone(),
            fingerprints: fingerprint.into(),
            dtls_role,
            data_channels: true,
            sctp_port: SCTP_PORT,
            max_message_size: Some(262_144),
        };
        self.transport.handle_command(now, TransportCommand::SetRemote(Box::new(remote)));
    }

    pub fn restart(&mut self, now: Instant, ice: IceCredentials) {
        self.ice = ice.clone();
        self.transport.handle_command(now, TransportCommand::RestartIce(ice));
    }

    pub fn add_candidate(&mut self, now: Instant, text: String) {
        self.transport.handle_command(now, TransportCommand::AddRemoteCandidate(text));
    }

    pub fn send(&mut self, now: Instant, channel: Channel, payload: impl Into<Bytes>) {
        self.transport.handle_command(now, TransportCommand::Send { channel, payload: payload.into() });
    }

    pub fn connected(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, TransportEvent::Connected { .. })).count()
    }

    pub fn disconnected(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, TransportEvent::Disconnected)).count()
    }

    pub fn failed(&self) -> Option<TransportFailure> {
        self.events.iter().find_map(|event| match event {
            TransportEvent::Failed { reason } => Some(*reason),
            _ => None,
        })
    }

    pub fn open(&self) -> Vec<Channel> {
        let mut open: Vec<Channel> = self
            .events
            .iter()
            .filter_map(|event| match event {
                TransportEvent::ChannelOpen(channel) => Some(*channel),
                _ => None,
            })
            .collect();
        open.sort();
        open
    }

    pub fn messages(&self, wanted: Channel) -> Vec<Bytes> {
        self.events
            .iter()
            .filter_map(|event| match event {
                TransportEvent::Message { channel, payload } if *channel == wanted => Some(payload.clone()),
                _ => None,
            })
            .collect()
    }

    /// A sealed RTP packet on its way to the peer.
    pub fn seal_rtp(&self, header: &[u8], payload: &[u8], index: u64) -> Packet {
        let mut contents = vec![0; 1500];
        let len = self.transport.seal_rtp(header, payload, index, &mut contents).unwrap();
        contents.truncate(len);
        self.packet(contents)
    }

    pub fn packet(&self, contents: Vec<u8>) -> Packet {
        let path = self.transport.selected().unwrap();
        Packet { proto: path.proto, source: path.local, destination: path.remote, contents }
    }
}

impl Endpoint for Ours {
    fn receive(&mut self, now: Instant, packet: &mut Packet) {
        match classify(&packet.contents) {
            DatagramKind::Rtp => {
                if let Ok(len) = self.transport.open_rtp(&mut packet.contents) {
                    self.rtp.push(packet.contents[..len].to_vec());
                }
            }
            DatagramKind::Rtcp => {
                if let Ok(len) = self.transport.open_rtcp(&mut packet.contents) {
                    self.rtcp.push(packet.contents[..len].to_vec());
                }
            }
            _ => {
                let datagram = Datagram {
                    proto: packet.proto,
                    source: packet.source,
                    destination: packet.destination,
                    contents: &packet.contents,
                };
                self.transport.handle_datagram(now, datagram);
            }
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.transport.handle_timeout(now);
    }

    fn drain(&mut self, _now: Instant, send: &mut dyn FnMut(Packet)) -> Option<Instant> {
        while let Some(output) = self.transport.poll_output() {
            match output {
                Output::Transmit(transmit) | Output::Check(transmit) => {
                    let Transmit { proto, source, destination, contents } = transmit;
                    self.largest = self.largest.max(contents.len());
                    send(Packet { proto, source, destination, contents: contents.into_vec() });
                }
                Output::Event(event) => self.events.push(event),
            }
        }
        self.transport.poll_timeout()
    }
}
