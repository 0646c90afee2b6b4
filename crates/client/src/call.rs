//! One client's call: the dialogue with the server, its peer connections and its tracks, in one task.
//!
//! Waits for whatever comes first (a message, a datagram, a deadline, an order) and lets the parts handle it.
//! What it measures goes into [`Figures`], which others read between two wake-ups.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_request::Message as Request;
use proto::signal_response::Message as Response;
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep_until;
use tutti_rtp::MediaKind;
use tutti_rtp::rtcp::{self, Writer};
use tutti_sdp::SessionDescription;
use tutti_transport::{Channel, TransportEvent, TransportFailure};

use crate::description::{self, Offer};
use crate::error::ClientError;
use crate::figures::Figures;
use crate::options::{JoinOptions, Mode};
use crate::outgoing::{OutgoingTrack, TrackPlan, WayOut, layers};
use crate::peer::{DATAGRAM_MAX, Endpoint, Peer, Received, Side};
use crate::reception::Reception;
use crate::signalling::{Signalling, dual_target, local_ip, single_target};
use crate::stamp;
use crate::strict::Strict;

/// Between two rounds of feedback on what we receive.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);
/// Between two reports, RFC 3550 at these rates.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A server that closes a connection says why on the signalling socket, which may take its time.
const REASON_WITHIN: Duration = Duration::from_secs(1);
/// Datagrams read in one go, so that the other things get their turn.
const BATCH: usize = 64;
/// Largest RTCP compound packet that we send, bytes.
const COMPOUND_MAX: usize = 1200;

/// What the owner of a client asks of its call.
pub(crate) enum Order {
    /// Wants a track in this quality.
    Prefer { sid: String, quality: proto::VideoQuality },
    /// Sends a message to everyone.
    Send { channel: Channel, payload: Vec<u8> },
    /// Ends the call.
    Leave,
}

/// What the call and its owner share.
#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Called after each wake-up.
    pub(crate) changed: Notify,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) figures: Figures,
    /// The call is over, with what ended it unless it was our own wish.
    pub(crate) over: Option<Result<(), ClientError>>,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // Figures are plain numbers: what a panic left is still worth reading.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What woke the call.
enum Wake {
    Message(Box<Response>),
    Publisher,
    Subscriber,
    Deadline,
    Order(Option<Order>),
}

struct Call {
    options: JoinOptions,
    endpoint: Endpoint,
    ip: std::net::IpAddr,
    joined_at: Instant,
    shared: Arc<Shared>,
    requests: Vec<Request>,
    /// The connection whose offers are ours; the only one in single mode.
    publisher: Option<Peer>,
    /// The connection whose offers are the server's.
    subscriber: Option<Peer>,
    subscriber_primary: bool,
    offer: Offer,
    offer_id: u32,
    answer_awaited: bool,
    offer_again: bool,
    answers: u64,
    tracks: Vec<OutgoingTrack>,
    transport_cc: u16,
    reception: Reception,
    strict: Strict,
    feedback_at: Option<Instant>,
    report_at: Option<Instant>,
    ping: Option<(Duration, Instant)>,
    left: Option<Result<(), ClientError>>,
    /// A connection failed, and until when the server may still say why.
    failed: Option<(TransportFailure, Instant)>,
}

/// Runs a call to its end.
pub(crate) async fn run(
    endpoint: Endpoint,
    options: JoinOptions,
    shared: Arc<Shared>,
    mut orders: mpsc::Receiver<Order>,
) {
    let outcome = converse(endpoint, options, &shared, &mut orders).await;
    shared.state().over = Some(outcome);
    shared.changed.notify_waiters();
}

