//! What the node and its shards count, read at each scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tutti_cluster::{Failure, NodeCounts};
use tutti_media::{MediaMetrics, ShardMetrics};
use tutti_store::{JournalCounts, WriterCounts};

use crate::Reading;

/// Those of a shard's numbers that go up and down; the others only go up.
const SHARD_GAUGES: [&str; 7] =
    ["transports", "half_open", "tracks", "replicas", "subscriptions", "tcp_connections", "data_held"];

/// What the node, its shards and its doors count, as it is at one scrape.
#[derive(Debug)]
pub(crate) struct Readings {
    pub(crate) node: NodeCounts,
    pub(crate) media: MediaMetrics,
    pub(crate) store: Option<(JournalCounts, WriterCounts)>,
    pub(crate) signal_sockets: u64,
    pub(crate) http_connections: u64,
    pub(crate) http_connections_closed: u64,
    pub(crate) more: Vec<Reading>,
}

impl Collector for Readings {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = &self.node;
        gauge(&mut encoder, "rooms", "Rooms open", counts.rooms)?;
        gauge(&mut encoder, "participants", "Participants in all rooms", counts.participants)?;
        gauge(&mut encoder, "signal_sockets", "Sockets of clients and agent workers open", self.signal_sockets)?;
        gauge(&mut encoder, "agent_workers", "Agent workers connected", counts.agent_workers)?;
        gauge(&mut encoder, "agent_jobs", "Jobs of agents that are not over", counts.agent_jobs)?;
        gauge(&mut encoder, "agent_jobs_waiting", "Jobs of agents that no worker has", counts.agent_jobs_waiting)?;
        gauge(&mut encoder, "http_connections", "Connections that have not joined", self.http_connections)?;
        let help = "Connections that had not joined and were closed to make room for others";
        counter(&mut encoder, "http_connections_closed", help, self.http_connections_closed)?;
        abandoned(&mut encoder, counts)?;
        let help = "Reports of shards that a room was too busy to take";
        counter(&mut encoder, "media_events_dropped", help, counts.media_events_dropped)?;
        let help = "Reports of shards that must not be lost and that a room was too busy to take; it was abandoned";
        counter(&mut encoder, "media_events_overrun", help, counts.media_events_overrun)?;
        let help = "Signalling sockets closed because the client did not read";
        counter(&mut encoder, "slow_sockets", help, counts.slow_sockets)?;
        let help = "Descriptions and tracks of clients that could not be used";
        counter(&mut encoder, "signal_refused", help, counts.refused)?;
        let over = counts.over_limit;
        let help = "Joins and resumes refused because the identity comes too often";
        counter(&mut encoder, "limit_joins", help, over.joins)?;
        let help = "Requests refused because of a limit on tracks, wishes, permissions or texts";
        counter(&mut encoder, "limit_requests", help, over.requests)?;
        let help = "Changes of participants that were told later, together with what followed";
        counter(&mut encoder, "limit_updates", help, over.updates)?;
        let help = "Lossy data messages dropped because their sender has everybody get too many";
        counter(&mut encoder, "limit_data", help, over.data)?;
        let help = "Reliable data messages whose sender had to wait because it has everybody get too many";
        counter(&mut encoder, "limit_data_slowed", help, over.data_slowed)?;

        if let Some((journal, writer)) = &self.store {
            record(&mut encoder, journal, writer)?;
        }
        for Reading { name, help, is_counter, value } in &self.more {
            let write = if *is_counter { counter } else { gauge };
            write(&mut encoder, name, help, *value)?;
        }

        let tcp = &self.media.tcp;
        let help = "Connections for media over TCP handed to a shard";
        counter(&mut encoder, "media_tcp_accepted", help, tcp.accepted)?;
        let help = "Connections for media over TCP closed because too many were waiting";
        counter(&mut encoder, "media_tcp_refused", help, tcp.refused)?;
        let help = "Connections for media over TCP closed because they began with no check for anybody here";
        counter(&mut encoder, "media_tcp_invalid", help, tcp.invalid)?;
        failed(&mut encoder, &self.media.shards)?;
        per_shard(&mut encoder, &self.media.shards)
    }
}

