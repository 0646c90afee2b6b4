//! The typed configuration. Four layers, each above the one before: defaults (those of `--dev` if asked for), file,
//! environment, flags. A key that nobody knows is an error that names the key and its place. Secrets never show.

mod layers;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use clap::ValueEnum;
use livekit_protocol as proto;
use serde::{Deserialize, Serialize};
use tutti_gateway::Network;
use tutti_id::AppId;
use tutti_ledger::{Endpoint, Format};
use tutti_media::MediaConfig;
use tutti_room::Presets;
use tutti_store::{BYTES_MAX_DEFAULT, Retention};
use tutti_token::{Keys, Secret};

use crate::cli::ServeFlags;

pub(crate) use layers::ConfigError;

/// API key of development mode, as every tutorial of the protocol has it.
pub(crate) const DEV_KEY: &str = "devkey";
/// Shortest secret outside of development mode, bytes: 128 bits, if they are random.
const SECRET_BYTES_MIN: usize = 16;
/// Secret of the development key.
pub(crate) const DEV_SECRET: &str = "secret";

/// The whole tree. `deploy/tutti.sample.yaml` explains every key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Development mode; only the flag sets it.
    #[serde(skip)]
    pub(crate) dev: bool,
    /// Development mode for others than this machine; only the flag sets it.
    #[serde(skip)]
    pub(crate) dev_open: bool,
    pub(crate) bind: Vec<IpAddr>,
    pub(crate) port: u16,
    pub(crate) region: String,
    pub(crate) keys: BTreeMap<String, Secret>,
    pub(crate) data: PathBuf,
    pub(crate) store: Store,
    pub(crate) webhook: Webhook,
    pub(crate) log: Log,
    pub(crate) http: Http,
    pub(crate) metrics: Metrics,
    pub(crate) rtc: Rtc,
    pub(crate) rooms: Rooms,
    pub(crate) agents: Agents,
    pub(crate) limits: Limits,
}

/// Section `store`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Store {
    pub(crate) url: Secret,
    pub(crate) master_key: Secret,
    pub(crate) master_key_file: Option<PathBuf>,
    pub(crate) journal_bytes_max: u64,
    pub(crate) retention_days: RetentionDays,
}

/// Section `webhook`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Webhook {
    pub(crate) api_key: String,
    pub(crate) urls: Vec<Secret>,
    pub(crate) format: WebhookFormat,
    pub(crate) private_addresses: bool,
}

/// What web-hooks are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WebhookFormat {
    /// As the protocol has it.
    #[default]
    Livekit,
    /// Ours.
    Tutti,
}

/// Section `store.retention_days`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RetentionDays {
    pub(crate) history: u32,
    pub(crate) events: u32,
    pub(crate) messages: u32,
    pub(crate) jobs: u32,
    pub(crate) samples: u32,
    pub(crate) minutes: u32,
    pub(crate) hours: u32,
    pub(crate) audit: u32,
}

/// Section `log`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Section `http`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Http {
    pub(crate) demo: bool,
    pub(crate) metrics: bool,
    pub(crate) connections_max: usize,
    pub(crate) trusted_proxies: Vec<Network>,
}

/// Section `metrics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Metrics {
    pub(crate) bind: Vec<IpAddr>,
    pub(crate) port: Option<u16>,
}

/// Section `rtc`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rtc {
    pub(crate) bind: Vec<IpAddr>,
    pub(crate) udp_port_base: u16,
    pub(crate) tcp_port: Option<u16>,
    pub(crate) node_ip: Vec<IpAddr>,
    pub(crate) discover_ip: Vec<String>,
    pub(crate) loopback: bool,
    pub(crate) shards: usize,
    pub(crate) shard_subscribers_max: usize,
    pub(crate) pin: bool,
    pub(crate) socket_buffer_bytes: usize,
    pub(crate) ice_servers: Vec<IceServer>,
}

/// One entry of `rtc.ice_servers`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IceServer {
    pub(crate) urls: Vec<String>,
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) credential: Secret,
}

/// Section `rooms`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Rooms {
    pub(crate) auto_create: bool,
    pub(crate) rooms_max: usize,
    pub(crate) max_participants: u32,
    pub(crate) empty_timeout_s: u64,
    pub(crate) departure_timeout_s: u64,
    pub(crate) sync_streams: bool,
    pub(crate) remote_unmute: bool,
    pub(crate) codecs: Vec<String>,
    pub(crate) presets: BTreeMap<String, Preset>,
}

