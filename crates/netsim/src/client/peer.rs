//! One peer connection of a client: str0m, an implementation of WebRTC that is not ours, and its place on the network.
//!
//! Knows sections, packets and channels; knows neither rooms nor signalling.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::crypto::dtls::DtlsVersion;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Rid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpWrite, SeqNo};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig};
use tutti_transport::{DatagramKind, classify};

use crate::crypto;
use crate::stamp::Kind;

/// The channels that a client opens (docs/protocol.md#data-channels).
pub(crate) const RELIABLE: &str = "_reliable";
pub(crate) const LOSSY: &str = "_lossy";

/// Names of simulcast layers, smallest first.
pub(crate) const RIDS: [&str; 3] = ["q", "h", "f"];

/// What a connection tells its client.
#[derive(Debug)]
pub(crate) enum Happened {
    /// ICE and DTLS are up, or up again.
    Up,
    /// Nothing comes back any more.
    Lost,
    /// It is over and cannot be taken up.
    Broken,
    Packet {
        mid: String,
        ssrc: u32,
        /// Extended.
        sequence: u64,
        timestamp: u32,
        payload: Vec<u8>,
    },
    KeyFrame {
        mid: String,
        rid: Option<String>,
    },
    Message {
        label: String,
        payload: Vec<u8>,
    },
}

/// An offer that was not answered yet.
struct Pending {
    offer: SdpPendingOffer,
    sdp: String,
    id: u32,
}

/// What the next offer shall change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// Client id, kind, and whether there are layers.
    pub(crate) send: Vec<(String, Kind, bool)>,
    /// Sections to stop sending on.
    pub(crate) stop: Vec<String>,
    /// More sections to receive on, audio and video; an offer even if there are none.
    pub(crate) receive: Option<(u32, u32)>,
    pub(crate) channels: bool,
    pub(crate) restart: bool,
}

