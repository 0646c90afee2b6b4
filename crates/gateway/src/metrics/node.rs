//! What the node and its shards count, read at each scrape.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use tutti_cluster::Node;
use tutti_media::ShardMetrics;

use crate::door::Door;
use crate::socket::OpenSockets;

/// Those of a shard's numbers that go up and down; the others only go up.
const SHARD_GAUGES: [&str; 6] = ["transports", "half_open", "tracks", "replicas", "subscriptions", "tcp_connections"];

pub(super) struct NodeCollector {
    node: Node,
    sockets: OpenSockets,
    door: Door,
}

impl NodeCollector {
    pub(super) fn new(node: Node, sockets: OpenSockets, door: Door) -> Self {
        Self { node, sockets, door }
    }
}

impl fmt::Debug for NodeCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeCollector").finish_non_exhaustive()
    }
}

impl Collector for NodeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.node.counts();
        gauge(&mut encoder, "rooms", "Rooms open", counts.rooms)?;
        gauge(&mut encoder, "participants", "Participants in all rooms", counts.participants)?;
        gauge(&mut encoder, "signal_sockets", "Signalling sockets open", self.sockets.count() as u64)?;
        let (at_the_door, shown_out) = self.door.counts();
        gauge(&mut encoder, "http_connections", "Connections that have not joined", at_the_door as u64)?;
        let help = "Connections that had not joined and were closed to make room for others";
        counter(&mut encoder, "http_connections_closed", help, shown_out)?;
        counter(&mut encoder, "room_panics", "Rooms that ended by a fault of the server", counts.room_panics)?;
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
        let help = "Data messages dropped because their sender has everybody get too many";
        counter(&mut encoder, "limit_data", help, over.data)?;

        let media = self.node.media_metrics();
        let tcp = media.tcp;
        let help = "Connections for media over TCP handed to a shard";
        counter(&mut encoder, "media_tcp_accepted", help, tcp.accepted)?;
        let help = "Connections for media over TCP closed because too many were waiting";
        counter(&mut encoder, "media_tcp_refused", help, tcp.refused)?;
        let help = "Connections for media over TCP closed because they began with no check for anybody here";
        counter(&mut encoder, "media_tcp_invalid", help, tcp.invalid)?;
        per_shard(&mut encoder, &media.shards)
    }
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