/// One entry of `rooms.presets`. What is not said is as in every room.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Preset {
    pub(crate) empty_timeout_s: u32,
    pub(crate) departure_timeout_s: u32,
    pub(crate) max_participants: u32,
    pub(crate) metadata: String,
    pub(crate) sync_streams: bool,
    pub(crate) agents: Vec<PresetAgent>,
}

/// One entry of `agents` of a preset.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PresetAgent {
    pub(crate) agent_name: String,
    pub(crate) metadata: String,
    pub(crate) deployment: String,
    pub(crate) attributes: BTreeMap<String, String>,
}

/// Section `agents`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Agents {
    pub(crate) target_load: f32,
}

/// Section `limits`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) room_name_bytes: usize,
    pub(crate) identity_bytes: usize,
    pub(crate) name_bytes: usize,
    pub(crate) metadata_bytes: usize,
    pub(crate) attributes_bytes: usize,
    pub(crate) tracks: usize,
    pub(crate) data_tracks: usize,
    pub(crate) data_blobs_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dev: false,
            dev_open: false,
            bind: vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            port: 7880,
            region: String::new(),
            keys: BTreeMap::new(),
            data: PathBuf::from("data"),
            store: Store::default(),
            webhook: Webhook::default(),
            log: Log::default(),
            http: Http::default(),
            metrics: Metrics::default(),
            rtc: Rtc::default(),
            rooms: Rooms::default(),
            agents: Agents::default(),
            limits: Limits::default(),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            master_key: Secret::default(),
            master_key_file: None,
            journal_bytes_max: BYTES_MAX_DEFAULT,
            retention_days: RetentionDays::default(),
        }
    }
}

impl Default for RetentionDays {
    fn default() -> Self {
        let Retention { history, events, messages, jobs, samples, minutes, hours, audit } = Retention::default();
        Self { history, events, messages, jobs, samples, minutes, hours, audit }
    }
}

impl From<&RetentionDays> for Retention {
    fn from(days: &RetentionDays) -> Self {
        let RetentionDays { history, events, messages, jobs, samples, minutes, hours, audit } = *days;
        Self { history, events, messages, jobs, samples, minutes, hours, audit }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { demo: true, metrics: false, connections_max: 50_000, trusted_proxies: Vec::new() }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { bind: vec![Ipv4Addr::LOCALHOST.into()], port: Some(6789) }
    }
}

impl Default for Rtc {
    fn default() -> Self {
        let media = MediaConfig::default();
        Self {
            bind: Vec::new(),
            udp_port_base: media.udp_port_base,
            tcp_port: media.tcp_port,
            node_ip: Vec::new(),
            discover_ip: Vec::new(),
            loopback: media.loopback,
            shards: media.shards,
            shard_subscribers_max: media.shard_subscribers_max,
            pin: media.pin,
            socket_buffer_bytes: media.socket_buffer_bytes,
            ice_servers: Vec::new(),
        }
    }
}

impl Default for Rooms {
    fn default() -> Self {
        let room = tutti_room::Settings::default();
        Self {
            auto_create: true,
            rooms_max: 0,
            max_participants: room.max_participants,
            empty_timeout_s: room.empty_timeout.as_secs(),
            departure_timeout_s: room.departure_timeout.as_secs(),
            sync_streams: room.sync_streams,
            remote_unmute: room.remote_unmute,
            codecs: room.codecs,
            presets: BTreeMap::new(),
        }
    }
}

impl Default for Agents {
    fn default() -> Self {
        Self { target_load: tutti_agent::Settings::default().target_load }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let limits = tutti_room::Limits::default();
        Self {
            room_name_bytes: limits.room_name_bytes,
            identity_bytes: limits.identity_bytes,
            name_bytes: limits.name_bytes,
            metadata_bytes: limits.metadata_bytes,
            attributes_bytes: limits.attributes_bytes,
            tracks: limits.tracks,
            data_tracks: limits.data_tracks,
            data_blobs_bytes: limits.data_blobs_bytes,
        }
    }
}

impl Preset {
    fn configuration(&self) -> proto::RoomConfiguration {
        let agents = self.agents.iter().map(|agent| proto::RoomAgentDispatch {
            agent_name: agent.agent_name.clone(),
            metadata: agent.metadata.clone(),
            deployment: agent.deployment.clone(),
            attributes: agent.attributes.clone().into_iter().collect(),
            ..Default::default()
        });
        proto::RoomConfiguration {
            empty_timeout: self.empty_timeout_s,
            departure_timeout: self.departure_timeout_s,
            max_participants: self.max_participants,
            metadata: self.metadata.clone(),
            sync_streams: self.sync_streams,
            agents: agents.collect(),
            ..Default::default()
        }
    }
}