pub(crate) struct Peer {
    rtc: Rtc,
    /// The client's own address, and the one that the network shows: another one behind a NAT.
    inside: SocketAddr,
    pub(crate) outside: SocketAddr,
    pub(crate) deadline: Instant,
    up: bool,
    channels: Vec<(ChannelId, String)>,
    receiving: Vec<Mid>,
    pending: Option<Pending>,
    sequences: BTreeMap<(String, Option<&'static str>), u64>,
    happened: Vec<Happened>,
    outgoing: Vec<(SocketAddr, Vec<u8>)>,
}

impl Peer {
    pub(crate) fn new(now: Instant, address: SocketAddr) -> Self {
        let mut rtc = RtcConfig::new()
            .set_crypto_provider(crypto::provider())
            .set_dtls_cert(crypto::certificate())
            .set_dtls_version(DtlsVersion::Dtls12)
            .set_rtp_mode(true)
            .set_stats_interval(None)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(now);
        let candidate = Candidate::host(address, "udp").expect("an address of a host");
        rtc.add_local_candidate(candidate);
        let mut peer = Self {
            rtc,
            inside: address,
            outside: address,
            deadline: now,
            up: false,
            channels: Vec::new(),
            receiving: Vec::new(),
            pending: None,
            sequences: BTreeMap::new(),
            happened: Vec::new(),
            outgoing: Vec::new(),
        };
        peer.handle_timeout(now);
        peer
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Makes an offer, unless there is nothing to offer. Client ids come back with the mids they got.
    pub(crate) fn offer(&mut self, id: u32, changes: Changes) -> Option<(String, Vec<(String, String)>)> {
        if changes == Changes::default() {
            return None;
        }
        let receiving = self.receiving.clone();
        let mut api = self.rtc.sdp_api();
        let mut mids = Vec::new();
        for (cid, kind, layered) in changes.send {
            let simulcast = layered.then(|| {
                let mut simulcast = Simulcast::new();
                for rid in RIDS {
                    simulcast.add_send_layer(SimulcastLayer::new(rid));
                }
                simulcast
            });
            let stream = Some("netsim".to_owned());
            let mid = api.add_media(media_kind(kind), Direction::SendOnly, stream, Some(cid.clone()), simulcast);
            mids.push((cid, mid.to_string()));
        }
        for mid in changes.stop {
            api.set_direction(Mid::from(mid.as_str()), Direction::Inactive);
        }
        // An answer that leaves a section unused turns it off for str0m; a browser keeps offering it.
        for mid in receiving {
            if changes.receive.is_some() {
                // Without a change str0m makes no offer.
                api.set_direction(mid, Direction::Inactive);
            }
            api.set_direction(mid, Direction::RecvOnly);
        }
        let (audio, video) = changes.receive.unwrap_or_default();
        for (kind, count) in [(MediaKind::Audio, audio), (MediaKind::Video, video)] {
            for _ in 0..count {
                self.receiving.push(api.add_media(kind, Direction::RecvOnly, None, None, None));
            }
        }
        if changes.channels {
            let retransmits = Reliability::MaxRetransmits { retransmits: 0 };
            for (label, ordered, reliability) in [(RELIABLE, true, Reliability::Reliable), (LOSSY, false, retransmits)]
            {
                let label = label.to_owned();
                api.add_channel_with_config(ChannelConfig { label, ordered, reliability, ..ChannelConfig::default() });
            }
        }
        if changes.restart {
            api.ice_restart(true);
        }
        let (offer, pending) = api.apply()?;
        let sdp = offer.to_sdp_string();
        self.pending = Some(Pending { offer: pending, sdp: sdp.clone(), id });
        self.drain();
        Some((sdp, mids))
    }

    /// The offer that still waits, under a new number.
    pub(crate) fn offer_again(&mut self, id: u32) -> Option<String> {
        let pending = self.pending.as_mut()?;
        pending.id = id;
        Some(pending.sdp.clone())
    }

    pub(crate) fn is_offering(&self) -> bool {
        self.pending.is_some()
    }

    /// Takes the answer to offer `id`; `false`: it is for an older one.
    pub(crate) fn answered(&mut self, id: u32, sdp: &str) -> Result<bool, String> {
        let Some(pending) = self.pending.take_if(|pending| pending.id == id) else { return Ok(false) };
        let answer = SdpAnswer::from_sdp_string(sdp).map_err(|error| format!("answer: {error}\n{sdp}"))?;
        let taken = self.rtc.sdp_api().accept_answer(pending.offer, answer);
        taken.map_err(|error| format!("answer: {error}\n{sdp}"))?;
        self.drain();
        Ok(true)
    }

    /// Answers an offer of the server.
    pub(crate) fn answer(&mut self, sdp: &str) -> Result<String, String> {
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|error| format!("offer: {error}\n{sdp}"))?;
        let answer = self.rtc.sdp_api().accept_offer(offer).map_err(|error| format!("offer: {error}\n{sdp}"))?;
        self.drain();
        Ok(answer.to_sdp_string())
    }

    /// Sends one packet on a section. `false`: str0m has no stream for it (yet).
    pub(crate) fn send(
        &mut self,
        now: Instant,
        mid: &str,
        rid: Option<&'static str>,
        (kind, timestamp, marker): (Kind, u32, bool),
        payload: Vec<u8>,
    ) -> bool {
        let name = Mid::from(mid);
        let codec = if kind == Kind::Audio { Codec::Opus } else { Codec::Vp8 };
        let Some(media) = self.rtc.media(name) else { return false };
        let params = self.rtc.codec_config().params();
        let numbers = media.remote_pts();
        let params = params.iter().find(|params| params.spec().codec == codec && numbers.contains(&params.pt()));
        let Some(number) = params.map(|params| params.pt()) else { return false };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(name, rid.map(Rid::from)) else { return false };
        let sequence = self.sequences.entry((mid.to_owned(), rid)).or_insert(1000);
        *sequence += 1;
        let write = RtpWrite::new(number, SeqNo::from(*sequence), timestamp, now, payload);
        stream.write_rtp(write.marker(marker).nackable(true));
        self.drain();
        true
    }