/// One line for each reason.
fn abandoned(encoder: &mut DescriptorEncoder<'_>, counts: &NodeCounts) -> fmt::Result {
    let help = "Rooms abandoned by the server, by reason";
    let mut family = encoder.encode_descriptor("rooms_abandoned", help, None, MetricType::Counter)?;
    for why in [Failure::Panic, Failure::Overrun] {
        ConstCounter::new(counts.abandoned(why)).encode(family.encode_family(&[("reason", why.name())])?)?;
    }
    Ok(())
}

/// One line for each shard and reason.
fn failed(encoder: &mut DescriptorEncoder<'_>, shards: &[ShardMetrics]) -> fmt::Result {
    let help = "Shard: transports that failed, by reason";
    let mut family = encoder.encode_descriptor("media_transports_failed", help, None, MetricType::Counter)?;
    for (number, shard) in shards.iter().enumerate() {
        for (reason, count) in shard.failures.by_reason() {
            let labels = [("shard", number.to_string()), ("reason", reason.name().to_owned())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

/// What waits for the database, and what became of it.
fn record(encoder: &mut DescriptorEncoder<'_>, journal: &JournalCounts, writer: &WriterCounts) -> fmt::Result {
    gauge(encoder, "store_journal_depth", "Facts that wait for the database", journal.depth)?;
    gauge(encoder, "store_journal_bytes", "Bytes of the journal on disk", journal.bytes)?;
    gauge(encoder, "store_healthy", "1 if the database took the last batch", u64::from(writer.healthy))?;
    let lost = "Facts that the journal did not take: they are lost";
    counter(encoder, "store_journal_refused", lost, journal.refused)?;
    counter(encoder, "store_journal_sync_errors", "Times that the disk did not take the journal", journal.sync_errors)?;
    counter(encoder, "store_facts_taken", "Facts put into the journal", journal.appended)?;
    counter(encoder, "store_facts_written", "Facts written to the database", writer.written)?;
    counter(encoder, "store_facts_known", "Facts that were in the database and came again", writer.known)?;
    counter(encoder, "store_facts_refused", "Facts that the database refuses, put aside", writer.refused)?;
    counter(encoder, "store_facts_missing", "Facts missing between two of their session", writer.missing)?;
    counter(encoder, "store_errors", "Batches that failed and were tried again", writer.errors)?;
    counter(encoder, "store_writes", "Batches written", writer.batches)?;
    let help = "Seconds that written batches took";
    ConstCounter::new(writer.seconds).encode(encoder.encode_descriptor(
        "store_write_seconds",
        help,
        None,
        MetricType::Counter,
    )?)?;
    counter(encoder, "store_sessions_closed", "Sessions that a lost node had left open", writer.closed_sessions)
}

/// One family for each number, one line in it for each shard.
fn per_shard(encoder: &mut DescriptorEncoder<'_>, shards: &[ShardMetrics]) -> fmt::Result {
    let rows: Vec<Vec<(String, u64)>> = shards.iter().map(numbers).collect();
    let Some(first) = rows.first() else { return Ok(()) };
    for (column, (name, _)) in first.iter().enumerate() {
        let metric_type = if SHARD_GAUGES.contains(&name.as_str()) { MetricType::Gauge } else { MetricType::Counter };
        let help = format!("Shard: {}", name.replace('_', " "));
        let name = format!("media_{name}");
        let mut family = encoder.encode_descriptor(&name, &help, None, metric_type)?;
        for (shard, row) in rows.iter().enumerate() {
            let value = row.get(column).map_or(0, |(_, value)| *value);
            let labels = [("shard", shard.to_string())];
            let line = family.encode_family(&labels)?;
            match metric_type {
                MetricType::Gauge => ConstGauge::new(value).encode(line)?,
                _ => ConstCounter::new(value).encode(line)?,
            }
        }
    }
    Ok(())
}

fn numbers(shard: &ShardMetrics) -> Vec<(String, u64)> {
    let send = &shard.send;
    let sent = [
        ("send_datagrams", send.datagrams),
        ("send_bytes", send.bytes),
        ("send_calls", send.calls),
        ("send_segmented", send.segmented),
        ("send_dropped_full", send.dropped_full),
        ("send_dropped_refused", send.dropped_refused),
        ("send_dropped_no_socket", send.dropped_no_socket),
        ("send_segmentation_refused", send.segmentation_refused),
    ];
    shard.named().chain(sent).map(|(name, value)| (name.to_owned(), value)).collect()
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}

fn counter(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}
