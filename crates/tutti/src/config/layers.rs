//! Reading the layers and laying them over each other. Each layer is checked by itself first, so that an error names
//! the place it comes from.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize as _;
use serde_yaml_ng::{Mapping, Value};
use tutti_ledger::EndpointError;

use super::Config;
use crate::cli::ServeFlags;

/// The file that is read if none is named and it exists.
const FILE_DEFAULT: &str = "tutti.yaml";
/// What the names of our environment variables begin with.
const PREFIX: &str = "TUTTI_";
/// Names the file.
const FILE_VARIABLE: &str = "TUTTI_CONFIG";
/// What clients and tests of the server find in the environment; not keys.
const FOREIGN: [&str; 5] = ["TUTTI_BIN", "TUTTI_URL", "TUTTI_API_KEY", "TUTTI_API_SECRET", "TUTTI_LOAD_API_SECRET"];
/// Variables of the end-to-end tests.
const FOREIGN_PREFIX: &str = "TUTTI_E2E";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The text names the key, the line and the column.
    #[error("{path}: {reason}")]
    File { path: PathBuf, reason: String },
    #[error("environment variable {name}: {reason}")]
    Variable { name: String, reason: String },
    #[error("flags: {reason}")]
    Flags { reason: String },
    /// A variable that is no key.
    #[error("environment variable {name}: {reason} ({VARIABLE_RULE})")]
    UnknownVariable { name: String, reason: String },
    #[error("keys: a key has no name")]
    KeyName,
    #[error("keys.{key}: {}", secret_fault(*.bytes, *.bytes_min))]
    Secret { key: String, bytes: usize, bytes_min: usize },
    #[error(
        "--dev on {address}: everybody who reaches it can make tokens and join any room. Leave --bind away, or say \
         --dev-open, or give the server a key of its own in the place of --dev"
    )]
    DevOpen { address: IpAddr },
    #[error("webhook.api_key names none of `keys`, whose secret would sign what is sent")]
    WebhookKey,
    #[error("webhook.urls, number {}: {reason}", number + 1)]
    Webhook { number: usize, reason: EndpointError },
    #[error("no API key: put `keys` into tutti.yaml, set TUTTI_KEYS__<name>=<secret>, or try --dev")]
    NoKeys,
}

/// How variables are named.
const VARIABLE_RULE: &str = "TUTTI_ and the key in capitals, levels parted by two underscores: rtc.tcp_port is \
                             TUTTI_RTC__TCP_PORT; every variable that begins with TUTTI_ is read";

/// What is wrong with a secret, and what to do.
fn secret_fault(bytes: usize, bytes_min: usize) -> String {
    if bytes == 0 {
        return "the secret is empty: with it everybody could sign tokens".to_owned();
    }
    format!("the secret has {bytes} bytes and needs {bytes_min}, better 32: openssl rand -base64 32")
}

/// Lays all layers over each other.
pub(super) fn load(
    flags: &ServeFlags,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let base = if flags.dev { Config::development() } else { Config::default() };
    let mut tree = exposed(&base);
    let variables = variables(environment)?;
    let named = flags
        .config
        .clone()
        .or_else(|| variables.iter().find(|(name, _)| name == FILE_VARIABLE).map(|(_, value)| PathBuf::from(value)));
    if let Some(layer) = file(named.as_deref())? {
        lay_over(&mut tree, layer);
    }
    for (name, value) in &variables {
        if name == FILE_VARIABLE || FOREIGN.contains(&name.as_str()) || name.starts_with(FOREIGN_PREFIX) {
            continue;
        }
        lay_over(&mut tree, variable(name, value)?);
    }
    lay_over(&mut tree, of_flags(flags)?);
    let mut config = Config::deserialize(tree).map_err(|error| ConfigError::Flags { reason: error.to_string() })?;
    config.dev = flags.dev;
    config.dev_open = flags.dev_open;
    config.check_keys()?;
    Ok(config)
}

