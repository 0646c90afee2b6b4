//! RTCP: what peers report, and what they are told, when.
//!
//! Reduced-size packets (RFC 5506) are sent between reports; everything for one peer that falls due in one batch joins one
//! packet. Nothing here runs while no media flows.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;
use tutti_forward::{FeedbackWritten, Layers, SendPacket, SendTrack};
use tutti_rtp::Ssrc;
use tutti_rtp::rtcp::{Packet, ReportBlock, Writer, packets};

use super::ids::{PeerIndex, SubscriptionIndex, TrackIndex};
use super::limits::FEEDBACK_BYTES;
use super::outbox::Outbox;
use super::peer::Arrivals;
use super::subscription::Stage;
use super::track::{Origin, Track};
use super::{REPORTER, ShardCore, TimerKey, arm};

/// Time between receiver reports while packets arrive (RFC 3550, section 6.2, allows less for video at these rates).
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Bounds of the time between two transport-wide feedback messages, and the packets in one of them above which the
/// shorter holds: about 0.5 Mbit/s of video.
const ARRIVALS_INTERVAL_MAX: Duration = Duration::from_millis(100);
const ARRIVALS_INTERVAL_MIN: Duration = Duration::from_millis(50);
const ARRIVALS_BUSY: u32 = 5;
/// Report blocks of one packet (RFC 3550, section 6.4.1).
const BLOCKS_MAX: usize = 31;
/// Our name in receiver reports: they come from no clock. Every report names its source (RFC 3550, section 6.1); what
/// is sent between reports does not (RFC 5506).
const REPORTER_CNAME: &str = "tutti";
/// A sender report without blocks, and the longest name behind it, bytes.
const SENDER_REPORT_BYTES_MAX: usize = 28 + 268;
/// Longest RTCP packet written at once, bytes.
const RTCP_BYTES_MAX: usize = 1200;

/// Time to the next transport-wide feedback: the busier the transport, the sooner.
pub(super) const fn arrivals_interval(arrivals: &Arrivals) -> Duration {
    if arrivals.count > ARRIVALS_BUSY { ARRIVALS_INTERVAL_MIN } else { ARRIVALS_INTERVAL_MAX }
}

impl ShardCore {
    pub(super) fn take_rtcp(&mut self, now: Instant, index: PeerIndex, bytes: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        // The transport counts what it cannot open.
        let Some(plain) = peer.transport.open_rtcp(bytes).ok().and_then(|length| bytes.get(..length)) else { return };
        self.metrics.rtcp_in += 1;
        if !peer.spent.feedback_bytes.take(now, FEEDBACK_BYTES, u32::try_from(plain.len()).unwrap_or(u32::MAX)) {
            self.metrics.dropped_feedback_rate += 1;
            return;
        }
        for packet in packets(plain) {
            match packet {
                Ok(packet) => self.take_report(now, index, &packet),
                Err(_) => self.metrics.dropped_malformed += 1,
            }
        }
    }

    fn take_report(&mut self, now: Instant, index: PeerIndex, packet: &Packet<'_>) {
        match packet {
            Packet::SenderReport(report) => {
                let incoming = self.peers.get(index).and_then(|peer| peer.incoming.get(report.info.ssrc));
                if let Some(incoming) = incoming
                    && let Some(Track { origin: Origin::Home { receive, .. }, .. }) =
                        self.tracks.get_mut(incoming.track)
                {
                    receive.handle_sender_report(self.arrived, report.info.ssrc, &report.info);
                    self.tell_followers(now, incoming.track);
                }
                report.blocks().for_each(|block| self.take_block(now, index, &block));
            }
            Packet::ReceiverReport(report) => report.blocks().for_each(|block| self.take_block(now, index, &block)),
            Packet::Nack(nack) => self.serve(now, index, nack.media, |send, layers, out| {
                send.handle_nack(now, layers, nack.lost(), out);
            }),
            Packet::Pli(pli) => self.serve(now, index, pli.media, |send, layers, _| {
                send.handle_key_frame_request(now, layers);
            }),
            Packet::Fir(fir) => {
                for entry in fir.entries() {
                    self.serve(now, index, entry.media, |send, layers, _| send.handle_key_frame_request(now, layers));
                }
            }
            Packet::TransportFeedback(feedback) => {
                if let Some(peer) = self.peers.get_mut(index) {
                    peer.observer.on_feedback(feedback);
                }
            }
            Packet::Remb(remb) => {
                if let Some(peer) = self.peers.get_mut(index) {
                    peer.observer.receiver_estimate_bps = remb.bitrate_bps;
                }
            }
            Packet::Goodbye(goodbye) => {
                for ssrc in goodbye.sources() {
                    let incoming = self.peers.get(index).and_then(|peer| peer.incoming.get(ssrc));
                    if let Some(incoming) = incoming
                        && let Some(Track { origin: Origin::Home { receive, .. }, .. }) =
                            self.tracks.get_mut(incoming.track)
                    {
                        receive.handle_bye(now, ssrc);
                        self.refresh_track(now, incoming.track);
                    }
                }
            }
            Packet::SourceDescription(_) | Packet::ExtendedReport | Packet::Unknown { .. } => {}
        }
    }

    fn take_block(&mut self, now: Instant, index: PeerIndex, block: &ReportBlock) {
        let arrived = self.arrived;
        self.serve(now, index, block.ssrc, |send, _, _| send.handle_report(arrived, block));
    }

