//! The clients: light ones around our own transport, so that simulating a thousand costs little. They handshake for
//! real; of what they receive they read the headers, which are in the clear, and answer as a browser does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tutti_rtp::rtcp::twcc::TransportFeedbackBuilder;
use tutti_rtp::rtcp::{ReportBlock, Writer};
use tutti_rtp::{CompactNtp, RtpPacket, SequenceNumber, Ssrc, read_transport_cc};
use tutti_transport::{
    Certificate, Channel, Datagram, DatagramKind, DtlsRole, Fingerprint, IceCredentials, LocalAddresses, OpenTransport,
    Output, Path, Proto, RemoteParameters, Transport, TransportCommand, TransportConfig, TransportEvent, classify,
};

use crate::stream::Stream;

/// Between two transport-wide feedbacks, and two receiver reports.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// One packet in so many is lost.
const LOSS: u64 = 200;
/// Id of the transport-wide number.
const TRANSPORT_CC: u8 = 3;
/// Our name in RTCP.
const REPORTER: Ssrc = Ssrc(1);

pub(crate) static CONFIG: LazyLock<Arc<TransportConfig>> = LazyLock::new(|| {
    let certificate = Certificate::generate().expect("a certificate");
    Arc::new(TransportConfig::new(certificate))
});

/// Datagrams on their way to the server, with their senders.
pub(crate) type Inbox = Vec<(SocketAddr, Vec<u8>)>;

/// One client's transport.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) ice: IceCredentials,
    pub(crate) connected: bool,
    pub(crate) transport: Transport,
    deadline: Option<Instant>,
}

impl Peer {
    pub(crate) fn new(now: Instant, number: usize, port: u16) -> Self {
        let address = SocketAddr::from((address_of(number), port));
        let ice =
            IceCredentials { ufrag: format!("client{number:06}"), pwd: format!("password-of-client-{number:06}") };
        let open = OpenTransport {
            ice: ice.clone(),
            ice_lite: false,
            // Whoever opens the channels controls.
            open_channels: vec![Channel::Reliable, Channel::Lossy],
        };
        let local = LocalAddresses { udp: vec![address], tcp: Vec::new() };
        let transport = Transport::new(open, &local, &CONFIG, number as u64 + 1, now);
        Self { address, ice, connected: false, transport, deadline: Some(now) }
    }

    pub(crate) fn connect(&mut self, now: Instant, server: SocketAddr, ice: IceCredentials, fingerprint: Fingerprint) {
        let remote = RemoteParameters {
            ice,
            fingerprints: fingerprint.into(),
            dtls_role: DtlsRole::Client,
            data_channels: true,
            sctp_port: tutti_transport::SCTP_PORT,
            max_message_size: Some(65_536),
        };
        self.transport.handle_command(now, TransportCommand::SetRemote(Box::new(remote)));
        let candidate = format!("candidate:1 1 udp 2130706431 {} {} typ host", server.ip(), server.port());
        self.transport.handle_command(now, TransportCommand::AddRemoteCandidate(candidate));
    }

    /// STUN and DTLS.
    fn receive(&mut self, now: Instant, path: Path, bytes: &[u8]) {
        let datagram = Datagram { proto: Proto::Udp, source: path.local, destination: self.address, contents: bytes };
        self.transport.handle_datagram(now, datagram);
        self.deadline = Some(now);
    }

    pub(crate) fn tick(&mut self, now: Instant, inbox: &mut Inbox) {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        self.transport.handle_timeout(now);
        while let Some(output) = self.transport.poll_output() {
            match output {
                Output::Transmit(transmit) | Output::Check(transmit) => {
                    inbox.push((self.address, transmit.contents.into_vec()));
                }
                Output::Event(TransportEvent::Connected { .. }) => self.connected = true,
                Output::Event(_) => {}
            }
        }
        self.deadline = self.transport.poll_timeout();
    }
}

/// The address of client `number`: all of 127.0.0.0/8 is one host.
fn address_of(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, (number >> 8) as u8, number as u8)
}