async fn converse(
    endpoint: Endpoint,
    options: JoinOptions,
    shared: &Arc<Shared>,
    orders: &mut mpsc::Receiver<Order>,
) -> Result<(), ClientError> {
    let joined_at = Instant::now();
    let ip = local_ip(&options.url).await?;
    let mut call = Call::new(endpoint, options, ip, joined_at, Arc::clone(shared));
    let target = call.target()?;
    let mut socket = Signalling::open(&call.options.url, &target).await?;
    let mut buffer = vec![0; DATAGRAM_MAX];
    let outcome = loop {
        let wake = call.wait(&mut socket, orders).await;
        let handled = wake.and_then(|wake| call.handle(wake, orders, &mut buffer));
        let mut sent = Ok(());
        for request in std::mem::take(&mut call.requests) {
            sent = sent.and(socket.send(request).await);
        }
        shared.changed.notify_waiters();
        if let Err(error) = handled.and(sent) {
            break Err(error);
        }
        if let Some(left) = call.left.take() {
            break left;
        }
    };
    call.close();
    socket.close().await;
    outcome
}

impl Call {
    fn new(
        endpoint: Endpoint,
        options: JoinOptions,
        ip: std::net::IpAddr,
        joined_at: Instant,
        shared: Arc<Shared>,
    ) -> Self {
        let plans = options.publish.iter().enumerate();
        let tracks = plans.map(|(index, plan)| OutgoingTrack::new(format!("cid-{index}"), *plan, joined_at)).collect();
        Self {
            options,
            endpoint,
            ip,
            joined_at,
            shared,
            requests: Vec::new(),
            publisher: None,
            subscriber: None,
            subscriber_primary: false,
            offer: Offer::new(rand::random::<u64>() >> 1),
            offer_id: 0,
            answer_awaited: false,
            offer_again: false,
            answers: 0,
            tracks,
            transport_cc: rand::random(),
            reception: Reception::new(joined_at),
            strict: Strict::default(),
            feedback_at: None,
            report_at: None,
            ping: None,
            left: None,
            failed: None,
        }
    }

    /// What the upgrade asks for. In single mode the first offer is in it.
    fn target(&mut self) -> Result<String, ClientError> {
        if self.options.mode == Mode::Dual {
            return Ok(dual_target(&self.options.token, self.options.auto_subscribe));
        }
        self.publisher = Some(Peer::open(&self.endpoint, self.ip, Side::Ours, self.joined_at)?);
        self.add_sections();
        self.offer.receive(MediaKind::Audio, self.options.receive_sections);
        self.offer.receive(MediaKind::Video, self.options.receive_sections);
        self.offer.data();
        let settings = proto::ConnectionSettings { auto_subscribe: self.options.auto_subscribe, ..Default::default() };
        let join = proto::JoinRequest {
            connection_settings: Some(settings),
            add_track_requests: self.tracks.iter().map(add_track).collect(),
            publisher_offer: self.next_offer(),
            ..Default::default()
        };
        Ok(single_target(&self.options.token, join))
    }

    fn add_sections(&mut self) {
        for track in &mut self.tracks {
            track.mid = self.offer.send(track.plan.kind(), track.cid.clone(), track.streams());
        }
    }

