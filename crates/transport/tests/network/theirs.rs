//! A str0m client as an end of the network.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::ice::IceCreds;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Rtc, RtcConfig};
use tutti_transport::{Fingerprint, IceCredentials, Proto, TcpConnection};

use super::{Endpoint, Packet};

/// The only ICE-TCP connection of a test.
pub const CONNECTION: TcpConnection = TcpConnection(5);

/// What a client is to do.
pub struct TheirsConfig {
    pub address: SocketAddr,
    pub server: SocketAddr,
    pub tcp: bool,
    pub dtls_client: bool,
    pub remote_ice: IceCredentials,
    pub remote_fingerprint: Fingerprint,
    /// Labels to open channels with.
    pub open: Vec<&'static str>,
}

/// A str0m client.
pub struct Theirs {
    pub rtc: Rtc,
    pub events: Vec<Event>,
    pub channels: Vec<(ChannelId, String)>,
    tcp: bool,
    deadline: Instant,
}

impl Theirs {
    pub fn new(now: Instant, config: TheirsConfig) -> Self {
        str0m::crypto::from_feature_flags().install_process_default();
        let mut rtc = RtcConfig::new().set_rtp_mode(true).build(now);
        let proto = if config.tcp { "tcp" } else { "udp" };
        rtc.add_local_candidate(Candidate::host(config.address, proto).unwrap());
        rtc.add_remote_candidate(Candidate::host(config.server, proto).unwrap());
        let mut api = rtc.direct_api();
        api.set_remote_fingerprint(str0m::crypto::Fingerprint {
            hash_func: "sha-256".into(),
            bytes: config.remote_fingerprint.0.to_vec(),
        });
        api.set_remote_ice_credentials(IceCreds {
            ufrag: config.remote_ice.ufrag.clone(),
            pass: config.remote_ice.pwd.clone(),
        });
        api.set_ice_controlling(true);
        api.start_dtls(config.dtls_client).unwrap();
        api.start_sctp(config.dtls_client);
        for label in config.open {
            let lossy = label != "_reliable";
            let reliability =
                if lossy { Reliability::MaxRetransmits { retransmits: 0 } } else { Reliability::Reliable };
            api.create_data_channel(ChannelConfig {
                label: label.into(),
                ordered: !lossy,
                reliability,
                ..ChannelConfig::default()
            });
        }
        let mut theirs = Self { rtc, events: Vec::new(), channels: Vec::new(), tcp: config.tcp, deadline: now };
        theirs.handle_timeout(now);
        theirs
    }

    pub fn credentials(&mut self) -> IceCredentials {
        let ours = self.rtc.direct_api().local_ice_credentials();
        IceCredentials { ufrag: ours.ufrag, pwd: ours.pass }
    }

    pub fn fingerprint(&mut self) -> Fingerprint {
        Fingerprint(self.rtc.direct_api().local_dtls_fingerprint().bytes.clone().try_into().unwrap())
    }

    pub fn open(&self) -> Vec<&str> {
        let mut open: Vec<&str> = self.channels.iter().map(|(_, label)| label.as_str()).collect();
        open.sort_unstable();
        open
    }

    pub fn write(&mut self, label: &str, binary: bool, payload: &[u8]) {
        let id = self.channels.iter().find(|(_, open)| open == label).unwrap().0;
        self.rtc.channel(id).unwrap().write(binary, payload).unwrap();
    }

    pub fn messages(&self, label: &str) -> Vec<Vec<u8>> {
        let id = self.channels.iter().find(|(_, open)| open == label).map(|(id, _)| *id);
        self.events
            .iter()
            .filter_map(|event| match event {
                Event::ChannelData(data) if Some(data.id) == id => Some(data.data.clone()),
                _ => None,
            })
            .collect()
    }
}

impl Endpoint for Theirs {
    fn receive(&mut self, now: Instant, packet: &mut Packet) {
        let proto = if packet.proto.is_tcp() { Protocol::Tcp } else { Protocol::Udp };
        if let Ok(receive) = Receive::new(proto, packet.source, packet.destination, &packet.contents) {
            self.rtc.handle_input(Input::Receive(now, receive)).unwrap();
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
    }

    fn drain(&mut self, now: Instant, send: &mut dyn FnMut(Packet)) -> Option<Instant> {
        loop {
            match self.rtc.poll_output().unwrap() {
                str0m::Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    break;
                }
                str0m::Output::Transmit(transmit) => send(Packet {
                    proto: if self.tcp { Proto::Tcp(CONNECTION) } else { Proto::Udp },
                    source: transmit.source,
                    destination: transmit.destination,
                    contents: transmit.contents.to_vec(),
                }),
                str0m::Output::Event(event) => {
                    if let Event::ChannelOpen(id, label) = &event {
                        self.channels.push((*id, label.clone()));
                    }
                    self.events.push(event);
                }
            }
        }
        // str0m asks for a deadline days ahead when it wants none.
        Some(self.deadline).filter(|deadline| *deadline < now + Duration::from_secs(3600))
    }
}
