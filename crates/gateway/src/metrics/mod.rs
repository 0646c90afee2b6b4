//! Every metric, by name; the one place that names them. Text form: OpenMetrics, which Prometheus reads.
//!
//! What the gateway does is counted as it happens; what the node and the shards count is read at each scrape.

mod kinds;
mod node;

use std::fmt;

use livekit_protocol as proto;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tutti_cluster::Node;

use crate::door::Door;
use crate::socket::OpenSockets;

/// `Content-Type` of the text that [`Metrics::text`] gives.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Counters of the gateway, and the registry that writes all of them.
pub(crate) struct Metrics {
    registry: Registry,
    joins: Family<JoinLabels, Counter>,
    validations: Family<JoinLabels, Counter>,
    messages: Family<MessageLabels, Counter>,
    closes: Family<CloseLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JoinLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabels {
    /// `in` or `out`, seen from the server.
    direction: &'static str,
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CloseLabels {
    reason: &'static str,
}

impl Metrics {
    pub(crate) fn new(node: Node, sockets: OpenSockets, door: Door) -> Self {
        let mut registry = Registry::with_prefix("tutti");
        let joins = Family::default();
        registry.register("joins", "Joins and resumes by result", joins.clone());
        let validations = Family::default();
        registry.register("validations", "Join validations by result", validations.clone());
        let messages = Family::default();
        registry.register("signal_messages", "Signalling messages by kind", messages.clone());
        let closes = Family::default();
        registry.register("signal_closes", "Signalling sockets closed, by reason", closes.clone());
        registry.register_collector(Box::new(node::NodeCollector::new(node, sockets, door)));
        Self { registry, joins, validations, messages, closes }
    }

    /// A join was let in (`ok`) or refused.
    pub(crate) fn join(&self, result: &'static str) {
        self.joins.get_or_create(&JoinLabels { result }).inc();
    }

    /// A validation was answered.
    pub(crate) fn validation(&self, result: &'static str) {
        self.validations.get_or_create(&JoinLabels { result }).inc();
    }

    /// A client said something.
    pub(crate) fn received(&self, message: &proto::signal_request::Message) {
        self.message("in", kinds::request(message));
    }

    /// A client was told something.
    pub(crate) fn sent(&self, message: &proto::signal_response::Message) {
        self.message("out", kinds::response(message));
    }

    /// A signalling socket closed.
    pub(crate) fn closed(&self, reason: &'static str) {
        self.closes.get_or_create(&CloseLabels { reason }).inc();
    }

    fn message(&self, direction: &'static str, kind: &'static str) {
        self.messages.get_or_create(&MessageLabels { direction, kind }).inc();
    }

    /// All of them as text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