/// The client at an address.
pub(crate) fn number_of(address: SocketAddr) -> Option<usize> {
    match address {
        SocketAddr::V4(address) => match address.ip().octets() {
            [127, 1, high, low] => Some(usize::from(high) << 8 | usize::from(low)),
            _ => None,
        },
        SocketAddr::V6(_) => None,
    }
}

/// What a client noted of the streams it gets.
pub(crate) struct Listener {
    arrivals: TransportFeedbackBuilder,
    feedback_due: Instant,
    report_due: Instant,
    highest: [u16; 2],
    lost: Vec<SequenceNumber>,
    random: u64,
}

impl Listener {
    /// Clients answer at different times: `number` spreads them.
    pub(crate) fn new(now: Instant, number: usize) -> Self {
        let spread = Duration::from_millis(number as u64 * 7);
        Self {
            arrivals: TransportFeedbackBuilder::new(REPORTER, now),
            feedback_due: now + FEEDBACK_INTERVAL + Duration::from_nanos(spread.as_nanos() as u64 % 50_000_000),
            report_due: now + Duration::from_nanos(spread.as_nanos() as u64 % 1_000_000_000),
            highest: [0; 2],
            lost: Vec::new(),
            random: (number as u64 * 0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// Takes whatever the server sent to `peer`.
    pub(crate) fn receive(&mut self, now: Instant, peer: &mut Peer, path: Path, bytes: &[u8]) {
        match classify(bytes) {
            DatagramKind::Rtp => self.note(now, bytes),
            DatagramKind::Rtcp => {}
            _ => peer.receive(now, path, bytes),
        }
    }

    fn note(&mut self, now: Instant, bytes: &[u8]) {
        let Ok(packet) = RtpPacket::parse(bytes) else { return };
        let streams = [0, 1].map(Stream::new);
        let Some(at) = streams.iter().position(|stream| stream.ssrc == packet.ssrc().0) else { return };
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if self.random.is_multiple_of(LOSS) && at == 0 {
            self.lost.push(packet.sequence());
            return;
        }
        self.highest[at] = packet.sequence().0;
        if let Some(number) = packet.extension(TRANSPORT_CC).and_then(read_transport_cc) {
            self.arrivals.record(number, now);
        }
    }

    /// What the client says about it now.
    pub(crate) fn answer(&mut self, now: Instant, peer: &mut Peer, inbox: &mut Inbox) {
        if now < self.feedback_due {
            return;
        }
        self.feedback_due += FEEDBACK_INTERVAL;
        let [video, audio] = [0, 1].map(Stream::new);
        let mut bytes = [0; 1400];
        let mut writer = Writer::new(&mut bytes);
        if now >= self.report_due {
            self.report_due += REPORT_INTERVAL;
            let blocks = [(video, 0), (audio, 1)].map(|(stream, at)| block(stream.ssrc, self.highest[at]));
            writer.receiver_report(REPORTER, &blocks).expect("room for a report");
        }
        while matches!(self.arrivals.build(Ssrc(video.ssrc), &mut writer), Ok(true)) {}
        if !self.lost.is_empty() {
            writer.nack(REPORTER, Ssrc(video.ssrc), &self.lost).expect("room for a NACK");
            self.lost.clear();
        }
        if !writer.is_empty() {
            let mut sealed = vec![0; writer.written().len() + tutti_transport::SRTCP_OVERHEAD_MAX];
            let length = peer.transport.seal_rtcp(writer.written(), &mut sealed).expect("keys");
            sealed.truncate(length);
            inbox.push((peer.address, sealed));
        }
    }
}

fn block(ssrc: u32, highest: u16) -> ReportBlock {
    ReportBlock {
        ssrc: Ssrc(ssrc),
        fraction_lost: 1,
        cumulative_lost: 10,
        highest_sequence: highest.into(),
        jitter: 20,
        last_sender_report: CompactNtp::default(),
        delay: CompactNtp::default(),
    }
}