/// The tree of a configuration with its secrets as they are, not hidden.
fn exposed(config: &Config) -> Value {
    let mut tree = serde_yaml_ng::to_value(config).unwrap_or_default();
    let keys: Mapping =
        config.keys.iter().map(|(name, secret)| (name.as_str().into(), secret.expose().into())).collect();
    if let Value::Mapping(tree) = &mut tree {
        tree.insert("keys".into(), keys.into());
        if let Some(Value::Mapping(store)) = tree.get_mut("store") {
            store.insert("url".into(), config.store.url.expose().into());
            store.insert("master_key".into(), config.store.master_key.expose().into());
        }
        if let Some(Value::Mapping(webhook)) = tree.get_mut("webhook") {
            let urls: Vec<Value> = config.webhook.urls.iter().map(|url| url.expose().into()).collect();
            webhook.insert("urls".into(), urls.into());
        }
    }
    tree
}

fn file(named: Option<&Path>) -> Result<Option<Value>, ConfigError> {
    let path = named.unwrap_or(Path::new(FILE_DEFAULT));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(ConfigError::Read { path: path.to_owned(), source }),
    };
    of_text(&text).map_err(|reason| ConfigError::File { path: path.to_owned(), reason })
}

/// Reads the text of a file; `None` if it says nothing.
pub(super) fn of_text(text: &str) -> Result<Option<Value>, String> {
    let tree: Value = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    if tree.is_null() {
        return Ok(None);
    }
    // Read from the text and not from the tree: this error knows the line.
    serde_yaml_ng::from_str::<Config>(text).map_err(|error| error.to_string())?;
    Ok(Some(tree))
}

/// Ours among the variables, in order.
fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Vec::new();
    for (name, value) in environment {
        let Ok(name) = name.into_string() else { continue };
        if !name.starts_with(PREFIX) {
            continue;
        }
        let Ok(value) = value.into_string() else {
            return Err(ConfigError::Variable { name, reason: "not UTF-8".to_owned() });
        };
        variables.push((name, value));
    }
    variables.sort();
    Ok(variables)
}

/// The layer of one variable: `TUTTI_RTC__TCP_PORT=7881` is `rtc: {tcp_port: 7881}`. The value is YAML.
fn variable(name: &str, value: &str) -> Result<Value, ConfigError> {
    let error = |reason: String| ConfigError::Variable { name: name.to_owned(), reason };
    let path = name.strip_prefix(PREFIX).unwrap_or(name);
    let (section, rest) = path.split_once("__").map_or((path, None), |(section, rest)| (section, Some(rest)));
    let section = section.to_lowercase();
    let layer = match rest {
        // Names of API keys keep their case, and a secret of digits is still a text.
        Some(api_key) if section == "keys" => mapping(&section, mapping(api_key, value.into())),
        _ => {
            let parsed: Value = serde_yaml_ng::from_str(value).map_err(|cause| error(cause.to_string()))?;
            let inner = rest.map_or(parsed.clone(), |rest| {
                rest.rsplit("__").fold(parsed, |tree, key| mapping(&key.to_lowercase(), tree))
            });
            mapping(&section, inner)
        }
    };
    Config::deserialize(layer.clone()).map_err(|cause| {
        let (name, reason) = (name.to_owned(), cause.to_string());
        let is_unknown = reason.contains("unknown field");
        if is_unknown { ConfigError::UnknownVariable { name, reason } } else { ConfigError::Variable { name, reason } }
    })?;
    Ok(layer)
}

fn of_flags(flags: &ServeFlags) -> Result<Value, ConfigError> {
    serde_yaml_ng::to_value(flags).map_err(|error| ConfigError::Flags { reason: error.to_string() })
}

fn mapping(key: &str, value: Value) -> Value {
    Mapping::from_iter([(Value::from(key), value)]).into()
}

/// Mappings are joined key by key; anything else takes the place of what was there.
fn lay_over(tree: &mut Value, layer: Value) {
    match (tree, layer) {
        (Value::Mapping(tree), Value::Mapping(layer)) => {
            for (key, value) in layer {
                match tree.get_mut(&key) {
                    Some(below) => lay_over(below, value),
                    None => {
                        tree.insert(key, value);
                    }
                }
            }
        }
        (tree, layer) => *tree = layer,
    }
}

/// The folder that a relative path of a test starts from.
#[cfg(test)]
pub(super) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