impl Config {
    /// The defaults of `--dev`: this machine only, a key that everybody knows, metrics at the main port.
    fn development() -> Self {
        Self {
            dev: true,
            bind: vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            keys: BTreeMap::from([(DEV_KEY.to_owned(), Secret::new(DEV_SECRET))]),
            // Nothing is kept, so that any number of servers may run beside each other.
            data: PathBuf::new(),
            // Receivers are on this machine as well.
            webhook: Webhook { api_key: DEV_KEY.to_owned(), private_addresses: true, ..Webhook::default() },
            rtc: Rtc { loopback: true, ..Rtc::default() },
            // One port is enough to remember, and several servers may run beside each other.
            http: Http { metrics: true, ..Http::default() },
            metrics: Metrics { port: None, ..Metrics::default() },
            ..Self::default()
        }
    }

    /// The configuration in force for these flags, this environment and the file they name.
    ///
    /// # Errors
    /// The first layer that cannot be read, with the key and its place.
    pub(crate) fn load(flags: &ServeFlags) -> Result<Self, ConfigError> {
        layers::load(flags, std::env::vars_os())
    }

    /// Refuses keys that anybody can guess: with an empty secret everybody can sign, and a short one can be found from
    /// a single token. In development mode short ones do, as everybody knows that of `devkey` anyway.
    fn check_keys(&self) -> Result<(), ConfigError> {
        let bytes_min = if self.dev { 1 } else { SECRET_BYTES_MIN };
        for (key, secret) in &self.keys {
            let bytes = secret.expose().len();
            if key.is_empty() {
                return Err(ConfigError::KeyName);
            }
            if bytes < bytes_min {
                return Err(ConfigError::Secret { key: key.clone(), bytes, bytes_min });
            }
        }
        Ok(())
    }

    /// Where events go, each with the key that signs.
    ///
    /// # Errors
    /// An address cannot be called, or no key is there to sign.
    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>, ConfigError> {
        let Webhook { api_key, urls, format, private_addresses } = &self.webhook;
        if urls.is_empty() {
            return Ok(Vec::new());
        }
        let signer = match self.keys.iter().next() {
            _ if !api_key.is_empty() => self.keys.get_key_value(api_key),
            only if self.keys.len() == 1 => only,
            _ => None,
        };
        let (key, secret) = signer.ok_or(ConfigError::WebhookKey)?;
        let format = match format {
            WebhookFormat::Livekit => Format::Livekit,
            WebhookFormat::Tutti => Format::Tutti,
        };
        let endpoint = |(number, url): (usize, &Secret)| {
            Endpoint::new(AppId::DEFAULT, url.expose(), format, (key, secret), *private_addresses)
                .map_err(|reason| ConfigError::Webhook { number, reason })
        };
        urls.iter().enumerate().map(endpoint).collect()
    }

    /// Refuses development mode for others, unless that is asked for by name.
    ///
    /// # Errors
    /// It would listen on an address that others reach.
    pub(crate) fn check_reach(&self) -> Result<(), ConfigError> {
        match self.bind.iter().find(|ip| !ip.to_canonical().is_loopback()) {
            Some(address) if self.dev && !self.dev_open => Err(ConfigError::DevOpen { address: *address }),
            _ => Ok(()),
        }
    }

    /// All keys.
    pub(crate) fn keys(&self) -> Keys {
        self.keys.iter().map(|(name, secret)| (name.clone(), secret.clone())).collect()
    }

    /// The room presets, as the protocol says it.
    pub(crate) fn presets(&self) -> Presets {
        self.rooms.presets.iter().map(|(name, preset)| (name.clone(), preset.configuration())).collect()
    }

    /// What the media plane is started with.
    pub(crate) fn media(&self) -> MediaConfig {
        let rtc = &self.rtc;
        MediaConfig {
            bind: if rtc.bind.is_empty() { self.bind.clone() } else { rtc.bind.clone() },
            udp_port_base: rtc.udp_port_base,
            tcp_port: rtc.tcp_port,
            shards: rtc.shards,
            advertised: rtc.node_ip.clone(),
            shard_subscribers_max: rtc.shard_subscribers_max,
            loopback: rtc.loopback,
            pin: rtc.pin,
            socket_buffer_bytes: rtc.socket_buffer_bytes,
            ..MediaConfig::default()
        }
    }

    /// As a file that could be loaded again, but for the secrets.
    pub(crate) fn to_yaml(&self) -> String {
        serde_yaml_ng::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