    fn next_offer(&mut self) -> Option<proto::SessionDescription> {
        let peer = self.publisher.as_ref()?;
        self.offer_id += 1;
        self.answer_awaited = true;
        self.offer_again = false;
        let sdp = self.offer.write(&peer.local);
        Some(proto::SessionDescription { r#type: "offer".to_owned(), sdp, id: self.offer_id, ..Default::default() })
    }

    async fn wait(&self, socket: &mut Signalling, orders: &mut mpsc::Receiver<Order>) -> Result<Wake, ClientError> {
        let deadline = self.poll_timeout();
        tokio::select! {
            message = socket.next() => message.map(|message| Wake::Message(Box::new(message))),
            () = readable(self.publisher.as_ref()) => Ok(Wake::Publisher),
            () = readable(self.subscriber.as_ref()) => Ok(Wake::Subscriber),
            () = until(deadline) => Ok(Wake::Deadline),
            order = orders.recv() => Ok(Wake::Order(order)),
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let peers = [&self.publisher, &self.subscriber].into_iter().flatten().filter_map(Peer::poll_timeout);
        let sends = self.publisher.as_ref().is_some_and(Peer::is_connected);
        let tracks = self.tracks.iter().filter(|_| sends).filter_map(OutgoingTrack::poll_timeout);
        let ping = self.ping.map(|(_, at)| at).into_iter().chain(self.failed.map(|(_, until)| until));
        peers.chain(tracks).chain(ping).chain(self.feedback_at).chain(self.report_at).min()
    }

    fn handle(&mut self, wake: Wake, orders: &mut mpsc::Receiver<Order>, buffer: &mut [u8]) -> Result<(), ClientError> {
        let shared = Arc::clone(&self.shared);
        let figures = &mut shared.state().figures;
        let now = Instant::now();
        match wake {
            Wake::Message(message) => self.handle_message(now, *message, figures)?,
            Wake::Publisher => self.receive(now, true, buffer, figures),
            Wake::Subscriber => self.receive(now, false, buffer, figures),
            Wake::Deadline => {}
            Wake::Order(order) => {
                self.handle_order(now, order);
                // More of them at once: they leave in the same packets.
                for order in std::iter::from_fn(|| orders.try_recv().ok()).take(BATCH) {
                    self.handle_order(now, Some(order));
                }
            }
        }
        self.handle_timeout(now, figures);
        self.relay_events(figures);
        match self.failed {
            Some((reason, until)) if until <= now => Err(ClientError::Media { reason }),
            _ => Ok(()),
        }
    }

    fn handle_order(&mut self, now: Instant, order: Option<Order>) {
        match order {
            Some(Order::Prefer { sid, quality }) => {
                let settings =
                    proto::UpdateTrackSettings { track_sids: vec![sid], quality: quality.into(), ..Default::default() };
                self.requests.push(Request::TrackSetting(settings));
            }
            Some(Order::Send { channel, payload }) => {
                if let Some(peer) = &mut self.publisher {
                    peer.send_message(now, channel, payload.into());
                }
            }
            Some(Order::Leave) | None => {
                let reason = proto::DisconnectReason::ClientInitiated.into();
                self.requests.push(Request::Leave(proto::LeaveRequest { reason, ..Default::default() }));
                self.left = Some(Ok(()));
            }
        }
    }

    fn handle_message(&mut self, now: Instant, message: Response, figures: &mut Figures) -> Result<(), ClientError> {
        self.strict.check(&message)?;
        match message {
            Response::Join(join) => self.handle_join(now, join, figures)?,
            Response::Answer(answer) => self.handle_answer(now, &answer, figures)?,
            Response::Offer(offer) => self.handle_offer(now, &offer, figures)?,
            Response::Trickle(trickle) => self.handle_trickle(now, &trickle),
            Response::TrackPublished(published) => {
                if let Some(track) = self.tracks.iter_mut().find(|track| track.cid == published.cid) {
                    track.sid = published.track.map(|track| track.sid);
                }
            }
            Response::SubscribedQualityUpdate(update) => self.handle_demand(&update),
            Response::MediaSectionsRequirement(more) => {
                self.offer.receive(MediaKind::Audio, more.num_audios);
                self.offer.receive(MediaKind::Video, more.num_videos);
                self.renegotiate();
            }
            Response::PongResp(pong) => {
                let sent = Duration::from_millis(pong.last_ping_timestamp.max(0) as u64);
                figures.signal_round_trip = Some(stamp::wall().saturating_sub(sent));
            }
            Response::Leave(leave) => {
                self.left = Some(Err(ClientError::Left { reason: leave.reason().as_str_name() }));
            }
            _ => {}
        }
        Ok(())
    }

    fn handle_join(
        &mut self,
        now: Instant,
        join: proto::JoinResponse,
        figures: &mut Figures,
    ) -> Result<(), ClientError> {
        figures.signalled = Some(self.joined_at.elapsed());
        figures.sid = join.participant.map(|participant| participant.sid).unwrap_or_default();
        if let Ok(seconds @ 1..) = u64::try_from(join.ping_interval) {
            let interval = Duration::from_secs(seconds);
            self.ping = Some((interval, now + interval));
        }
        if self.options.mode == Mode::Single {
            return Ok(());
        }
        self.subscriber_primary = join.subscriber_primary;
        self.subscriber = Some(Peer::open(&self.endpoint, self.ip, Side::Theirs, now)?);
        if !self.tracks.is_empty() || !self.subscriber_primary {
            self.publisher = Some(Peer::open(&self.endpoint, self.ip, Side::Ours, now)?);
            self.add_sections();
            self.offer.data();
            self.requests.extend(self.tracks.iter().map(add_track).map(Request::AddTrack));
            self.renegotiate();
        }
        Ok(())
    }

    fn renegotiate(&mut self) {
        if self.answer_awaited {
            self.offer_again = true;
        } else if let Some(offer) = self.next_offer() {
            self.requests.push(Request::Offer(offer));
        }
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        answer: &proto::SessionDescription,
        figures: &mut Figures,
    ) -> Result<(), ClientError> {
        if answer.id != self.offer_id {
            return Ok(());
        }
        self.answer_awaited = false;
        figures.negotiations += 1;
        let remote = SessionDescription::parse(&answer.sdp)?;
        if let Some(peer) = &mut self.publisher {
            take_remote(peer, now, &remote)?;
        }
        for track in &mut self.tracks {
            track.accept(description::accepted(&remote, &track.mid));
        }
        if self.options.mode == Mode::Single {
            let sids: BTreeMap<_, _> = answer.mid_to_track_id.clone().into_iter().collect();
            self.reception.update(description::incoming(&remote), &sids, figures);
        }
        if self.offer_again {
            self.renegotiate();
        }
        Ok(())
    }

    fn handle_offer(
        &mut self,
        now: Instant,
        offer: &proto::SessionDescription,
        figures: &mut Figures,
    ) -> Result<(), ClientError> {
        let remote = SessionDescription::parse(&offer.sdp)?;
        let peer = self.subscriber.as_mut().ok_or(ClientError::Protocol("an offer in single mode"))?;
        take_remote(peer, now, &remote)?;
        self.answers += 1;
        let sdp = description::answer(self.offer_id.into(), self.answers, &peer.local, &remote);
        let answer = proto::SessionDescription { r#type: "answer".to_owned(), sdp, id: offer.id, ..Default::default() };
        self.requests.push(Request::Answer(answer));
        let sids: BTreeMap<_, _> = offer.mid_to_track_id.clone().into_iter().collect();
        self.reception.update(description::incoming(&remote), &sids, figures);
        Ok(())
    }

    fn handle_trickle(&mut self, now: Instant, trickle: &proto::TrickleRequest) {
        let init: Result<CandidateInit, _> = serde_json::from_str(&trickle.candidate_init);
        let peer = match trickle.target() {
            proto::SignalTarget::Publisher => &mut self.publisher,
            proto::SignalTarget::Subscriber => &mut self.subscriber,
        };
        if let (Ok(init), Some(peer)) = (init, peer) {
            peer.add_candidate(now, &init.candidate);
        }
    }

    /// Somebody wants other layers of a track of ours than before.
    fn handle_demand(&mut self, update: &proto::SubscribedQualityUpdate) {
        let track = self.tracks.iter_mut().find(|track| track.sid.as_deref() == Some(update.track_sid.as_str()));
        let Some(track) = track else { return };
        let codec = update.subscribed_codecs.iter().find(|codec| codec.codec.eq_ignore_ascii_case("vp8"));
        let Some(codec) = codec else { return };
        track.want(|layer| codec.qualities.iter().any(|told| told.enabled && told.quality == i32::from(layer)));
    }

    fn receive(&mut self, now: Instant, publisher: bool, buffer: &mut [u8], figures: &mut Figures) {
        let peer = if publisher { &mut self.publisher } else { &mut self.subscriber };
        let Some(peer) = peer else { return };
        for _ in 0..BATCH {
            match peer.receive(now, buffer) {
                None => break,
                Some(Received::Rtp(len)) => {
                    self.reception.handle_rtp(now, buffer.get(..len).unwrap_or_default(), figures);
                }
                Some(Received::Rtcp(len)) => {
                    let compound = buffer.get(..len).unwrap_or_default();
                    for packet in rtcp::packets(compound).flatten() {
                        self.reception.handle_rtcp(now, &packet, figures);
                        if let rtcp::Packet::ReceiverReport(_) | rtcp::Packet::TransportFeedback(_) = packet {
                            figures.sent.feedback += 1;
                        }
                        for track in &mut self.tracks {
                            track.handle_rtcp(&packet, peer, &mut figures.sent);
                        }
                    }
                }
                Some(Received::Nothing) => {}
            }
        }
        if self.reception.has_questions() {
            let mut compound = [0; COMPOUND_MAX];
            let mut writer = Writer::new(&mut compound);
            // What does not fit is asked for in the next round.
            let _ = self.reception.ask(&mut writer, figures);
            peer.send_rtcp(writer.written());
        }
    }

    fn handle_timeout(&mut self, now: Instant, figures: &mut Figures) {
        for peer in [&mut self.publisher, &mut self.subscriber].into_iter().flatten() {
            peer.handle_timeout(now);
        }
        if let Some((interval, at)) = self.ping
            && at <= now
        {
            self.ping = Some((interval, now + interval));
            let timestamp = stamp::wall().as_millis() as i64;
            let rtt = figures.signal_round_trip.unwrap_or_default().as_millis() as i64;
            self.requests.push(Request::Ping(timestamp));
            self.requests.push(Request::PingReq(proto::Ping { timestamp, rtt }));
        }
        if let Some(peer) = self.publisher.as_mut().filter(|peer| peer.is_connected()) {
            let mut out = WayOut { peer, transport_cc: &mut self.transport_cc, sent: &mut figures.sent };
            for track in &mut self.tracks {
                track.handle_timeout(now, &mut out);
            }
        }
        if self.feedback_at.is_some_and(|at| at <= now) {
            self.give_feedback(now, figures);
        }
        if self.report_at.is_some_and(|at| at <= now) {
            self.report(now, figures);
        }
    }

    fn give_feedback(&mut self, now: Instant, figures: &mut Figures) {
        self.feedback_at = Some(now + FEEDBACK_INTERVAL);
        let peer = if self.options.mode == Mode::Single { &mut self.publisher } else { &mut self.subscriber };
        let Some(peer) = peer.as_mut().filter(|peer| peer.is_connected()) else { return };
        if self.reception.is_idle() {
            return;
        }
        let mut compound = [0; COMPOUND_MAX];
        let mut writer = Writer::new(&mut compound);
        // What does not fit is told in the next round.
        let _ = self.reception.give_feedback(now, &mut writer, figures);
        if !writer.is_empty() {
            peer.send_rtcp(writer.written());
        }
    }

    fn report(&mut self, now: Instant, figures: &mut Figures) {
        self.report_at = Some(now + REPORT_INTERVAL);
        let mut compound = [0; COMPOUND_MAX];
        if let Some(peer) = self.publisher.as_mut().filter(|peer| peer.is_connected() && !self.tracks.is_empty()) {
            let mut writer = Writer::new(&mut compound);
            self.tracks.iter().for_each(|track| track.report(&mut writer));
            if !writer.is_empty() {
                peer.send_rtcp(writer.written());
            }
        }
        let peer = if self.options.mode == Mode::Single { &mut self.publisher } else { &mut self.subscriber };
        if let Some(peer) = peer.as_mut().filter(|peer| peer.is_connected() && !self.reception.is_idle()) {
            let mut writer = Writer::new(&mut compound);
            let _ = self.reception.report(now, &mut writer);
            if !writer.is_empty() {
                peer.send_rtcp(writer.written());
            }
        }
        self.reception.settle(figures);
        figures.sent.layers_active = self.tracks.iter().map(|track| track.layers_active() as u64).sum();
        let refused = [&self.publisher, &self.subscriber].into_iter().flatten().map(|peer| peer.refused);
        figures.sent.refused = refused.sum();
    }

    fn relay_events(&mut self, figures: &mut Figures) {
        for publisher in [true, false] {
            let peer = if publisher { &mut self.publisher } else { &mut self.subscriber };
            let Some(peer) = peer else { continue };
            while let Some(event) = peer.poll_event() {
                match event {
                    TransportEvent::Connected { .. } => {
                        let now = Instant::now();
                        let since = now.saturating_duration_since(self.joined_at);
                        if publisher {
                            figures.publisher_connected.get_or_insert(since);
                        }
                        if publisher != self.subscriber_primary {
                            figures.connected.get_or_insert(since);
                        }
                        figures.media_address = peer.remote();
                        self.feedback_at.get_or_insert(now + FEEDBACK_INTERVAL);
                        self.report_at.get_or_insert(now + REPORT_INTERVAL);
                    }
                    TransportEvent::Failed { reason } => {
                        self.failed.get_or_insert((reason, Instant::now() + REASON_WITHIN));
                    }
                    TransportEvent::Message { payload, .. } => {
                        figures.received.messages += 1;
                        figures.received.message_bytes += payload.len() as u64;
                    }
                    TransportEvent::DataUndelivered { .. } => figures.sent.undelivered += 1,
                    TransportEvent::Disconnected
                    | TransportEvent::ChannelOpen(_)
                    | TransportEvent::DataProgress { .. }
                    | TransportEvent::DataStalled => {}
                }
            }
            if publisher {
                figures.sent.data_waiting = peer.data_held();
            }
        }
    }

    fn close(&mut self) {
        let now = Instant::now();
        for peer in [&mut self.publisher, &mut self.subscriber].into_iter().flatten() {
            peer.close(now);
        }
        let shared = Arc::clone(&self.shared);
        self.reception.settle(&mut shared.state().figures);
    }
}

/// The part of a trickled candidate that we read.
#[derive(serde::Deserialize)]
struct CandidateInit {
    candidate: String,
}

fn take_remote(peer: &mut Peer, now: Instant, remote: &SessionDescription) -> Result<(), ClientError> {
    peer.set_remote(now, description::remote_parameters(remote)?, remote.ice_lite);
    for candidate in remote.media.iter().flat_map(|section| &section.candidates) {
        peer.add_candidate(now, candidate);
    }
    Ok(())
}

fn add_track(track: &OutgoingTrack) -> proto::AddTrackRequest {
    let simulcast = layers(track.plan).len() > 1;
    let layer = |(quality, (rid, width, height, divisor)): (i32, &(Option<&str>, u16, u16, u32))| proto::VideoLayer {
        quality: if simulcast { quality } else { proto::VideoQuality::High.into() },
        width: (*width).into(),
        height: (*height).into(),
        bitrate: if let TrackPlan::Video { kbps, .. } = track.plan { kbps * 1000 / divisor } else { 0 },
        rid: rid.unwrap_or_default().to_owned(),
        spatial_layer: quality,
        ..Default::default()
    };
    let (kind, source) = match track.plan {
        TrackPlan::Audio => (proto::TrackType::Audio, proto::TrackSource::Microphone),
        TrackPlan::Video { .. } => (proto::TrackType::Video, proto::TrackSource::Camera),
    };
    let video = kind == proto::TrackType::Video;
    let mut described: Vec<proto::VideoLayer> = (0..).zip(layers(track.plan)).map(layer).collect();
    if !video {
        described.clear();
    }
    let (width, height) = described.last().map_or((0, 0), |layer| (layer.width, layer.height));
    let codec = proto::SimulcastCodec { codec: "vp8".to_owned(), cid: track.cid.clone(), ..Default::default() };
    proto::AddTrackRequest {
        cid: track.cid.clone(),
        name: source.as_str_name().to_lowercase(),
        r#type: kind.into(),
        width,
        height,
        source: source.into(),
        layers: described,
        simulcast_codecs: if video { vec![codec] } else { Vec::new() },
        disable_red: true,
        ..Default::default()
    }
}

async fn readable(peer: Option<&Peer>) {
    match peer {
        // An error shows when the socket is read.
        Some(peer) => drop(peer.readable().await),
        None => pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}
