//! A fan-out made of str0m sessions in RTP mode: each packet that the publisher's session gives is written to every
//! subscriber's session. Packets of a burst are written before a session is polled, which is its cheapest use.

use std::net::SocketAddr;
use std::time::Instant;

use str0m::ice::IceCreds;
use str0m::media::{MediaKind, Mid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tutti_media::batch::SendBatch;
use tutti_media::shard::Flushed;
use tutti_transport::{Fingerprint, IceCredentials, Path, Proto};

use crate::peer::number_of;
use crate::server::{Newcomer, Server};
use crate::stream::Stream;

/// What a session may send in one go, bytes.
const ROOM_BYTES: usize = 1 << 16;

/// The publisher's session, and everybody else's.
pub(crate) struct Theirs {
    address: SocketAddr,
    sessions: Vec<Session>,
    /// What the publisher sent since the last flush.
    arrived: Vec<RtpPacket>,
    /// The next session to flush.
    next: usize,
}

struct Session {
    rtc: Rtc,
    remote: SocketAddr,
    deadline: Instant,
    streams: Vec<Stream>,
    /// It has something to say besides the publisher's packets.
    touched: bool,
    forwarded: u64,
}

impl Theirs {
    pub(crate) fn new(address: SocketAddr) -> Self {
        str0m::crypto::from_feature_flags().install_process_default();
        Self { address, sessions: Vec::new(), arrived: Vec::new(), next: 0 }
    }

    fn path(&self, remote: SocketAddr) -> Path {
        Path { proto: Proto::Udp, remote, local: self.address }
    }
}

impl Session {
    fn drain(&mut self, path: Path, batch: &mut SendBatch, arrived: &mut Vec<RtpPacket>) {
        loop {
            match self.rtc.poll_output().expect("output") {
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    self.touched = false;
                    return;
                }
                Output::Transmit(transmit) => {
                    let rtp = transmit.contents.get(1).is_some_and(|second| !(192..224).contains(second));
                    self.forwarded += u64::from(rtp && transmit.contents[0] & 0xc0 == 0x80);
                    assert!(batch.push(path, &transmit.contents), "room for a datagram");
                }
                Output::Event(Event::RtpPacket(packet)) => arrived.push(packet),
                Output::Event(_) => {}
            }
        }
    }
}

impl Server for Theirs {
    fn join(&mut self, now: Instant, newcomer: &Newcomer) -> (IceCredentials, Fingerprint) {
        let mut rtc = RtcConfig::new().set_rtp_mode(true).set_ice_lite(true).build(now);
        rtc.add_local_candidate(Candidate::host(self.address, "udp").expect("candidate"));
        let mut api = rtc.direct_api();
        let bytes = newcomer.fingerprint.0.to_vec();
        api.set_remote_fingerprint(str0m::crypto::Fingerprint { hash_func: "sha-256".into(), bytes });
        let IceCredentials { ufrag, pwd } = newcomer.ice.clone();
        api.set_remote_ice_credentials(IceCreds { ufrag, pass: pwd });
        api.set_ice_controlling(false);
        api.enable_twcc_feedback();
        api.start_dtls(false).expect("DTLS");
        api.start_sctp(false);
        let ice = api.local_ice_credentials();
        let fingerprint = Fingerprint(api.local_dtls_fingerprint().bytes.clone().try_into().expect("SHA-256"));
        self.sessions.push(Session {
            rtc,
            remote: newcomer.address,
            deadline: now,
            streams: Vec::new(),
            touched: true,
            forwarded: 0,
        });
        (IceCredentials { ufrag: ice.ufrag, pwd: ice.pass }, fingerprint)
    }

    fn publish(&mut self, _now: Instant, number: usize, stream: &Stream) {
        let mid = Mid::from(stream.mid().as_str());
        let mut api = self.sessions[number].rtc.direct_api();
        api.declare_media(mid, kind(stream));
        api.expect_stream_rx(stream.ssrc.into(), stream.rtx_ssrc.map(Into::into), mid, None);
    }

    fn subscribe(&mut self, _now: Instant, number: usize, stream: &Stream) {
        let mid = Mid::from(stream.mid().as_str());
        let session = &mut self.sessions[number];
        let mut api = session.rtc.direct_api();
        api.declare_media(mid, kind(stream));
        api.declare_stream_tx(stream.ssrc.into(), stream.rtx_ssrc.map(Into::into), mid, None);
        session.streams.push(*stream);
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]) {
        let Some(session) = number_of(from).and_then(|number| self.sessions.get_mut(number)) else { return };
        let Ok(received) = Receive::new(Protocol::Udp, from, self.address, bytes) else { return };
        session.rtc.handle_input(Input::Receive(now, received)).expect("input");
        session.touched = true;
    }

    fn wants_flush(&self) -> bool {
        false
    }

    fn deadline(&self) -> Option<Instant> {
        self.sessions.iter().map(|session| session.deadline).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        for session in self.sessions.iter_mut().filter(|session| session.deadline <= now) {
            session.rtc.handle_input(Input::Timeout(now)).expect("input");
            session.touched = true;
        }
    }

    fn flush(&mut self, now: Instant, batch: &mut SendBatch) -> Flushed {
        let mut arrived = std::mem::take(&mut self.arrived);
        while self.next < self.sessions.len() {
            if batch.room(ROOM_BYTES).is_none() {
                self.arrived = arrived;
                return Flushed::Part;
            }
            let path = self.path(self.sessions[self.next].remote);
            let session = &mut self.sessions[self.next];
            for packet in &arrived {
                let Some(stream) = session.streams.iter().find(|stream| stream.ssrc == *packet.header.ssrc) else {
                    continue;
                };
                let mut api = session.rtc.direct_api();
                let sender = api.stream_tx(&stream.ssrc.into()).expect("declared");
                let write = RtpWrite::new(
                    stream.kind.payload_type.into(),
                    packet.seq_no,
                    packet.header.timestamp,
                    now,
                    packet.payload.clone(),
                );
                sender.write_rtp(write.marker(packet.header.marker).nackable(true));
                session.touched = true;
            }
            if session.touched {
                session.rtc.handle_input(Input::Timeout(now)).expect("input");
                // The publisher is the first of all: what it gives is there for the others.
                session.drain(path, batch, &mut arrived);
            }
            self.next += 1;
        }
        self.next = 0;
        arrived.clear();
        self.arrived = arrived;
        Flushed::All
    }

    fn forwarded(&self) -> u64 {
        self.sessions.iter().skip(1).map(|session| session.forwarded).sum()
    }
}

fn kind(stream: &Stream) -> MediaKind {
    match stream.kind.media {
        tutti_rtp::MediaKind::Audio => MediaKind::Audio,
        tutti_rtp::MediaKind::Video => MediaKind::Video,
    }
}
