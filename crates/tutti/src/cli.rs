//! Commands and flags. Every flag of `serve` stands above the same key in the environment and the file.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use serde::Serialize;
use tutti_token::Kind;

use crate::config::LogFormat;
use crate::load::LoadFlags;
use crate::store::{AppFlags, KeyFlags, StoreFlags};

/// An open, self-hosted real-time audio and video cloud.
#[derive(Debug, Parser)]
#[command(name = "tutti", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(ServeFlags),
    /// Print an access token
    Token(TokenFlags),
    /// Print the configuration in force, secrets hidden
    Config(ServeFlags),
    /// Load a server of your own with headless clients
    Load(LoadFlags),
    /// Look after the store: migrate, check, backup, restore
    Store(StoreFlags),
    /// Make, list, suspend and delete apps
    App(AppFlags),
    /// Make, list, rotate and disable API keys of apps
    Key(KeyFlags),
}

/// Flags that change the configuration. What is absent leaves the key alone.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub(crate) struct ServeFlags {
    /// Development: loopback only, key `devkey` with secret `secret`, tokens for whoever asks
    #[arg(long)]
    #[serde(skip)]
    pub(crate) dev: bool,
    /// With --dev: listen on other addresses than loopback too, although everybody who reaches them can join any room
    #[arg(long, requires = "dev")]
    #[serde(skip)]
    pub(crate) dev_open: bool,
    /// Configuration file [default: tutti.yaml, if there is one]
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Addresses to listen on
    #[arg(long, value_name = "IP", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) bind: Vec<IpAddr>,
    /// Port for HTTP and signalling
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) rtc: RtcFlags,
    #[command(flatten)]
    pub(crate) log: LogFlags,
}

/// Flags of the section `rtc`.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub(crate) struct RtcFlags {
    /// Port for media over TCP
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tcp_port: Option<u16>,
    /// First port for media over UDP; each shard takes one
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) udp_port_base: Option<u16>,
    /// Addresses that clients see in the place of ours (1:1 NAT)
    #[arg(long, value_name = "IP", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) node_ip: Vec<IpAddr>,
    /// Media threads [default: one per core]
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shards: Option<usize>,
}

/// Flags of the section `log`.
#[derive(Debug, Clone, Default, Args, Serialize)]
pub(crate) struct LogFlags {
    /// Form of the log
    #[arg(long = "log-format", value_enum)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<LogFormat>,
    /// What is logged, such as `info` or `info,tutti_media=debug`
    #[arg(long = "log-level", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) level: Option<String>,
}

/// What `tutti token` puts into the token.
#[derive(Debug, Args)]
pub(crate) struct TokenFlags {
    /// Sign with the development key
    #[arg(long, conflicts_with_all = ["api_key", "config"])]
    pub(crate) dev: bool,
    /// Sign with this key [default: the first key of the configuration]
    #[arg(long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// Secret of the key [default: from the configuration]
    #[arg(long, value_name = "SECRET", requires = "api_key")]
    pub(crate) api_secret: Option<String>,
    /// Configuration file that holds the keys
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print an address of the demo that joins with the token, for the server at this address
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Room to join
    #[arg(long)]
    pub(crate) room: String,
    /// Who joins; unique in the room
    #[arg(long)]
    pub(crate) identity: String,
    /// Display name
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// Participant metadata
    #[arg(long, default_value = "")]
    pub(crate) metadata: String,
    /// Participant attribute
    #[arg(long = "attribute", value_name = "KEY=VALUE", value_parser = attribute)]
    pub(crate) attributes: Vec<(String, String)>,
    /// Kind of participant
    #[arg(long, value_name = "KIND", default_value = Kind::Standard.name(), value_parser = kind())]
    pub(crate) kind: Kind,
    /// How long the token is good, such as 90s, 10m, 6h, 7d
    #[arg(long, default_value = "6h", value_parser = duration)]
    pub(crate) ttl: Duration,
    /// May publish tracks [default: true]
    #[arg(long, value_name = "BOOL")]
    pub(crate) can_publish: Option<bool>,
    /// May subscribe to tracks [default: true]
    #[arg(long, value_name = "BOOL")]
    pub(crate) can_subscribe: Option<bool>,
    /// May publish data [default: as --can-publish]
    #[arg(long, value_name = "BOOL")]
    pub(crate) can_publish_data: Option<bool>,
    /// What may be published: camera, microphone, screen_share, screen_share_audio [default: everything]
    #[arg(long, value_name = "SOURCE", value_delimiter = ',')]
    pub(crate) can_publish_sources: Vec<String>,
    /// May change its own name, metadata and attributes [default: false]
    #[arg(long, value_name = "BOOL")]
    pub(crate) can_update_own_metadata: Option<bool>,
    /// Is not shown to others
    #[arg(long)]
    pub(crate) hidden: bool,
    /// Is a recorder
    #[arg(long)]
    pub(crate) recorder: bool,
    /// May make rooms
    #[arg(long)]
    pub(crate) room_create: bool,
    /// May list rooms
    #[arg(long)]
    pub(crate) room_list: bool,
    /// May administer the room
    #[arg(long)]
    pub(crate) room_admin: bool,
}

/// Reads a kind by the name that tokens have for it.
fn kind() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name)).map(|name| Kind::from_name(&name))
}

fn attribute(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("an attribute is KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let seconds = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(format!("unknown unit {unit:?}: take s, m, h or d")),
    };
    let number: u64 = digits.parse().map_err(|_| "a number and a unit, such as 6h".to_owned())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn durations() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("6h", 21_600), ("7d", 604_800), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "6 h", "6w", "-1h", "1.5h", "99999999999999999999s", "999999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
