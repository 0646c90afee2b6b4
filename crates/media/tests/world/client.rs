//! A str0m client: an implementation of WebRTC that is not ours.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::ice::IceCreds;
use str0m::media::{KeyframeRequest, KeyframeRequestKind, MediaKind, Mid, Rid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite, SeqNo};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tutti_transport::{Fingerprint, IceCredentials, TransportId};

use super::media::{Kind, Packet, Sink, Source};

/// A packet that arrived, decrypted by str0m.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    pub ssrc: u32,
    pub payload_type: u8,
    pub mid: Option<String>,
    /// Extended.
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
}

/// How a client is reached, and what it opens.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    pub address: SocketAddr,
    pub server: SocketAddr,
    pub protocol: Protocol,
    /// It opens the data channels.
    pub channels: bool,
}

pub struct Client {
    pub id: TransportId,
    pub address: SocketAddr,
    /// The address the network sees; another one when the client is behind a NAT.
    pub outside: SocketAddr,
    protocol: Protocol,
    pub rtc: Rtc,
    pub deadline: Instant,
    pub arrived: Vec<Arrived>,
    pub key_frame_requests: Vec<KeyframeRequest>,
    pub channels: Vec<(ChannelId, String)>,
    pub messages: Vec<(String, Vec<u8>)>,
    outgoing: Vec<(SocketAddr, Vec<u8>)>,
}

impl Client {
    pub fn new(now: Instant, id: TransportId, way: Way, ice: &IceCredentials, fingerprint: Fingerprint) -> Self {
        let Way { address, server, protocol, channels } = way;
        let mut rtc = RtcConfig::new().set_rtp_mode(true).build(now);
        let name = if protocol == Protocol::Udp { "udp" } else { "tcp" };
        rtc.add_local_candidate(Candidate::host(address, name).expect("candidate"));
        rtc.add_remote_candidate(Candidate::host(server, name).expect("candidate"));
        let mut api = rtc.direct_api();
        api.set_remote_fingerprint(str0m::crypto::Fingerprint {
            hash_func: "sha-256".into(),
            bytes: fingerprint.0.to_vec(),
        });
        api.set_remote_ice_credentials(IceCreds { ufrag: ice.ufrag.clone(), pass: ice.pwd.clone() });
        api.set_ice_controlling(true);
        api.enable_twcc_feedback();
        api.start_dtls(true).expect("DTLS");
        api.start_sctp(true);
        if channels {
            for (label, ordered, reliability) in [
                ("_reliable", true, Reliability::Reliable),
                ("_lossy", false, Reliability::MaxRetransmits { retransmits: 0 }),
            ] {
                let label = label.into();
                api.create_data_channel(ChannelConfig { label, ordered, reliability, ..ChannelConfig::default() });
            }
        }
        let mut client = Self {
            id,
            address,
            outside: address,
            protocol,
            rtc,
            deadline: now,
            arrived: Vec::new(),
            key_frame_requests: Vec::new(),
            channels: Vec::new(),
            messages: Vec::new(),
            outgoing: Vec::new(),
        };
        client.handle_timeout(now);
        client
    }

    pub fn credentials(&mut self) -> IceCredentials {
        let ours = self.rtc.direct_api().local_ice_credentials();
        IceCredentials { ufrag: ours.ufrag, pwd: ours.pass }
    }

    pub fn fingerprint(&mut self) -> Fingerprint {
        Fingerprint(self.rtc.direct_api().local_dtls_fingerprint().bytes.clone().try_into().expect("SHA-256"))
    }

    pub fn declare_source(&mut self, source: &Source) {
        let mid = Mid::from(source.mid.as_str());
        let mut api = self.rtc.direct_api();
        api.declare_media(mid, media_kind(source.kind));
        for layer in &source.layers {
            let rid = layer.rid.map(Rid::from);
            api.declare_stream_tx(layer.ssrc.into(), layer.rtx_ssrc.map(Into::into), mid, rid);
        }
    }

    pub fn declare_sink(&mut self, sink: &Sink) {
        let mid = Mid::from(sink.mid.as_str());
        let mut api = self.rtc.direct_api();
        api.declare_media(mid, media_kind(sink.kind));
        api.expect_stream_rx(sink.ssrc.into(), sink.rtx_ssrc.map(Into::into), mid, None);
    }

    /// Sends a packet of a declared source.
    pub fn write(&mut self, now: Instant, kind: Kind, packet: &Packet) {
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx(&packet.ssrc.into()).expect("declared");
        let write = RtpWrite::new(
            kind.payload_type().into(),
            SeqNo::from(packet.sequence),
            packet.timestamp,
            now,
            packet.payload.clone(),
        );
        stream.write_rtp(write.marker(packet.marker).nackable(true));
        self.drain_rtc();
    }

    pub fn request_key_frame(&mut self, ssrc: u32) {
        let mut api = self.rtc.direct_api();
        api.stream_rx(&ssrc.into()).expect("declared").request_keyframe(KeyframeRequestKind::Pli);
    }

    pub fn send_message(&mut self, label: &str, payload: &[u8]) {
        let id = self.channels.iter().find(|(_, open)| open == label).expect("open").0;
        self.rtc.channel(id).expect("channel").write(true, payload).expect("written");
    }

    /// What arrived of one stream.
    pub fn of(&self, ssrc: u32) -> impl Iterator<Item = &Arrived> {
        self.arrived.iter().filter(move |arrived| arrived.ssrc == ssrc)
    }

    pub fn receive(&mut self, now: Instant, source: SocketAddr, bytes: &[u8]) {
        let received = Receive::new(self.protocol, source, self.address, bytes).expect("a known protocol");
        self.rtc.handle_input(Input::Receive(now, received)).expect("input");
        self.drain_rtc();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.rtc.handle_input(Input::Timeout(now)).expect("input");
        self.drain_rtc();
    }

    pub fn drain(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        self.drain_rtc();
        std::mem::take(&mut self.outgoing)
    }

    fn drain_rtc(&mut self) {
        loop {
            match self.rtc.poll_output().expect("output") {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                Output::Transmit(transmit) => {
                    self.outgoing.push((transmit.destination, transmit.contents.to_vec()));
                }
                Output::Event(event) => self.note(event),
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::RtpPacket(packet) => self.arrived.push(arrived(&packet)),
            Event::KeyframeRequest(request) => self.key_frame_requests.push(request),
            Event::ChannelOpen(id, label) => self.channels.push((id, label)),
            Event::ChannelData(data) => {
                let label = self.channels.iter().find(|(id, _)| *id == data.id).map(|(_, label)| label.clone());
                self.messages.push((label.unwrap_or_default(), data.data));
            }
            _ => {}
        }
    }
}

fn arrived(packet: &RtpPacket) -> Arrived {
    Arrived {
        ssrc: *packet.header.ssrc,
        payload_type: *packet.header.payload_type,
        mid: packet.header.ext_vals.mid.map(|mid| mid.to_string()),
        sequence: *packet.seq_no,
        timestamp: packet.header.timestamp,
        marker: packet.header.marker,
        payload: packet.payload.to_vec(),
    }
}

const fn media_kind(kind: Kind) -> MediaKind {
    match kind {
        Kind::Audio => MediaKind::Audio,
        Kind::Video => MediaKind::Video,
    }
}