    /// Sends a message; `false`: the channel is not open.
    pub(crate) fn send_message(&mut self, label: &str, payload: &[u8]) -> bool {
        let open = self.channels.iter().find(|(_, open)| *open == label).map(|(id, _)| *id);
        let Some(mut channel) = open.and_then(|id| self.rtc.channel(id)) else { return false };
        let sent = channel.write(true, payload).unwrap_or(false);
        self.drain();
        sent
    }

    pub(crate) fn has_channels(&self) -> bool {
        [RELIABLE, LOSSY].iter().all(|label| self.channels.iter().any(|(_, open)| open == label))
    }

    pub(crate) fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        // What str0m cannot parse is nothing that it would act on.
        let Ok(received) = Receive::new(Protocol::Udp, from, self.inside, bytes) else { return };
        self.input(Input::Receive(now, received));
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.input(Input::Timeout(now));
    }

    pub(crate) fn happened(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    /// What it has to send. str0m keeps its streams in a hash map and so sends what it sends at once in any order: here
    /// it is put into one that repeats.
    pub(crate) fn outgoing(&mut self) -> Vec<(SocketAddr, Vec<u8>)> {
        self.outgoing.sort_by_key(|(_, bytes)| order(bytes));
        std::mem::take(&mut self.outgoing)
    }

    fn input(&mut self, input: Input<'_>) {
        if self.rtc.handle_input(input).is_err() {
            self.fail();
        }
        self.drain();
    }

    fn fail(&mut self) {
        self.up = false;
        self.happened.push(Happened::Broken);
        self.rtc.disconnect();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(deadline)) => {
                    self.deadline = deadline;
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    self.outgoing.push((transmit.destination, transmit.contents.to_vec()));
                }
                Ok(Output::Event(event)) => self.note(event),
                Err(_) => {
                    self.fail();
                    return;
                }
            }
        }
    }

    fn note(&mut self, event: Event) {
        let happened = match event {
            Event::Connected => {
                self.up = true;
                Happened::Up
            }
            Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                self.up = false;
                Happened::Lost
            }
            Event::IceConnectionStateChange(IceConnectionState::Connected | IceConnectionState::Completed)
                if self.rtc.is_connected() && !self.up =>
            {
                self.up = true;
                Happened::Up
            }
            // The library under str0m ends an association whose INIT comes twice, and str0m the connection with it.
            Event::Closed => {
                self.up = false;
                Happened::Broken
            }
            Event::RtpPacket(packet) => {
                let ssrc = packet.header.ssrc;
                let stated = packet.header.ext_vals.mid;
                let Some(mid) = stated.or_else(|| self.rtc.direct_api().stream_rx(&ssrc).map(|stream| stream.mid()))
                else {
                    return;
                };
                let (sequence, timestamp) = (*packet.seq_no, packet.header.timestamp);
                Happened::Packet {
                    mid: mid.to_string(),
                    ssrc: *ssrc,
                    sequence,
                    timestamp,
                    payload: packet.payload.to_vec(),
                }
            }
            Event::KeyframeRequest(request) => {
                Happened::KeyFrame { mid: request.mid.to_string(), rid: request.rid.map(|rid| rid.to_string()) }
            }
            Event::ChannelOpen(id, label) => {
                self.channels.push((id, label));
                return;
            }
            Event::ChannelData(data) => {
                let known = self.channels.iter().find(|(id, _)| *id == data.id);
                let Some(label) = known.map(|(_, label)| label.clone()) else { return };
                Happened::Message { label, payload: data.data }
            }
            _ => return,
        };
        self.happened.push(happened);
    }
}

/// Where a datagram stands among those of one moment: RTCP, then RTP by source and sequence number, behind the rest.
fn order(bytes: &[u8]) -> (u8, u32, usize) {
    let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
    match classify(bytes) {
        DatagramKind::Rtcp => (1, word(4), bytes.len()),
        DatagramKind::Rtp => (2, word(8), (word(0) & 0xffff) as usize),
        _ => (0, 0, 0),
    }
}

const fn media_kind(kind: Kind) -> MediaKind {
    match kind {
        Kind::Audio => MediaKind::Audio,
        Kind::Video => MediaKind::Video,
    }
}