    /// Lets the subscription behind one of our SSRCs deal with what its receiver says, and sends what it answers.
    fn serve(
        &mut self,
        now: Instant,
        index: PeerIndex,
        ssrc: Ssrc,
        deal: impl FnOnce(&mut SendTrack, &Layers, &mut dyn FnMut(SendPacket)),
    ) {
        let Some(peer) = self.peers.get_mut(index) else { return };
        let Some(subscription_index) = peer.outgoing.get(ssrc) else { return };
        let Some(subscription) = self.subscriptions.get_mut(subscription_index) else { return };
        let Stage::Attached { track: track_index, send, .. } = &mut subscription.stage else { return };
        let Some(track) = self.tracks.get(*track_index) else { return };
        deal(send, track.layers(), &mut |packet| self.outbox.push(index, &mut peer.pending, *track_index, packet));
        self.after_change(now, subscription_index);
    }

    /// Sends a publisher what its track has to say: NACK and PLI that are due.
    pub(super) fn tell_publisher(&mut self, now: Instant, index: TrackIndex) {
        let Some(track) = self.tracks.get_mut(index) else { return };
        let Origin::Home { peer, receive, .. } = &mut track.origin else { return };
        loop {
            let mut bytes = [0; RTCP_BYTES_MAX];
            let mut writer = Writer::new(&mut bytes);
            let written = receive.write_feedback(now, REPORTER, &mut writer);
            self.outbox.push_rtcp(*peer, writer.written());
            if written == FeedbackWritten::All || writer.is_empty() {
                break;
            }
        }
        self.events.forward(|| receive.poll_event());
        arm(&mut self.wheel, &mut track.timer, TimerKey::Track(index), now, receive.poll_timeout());
    }

    pub(super) fn expire_track(&mut self, now: Instant, index: TrackIndex, generation: u32) {
        let Some(track) = self.tracks.get_mut(index) else { return };
        if !track.timer.fire(generation) {
            return;
        }
        match &mut track.origin {
            Origin::Home { peer, receive, .. } => {
                self.blame = Some(*peer);
                receive.handle_timeout(now);
                if track.version != track.layers().version() {
                    self.refresh_track(now, index);
                }
                self.tell_publisher(now, index);
                self.tell_followers(now, index);
            }
            Origin::Replica { .. } => self.ask_home_again(now, index),
        }
    }

    pub(super) fn expire_subscription(&mut self, now: Instant, index: SubscriptionIndex, generation: u32) {
        let Some(subscription) = self.subscriptions.get_mut(index) else { return };
        if !subscription.timer.fire(generation) {
            return;
        }
        self.blame = Some(subscription.peer);
        let Stage::Attached { track: track_index, send, .. } = &mut subscription.stage else { return };
        let Some(peer) = self.peers.get_mut(subscription.peer).filter(|peer| peer.ready) else { return };
        let Some(track) = self.tracks.get(*track_index) else { return };
        send.handle_timeout(now, track.layers(), |packet| {
            self.outbox.push(subscription.peer, &mut peer.pending, *track_index, packet);
        });
        if let Some(info) = send.sender_report(now, track.layers()) {
            let mut bytes = [0; SENDER_REPORT_BYTES_MAX];
            let mut writer = Writer::new(&mut bytes);
            if writer.sender_report(&info, &[]).and_then(|()| writer.sdes_cname(info.ssrc, send.cname())).is_ok() {
                self.outbox.push_rtcp(subscription.peer, writer.written());
            }
        }
        self.after_change(now, index);
    }

    /// Tells a publisher when its packets arrived, so that its estimate can grow.
    pub(super) fn tell_arrivals(&mut self, now: Instant, index: PeerIndex, generation: u32) {
        self.blame = Some(index);
        let Some(arrivals) = self.peers.get_mut(index).and_then(|peer| peer.arrivals.as_mut()) else { return };
        if !arrivals.timer.fire(generation) {
            return;
        }
        // The room of one message bounds the packets it tells of, so this ends.
        loop {
            let mut bytes = [0; RTCP_BYTES_MAX];
            let mut writer = Writer::new(&mut bytes);
            if !matches!(arrivals.builder.build(arrivals.last_source, &mut writer), Ok(true)) {
                break;
            }
            self.outbox.push_rtcp(index, writer.written());
        }
        let due = now + arrivals_interval(arrivals);
        if std::mem::take(&mut arrivals.count) > 0 {
            arm(&mut self.wheel, &mut arrivals.timer, TimerKey::Arrivals(index), now, Some(due));
        }
    }

    /// Sends a publisher its reception reports; the next ones are due when it sends on.
    pub(super) fn report_reception(&mut self, now: Instant, index: PeerIndex, generation: u32) {
        self.blame = Some(index);
        let Some(peer) = self.peers.get_mut(index) else { return };
        if !peer.report_timer.fire(generation) {
            return;
        }
        let mut blocks = ArrayVec::<ReportBlock, BLOCKS_MAX>::new();
        for track in &peer.tracks {
            let Some(Track { origin: Origin::Home { receive, .. }, .. }) = self.tracks.get_mut(*track) else {
                continue;
            };
            for block in receive.report_blocks(now) {
                if blocks.is_full() {
                    push_receiver_report(&mut self.outbox, index, &blocks);
                    blocks.clear();
                }
                blocks.push(block);
            }
        }
        push_receiver_report(&mut self.outbox, index, &blocks);
        if std::mem::take(&mut peer.heard) {
            let due = Some(now + REPORT_INTERVAL);
            arm(&mut self.wheel, &mut peer.report_timer, TimerKey::Reports(index), now, due);
        }
    }
}

fn push_receiver_report(outbox: &mut Outbox, peer: PeerIndex, blocks: &[ReportBlock]) {
    let mut bytes = [0; RTCP_BYTES_MAX];
    let mut writer = Writer::new(&mut bytes);
    let written = writer.receiver_report(REPORTER, blocks).and_then(|()| writer.sdes_cname(REPORTER, REPORTER_CNAME));
    if !blocks.is_empty() && written.is_ok() {
        outbox.push_rtcp(peer, writer.written());
    }
}
