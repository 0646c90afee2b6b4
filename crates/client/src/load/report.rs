//! What a load measured, all clients together: a table for people and one line of JSON for machines.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::plan::Plan;
use crate::error::ClientError;
use crate::figures::{Figures, Received, Sent};
use crate::histogram::Histogram;

/// What the run hands over.
pub(super) struct Measured {
    /// First call to last answer.
    pub(super) join_time: Duration,
    /// The time between `before` and `after`.
    pub(super) span: Duration,
    pub(super) before: Vec<Figures>,
    pub(super) after: Vec<Figures>,
    /// At the end; whether media was expected.
    pub(super) ended: Vec<(bool, Figures)>,
    pub(super) failures: Vec<ClientError>,
    pub(super) cpu_own: Option<Duration>,
    pub(super) cpu_server: Option<Duration>,
    pub(super) flood_packets: Option<u64>,
}

/// What a load measured. Times in milliseconds; rates and CPU over the time when all were in the call; packets, frames
/// and losses from the joins to the end. What could not be measured is `None`, `null` in JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Clients that were to join.
    pub clients: usize,
    /// Clients that joined.
    pub joined: usize,
    /// Clients that could not join, or that the server threw out.
    pub failed: usize,
    /// Clients that should have got media and did not get a first frame.
    pub without_first_frame: usize,
    /// Clients joined, by the time from the first call to the last answer.
    pub joins_per_s: f64,
    /// From the call of join to media transport up.
    pub join_ms_p50: Option<f64>,
    /// The same.
    pub join_ms_p95: Option<f64>,
    /// The longest.
    pub join_ms_max: Option<f64>,
    /// From the call of join to the first complete key frame, or the first sound where no video is.
    pub first_frame_ms_p50: Option<f64>,
    /// The same.
    pub first_frame_ms_p95: Option<f64>,
    /// What all clients sent, kbit/s of RTP.
    pub kbps_in: f64,
    /// What all clients received, kbit/s of RTP.
    pub kbps_out: f64,
    /// Packets a second that the server received of them.
    pub pps_in: f64,
    /// Packets a second that it forwarded to them.
    pub pps_out: f64,
    /// Media packets received.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came when asked for again.
    pub recovered: u64,
    /// Packets of no known track.
    pub unknown: u64,
    /// Complete video frames received.
    pub frames: u64,
    /// Key frames that publishers were asked for.
    pub key_frame_requests: u64,
    /// Packets that our own sockets refused.
    pub refused: u64,
    /// From stamping to arrival, repair included.
    pub delay_ms_p50: Option<f64>,
    /// The same.
    pub delay_ms_p95: Option<f64>,
    /// The same.
    pub delay_ms_p99: Option<f64>,
    /// CPU time of this process, s.
    pub cpu_s: Option<f64>,
    /// CPU time of the server, s.
    pub server_cpu_s: Option<f64>,
    /// CPU time of the server for each packet it forwarded, us.
    pub server_cpu_us_per_packet: Option<f64>,
    /// Packets of junk sent to the media port.
    pub flood_packets: Option<u64>,
    /// How long the rates and CPU times were measured, s.
    pub seconds: f64,
    /// Why clients failed, each reason with its number.
    pub failures: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn new(plan: &Plan, measured: &Measured) -> Self {
        let (mut sent, mut received) = (Sent::default(), Received::default());
        let (mut joins, mut first_frames) = (Histogram::default(), Histogram::default());
        let mut delay = Histogram::default();
        let mut without_first_frame = 0;
        let mut join_max = None;
        for (expects_media, figures) in &measured.ended {
            sent.add(&figures.sent);
            received.add(&figures.received);
            delay.add(&figures.delay);
            if let Some(connected) = figures.connected {
                joins.record(connected);
                join_max = join_max.max(Some(connected));
            }
            match figures.first_frame {
                Some(first) => first_frames.record(first),
                None => without_first_frame += usize::from(*expects_media && plan.publishers > 0),
            }
        }
        let mut failures = BTreeMap::new();
        for failure in &measured.failures {
            *failures.entry(failure.to_string()).or_default() += 1;
        }
        let span = measured.span.as_secs_f64();
        let grown = |read: fn(&Figures) -> u64| {
            let sum = |all: &[Figures]| all.iter().map(read).sum::<u64>();
            sum(&measured.after).saturating_sub(sum(&measured.before)) as f64
        };
        let received_packets = grown(|figures| figures.received.packets);
        let joined = measured.before.len();
        let server = measured.cpu_server.filter(|_| received_packets > 0.0);
        Self {
            clients: plan.clients(),
            joined,
            failed: measured.failures.len(),
            without_first_frame,
            joins_per_s: round(joined as f64 / measured.join_time.as_secs_f64()),
            join_ms_p50: joins.percentile(50.0).map(millis),
            join_ms_p95: joins.percentile(95.0).map(millis),
            join_ms_max: join_max.map(millis),
            first_frame_ms_p50: first_frames.percentile(50.0).map(millis),
            first_frame_ms_p95: first_frames.percentile(95.0).map(millis),
            kbps_in: round(grown(|figures| figures.sent.bytes) * 8.0 / 1000.0 / span),
            kbps_out: round(grown(|figures| figures.received.bytes) * 8.0 / 1000.0 / span),
            pps_in: round(grown(|figures| figures.sent.packets) / span),
            pps_out: round(received_packets / span),
            packets: received.packets,
            lost: received.lost,
            recovered: received.recovered,
            unknown: received.unknown,
            frames: received.frames,
            key_frame_requests: sent.key_frame_requests,
            refused: sent.refused,
            delay_ms_p50: delay.percentile(50.0).map(millis),
            delay_ms_p95: delay.percentile(95.0).map(millis),
            delay_ms_p99: delay.percentile(99.0).map(millis),
            cpu_s: measured.cpu_own.map(|time| round(time.as_secs_f64())),
            server_cpu_s: measured.cpu_server.map(|time| round(time.as_secs_f64())),
            server_cpu_us_per_packet: server.map(|time| round(time.as_secs_f64() * 1e6 / received_packets)),
            flood_packets: measured.flood_packets,
            seconds: round(span),
            failures,
        }
    }

    /// Every client joined and stayed, and got media where there was some.
    pub fn is_good(&self) -> bool {
        self.joined == self.clients && self.failed == 0 && self.without_first_frame == 0
    }

    /// One line.
    pub fn to_json(&self) -> String {
        // Plain numbers and strings are always written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value} ms"));
        writeln!(f, "clients      {} of {} joined, {} failed", self.joined, self.clients, self.failed)?;
        for (reason, count) in &self.failures {
            writeln!(f, "             {count} x {reason}")?;
        }
        let (p50, p95, max) = (ms(self.join_ms_p50), ms(self.join_ms_p95), ms(self.join_ms_max));
        writeln!(f, "joins        {} a second; p50 {p50}, p95 {p95}, longest {max}", self.joins_per_s)?;
        let (p50, p95) = (ms(self.first_frame_ms_p50), ms(self.first_frame_ms_p95));
        writeln!(f, "first frame  p50 {p50}, p95 {p95}; {} clients without", self.without_first_frame)?;
        writeln!(f, "to server    {} kbit/s, {} packets a second", self.kbps_in, self.pps_in)?;
        writeln!(f, "from server  {} kbit/s, {} packets a second", self.kbps_out, self.pps_out)?;
        let (lost, recovered, unknown) = (self.lost, self.recovered, self.unknown);
        writeln!(f, "packets      {} received, {lost} lost, {recovered} repaired, {unknown} unknown", self.packets)?;
        writeln!(f, "frames       {} complete, {} key frames asked for", self.frames, self.key_frame_requests)?;
        let (p50, p95, p99) = (ms(self.delay_ms_p50), ms(self.delay_ms_p95), ms(self.delay_ms_p99));
        writeln!(f, "delay        p50 {p50}, p95 {p95}, p99 {p99}")?;
        if let Some(packets) = self.flood_packets {
            writeln!(f, "junk         {packets} packets")?;
        }
        let seconds = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value} s"));
        let (own, server) = (seconds(self.cpu_s), seconds(self.server_cpu_s));
        write!(f, "CPU          load {own}, server {server} in {} s", self.seconds)?;
        if let Some(each) = self.server_cpu_us_per_packet {
            write!(f, ": {each} us for each packet forwarded")?;
        }
        writeln!(f)
    }
}

fn millis(span: Duration) -> f64 {
    round(span.as_secs_f64() * 1000.0)
}

/// To two decimals: more would be noise.
fn round(value: f64) -> f64 {
    if value.is_finite() { (value * 100.0).round() / 100.0 } else { 0.0 }
}
