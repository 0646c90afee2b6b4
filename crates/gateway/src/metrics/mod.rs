//! Every metric, by name; the one place that names them. Text form: OpenMetrics, which Prometheus reads.
//!
//! What the gateway does is counted as it happens; what the node and the shards count is read at each scrape.

mod kinds;
mod node;

use std::fmt;

use livekit_protocol as proto;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

pub(crate) use node::Readings;

/// `Content-Type` of the text that [`Metrics::text`] gives.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What every name begins with.
const PREFIX: &str = "tutti";

/// Counters of the gateway, and the registry that writes all of them.
pub(crate) struct Metrics {
    registry: Registry,
    joins: Family<JoinLabels, Counter>,
    refusals: Family<RefusalLabels, Counter>,
    validations: Family<JoinLabels, Counter>,
    messages: Family<MessageLabels, Counter>,
    closes: Family<CloseLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JoinLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
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

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let joins = Family::default();
        registry.register("joins", "Joins and resumes by result", joins.clone());
        let refusals = Family::default();
        registry.register("join_refusals", "Joins and resumes refused, by reason", refusals.clone());
        let validations = Family::default();
        registry.register("validations", "Join validations by result", validations.clone());
        let messages = Family::default();
        registry.register("signal_messages", "Signalling messages by kind", messages.clone());
        let closes = Family::default();
        registry.register("signal_closes", "Signalling sockets closed, by reason", closes.clone());
        Self { registry, joins, refusals, validations, messages, closes }
    }
}

impl Metrics {
    /// A join was let in (`ok`) or refused.
    pub(crate) fn join(&self, result: &'static str) {
        self.joins.get_or_create(&JoinLabels { result }).inc();
    }

    /// Why a join was refused.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { reason }).inc();
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

    /// All of them as text, with what is read now.
    pub(crate) fn text(&self, readings: Readings) -> Result<String, fmt::Error> {
        let mut now = Registry::with_prefix(PREFIX);
        now.register_collector(Box::new(readings));
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &now)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}
