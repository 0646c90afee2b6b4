//! How layers lie over each other, what is refused and how it is named, and that the sample file is true.

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::layers::{load, of_text, workspace};
use super::*;
use crate::cli::{LogFlags, RtcFlags};

/// Flags that keep a file in the working folder out.
fn flags() -> ServeFlags {
    ServeFlags { config: Some(PathBuf::from("/dev/null")), ..Default::default() }
}

fn with_environment(flags: &ServeFlags, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load(flags, variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))))
}

fn from_file(text: &str) -> Result<Config, String> {
    let mut file = tempfile();
    std::io::Write::write_all(&mut file.1, text.as_bytes()).expect("a file can be written");
    let config = ServeFlags { config: Some(file.0.clone()), ..Default::default() };
    let loaded =
        with_environment(&config, &[]).map_err(|error| error.to_string().replace(&*file.0.to_string_lossy(), "FILE"));
    fs::remove_file(&file.0).expect("it is there");
    loaded
}

/// A new file of its own.
fn tempfile() -> (PathBuf, fs::File) {
    let path = std::env::temp_dir().join(format!("tutti-{}-{:016x}.yaml", std::process::id(), rand::random::<u64>()));
    let file = fs::File::create_new(&path).expect("a file can be made");
    (path, file)
}

#[test]
fn nothing_said_is_the_defaults() {
    assert_eq!(with_environment(&flags(), &[]).expect("no layer"), Config::default());
    for text in ["", "# nothing\n", "{}"] {
        assert_eq!(from_file(text).as_ref(), Ok(&Config::default()), "{text}");
    }
}

#[test]
fn the_sample_is_the_defaults() {
    let text = fs::read_to_string(workspace().join("deploy/tutti.sample.yaml")).expect("the sample is there");
    // Loaded, it changes nothing …
    let sample: Config = serde_yaml_ng::from_str(&text).expect("the sample is good");
    assert_eq!(sample, Config::default());
    // … and it has every key.
    let all = serde_yaml_ng::to_value(Config::default()).expect("a tree");
    let given = of_text(&text).expect("the sample is good").expect("it says something");
    let missing = missing("", &all, &given);
    assert!(missing.is_empty(), "not in the sample: {missing:?}");
}

/// Keys that `all` has and `given` has not.
fn missing(prefix: &str, all: &serde_yaml_ng::Value, given: &serde_yaml_ng::Value) -> Vec<String> {
    let mut names = Vec::new();
    for (key, value) in all.as_mapping().into_iter().flatten() {
        let name = format!("{prefix}{}", key.as_str().unwrap_or_default());
        match given.get(key) {
            None => names.push(name),
            Some(given) => names.extend(missing(&format!("{name}."), value, given)),
        }
    }
    names
}

#[test]
fn development_is_this_machine_with_the_known_key() {
    let dev = ServeFlags { dev: true, ..flags() };
    let config = with_environment(&dev, &[("TUTTI_KEYS__mine", "mine too")]).expect("layers are good");
    assert!(config.dev && config.rtc.loopback && config.bind.iter().all(IpAddr::is_loopback));
    assert_eq!(config.keys.get(DEV_KEY).map(Secret::expose), Some(DEV_SECRET));
    assert_eq!(config.keys.get("mine").map(Secret::expose), Some("mine too"));
    assert_eq!(config.media().bind, config.bind);
    assert!(!with_environment(&flags(), &[]).expect("no layer").dev);
}

#[test]
fn flags_over_environment_over_file() {
    let file = "port: 1\nrtc: {tcp_port: 1, udp_port_base: 1, shards: 1}\nlog: {level: file}\n";
    let mut given = tempfile();
    std::io::Write::write_all(&mut given.1, file.as_bytes()).expect("a file can be written");
    let flags = ServeFlags {
        config: Some(given.0.clone()),
        port: Some(3),
        bind: vec![Ipv4Addr::LOCALHOST.into()],
        rtc: RtcFlags { tcp_port: Some(3), ..Default::default() },
        log: LogFlags { format: Some(LogFormat::Json), level: None },
        ..Default::default()
    };
    let variables =
        [("TUTTI_PORT", "2"), ("TUTTI_RTC__TCP_PORT", "2"), ("TUTTI_RTC__UDP_PORT_BASE", "2"), ("HOME", "/")];
    let config = with_environment(&flags, &variables).expect("layers are good");
    fs::remove_file(&given.0).expect("it is there");
    assert_eq!((config.port, config.bind), (3, vec![Ipv4Addr::LOCALHOST.into()]));
    assert_eq!((config.rtc.tcp_port, config.rtc.udp_port_base, config.rtc.shards), (Some(3), 2, 1));
    assert_eq!((config.log.format, config.log.level.as_str()), (LogFormat::Json, "file"));
}

#[test]
fn variables_are_yaml() {
    let config = with_environment(
        &flags(),
        &[
            ("TUTTI_BIND", "[127.0.0.1, '::1']"),
            ("TUTTI_RTC__NODE_IP", "[203.0.113.7]"),
            ("TUTTI_RTC__TCP_PORT", "null"),
            ("TUTTI_RTC__ICE_SERVERS", "[{urls: ['turn:turn.example.org'], username: u, credential: c}]"),
            ("TUTTI_ROOMS__AUTO_CREATE", "false"),
            ("TUTTI_KEYS__MixedCase", "1234567890123456"),
            ("TUTTI_KEYS__with__bars", "x: yyyyyyyyyyyyy"),
            ("TUTTI_HTTP__TRUSTED_PROXIES", "[10.0.0.0/8, '::1']"),
            ("TUTTI_LOAD_API_SECRET", "not a key"),
            ("TUTTI_BIN", "not a key"),
            ("TUTTI_E2E_BROWSER", "not a key"),
        ],
    )
    .expect("layers are good");
    assert_eq!((config.bind.len(), config.rtc.node_ip.len(), config.rtc.tcp_port), (2, 1, None));
    assert!(!config.rooms.auto_create);
    assert_eq!(config.keys.get("MixedCase").map(Secret::expose), Some("1234567890123456"));
    assert_eq!(config.keys.get("with__bars").map(Secret::expose), Some("x: yyyyyyyyyyyyy"));
    assert_eq!(config.rtc.ice_servers.first().map(|server| server.credential.expose()), Some("c"));
    let proxies: Vec<String> = config.http.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let cases = [
        ("port: 1\nprot: 7880\n", "FILE: unknown field `prot`", "line 2 column 1"),
        ("port: 7880\nrtc:\n  tcp_prot: 1\n", "FILE: rtc: unknown field `tcp_prot`", "line 3 column 3"),
        (
            "rtc:\n  ice_servers:\n    - {urls: [], user: x}\n",
            "FILE: rtc.ice_servers[0]: unknown field `user`",
            "line 3",
        ),
        ("port: many\n", "FILE: port: invalid", "line 1 column 7"),
        ("port: 70000\n", "FILE: port: invalid", "line 1 column 7"),
        ("bind: [300.1.1.1]\n", "FILE: bind[0]: invalid IP address", "line 1 column 8"),
        ("port: 1\nport: 2\n", "FILE: ", "duplicate"),
        ("port: [\n", "FILE: ", "line 2"),
        ("just words\n", "FILE: invalid type", ""),
    ];
    for (text, beginning, place) in cases {
        let error = from_file(text).expect_err(text);
        assert!(error.starts_with(beginning) && error.contains(place), "{text:?}: {error}");
    }
    let cases = [
        ("TUTTI_PROT", "1", "environment variable TUTTI_PROT: unknown field `prot`"),
        ("TUTTI_RTC__TCP_PROT", "1", "environment variable TUTTI_RTC__TCP_PROT: unknown field `tcp_prot`"),
        ("TUTTI_PORT", "many", "environment variable TUTTI_PORT: invalid type"),
        ("TUTTI_PORT__X", "1", "environment variable TUTTI_PORT__X: invalid type"),
        ("TUTTI_PORT", "[", "environment variable TUTTI_PORT: "),
        ("TUTTI_HTTP__TRUSTED_PROXIES", "[proxy]", "environment variable TUTTI_HTTP__TRUSTED_PROXIES: "),
    ];
    for (name, value, beginning) in cases {
        let error = with_environment(&flags(), &[(name, value)]).expect_err(name).to_string();
        assert!(error.starts_with(beginning), "{name}: {error}");
    }
    // The rule comes with it: one underscore is the usual mistake.
    let error = with_environment(&flags(), &[("TUTTI_RTC_TCP_PORT", "1")]).expect_err("no such key").to_string();
    assert!(error.contains("TUTTI_RTC_TCP_PORT") && error.contains("rtc.tcp_port is TUTTI_RTC__TCP_PORT"), "{error}");
    let absent = ServeFlags { config: Some(PathBuf::from("/absent/tutti.yaml")), ..Default::default() };
    let error = with_environment(&absent, &[]).expect_err("no such file").to_string();
    assert_eq!(error, "cannot read /absent/tutti.yaml");
}

#[test]
fn secrets_that_can_be_guessed_are_refused() {
    let with = |dev: bool, secret: &str| {
        let flags = ServeFlags { dev, ..flags() };
        with_environment(&flags, &[("TUTTI_KEYS__mine", secret)]).map(|_| ()).map_err(|error| error.to_string())
    };
    let empty = Err("keys.mine: the secret is empty: with it everybody could sign tokens".to_owned());
    assert_eq!(with(false, ""), empty);
    assert_eq!(with(true, ""), empty);
    let short = with(false, "fifteen bytes..").expect_err("too short");
    assert!(
        short.starts_with("keys.mine: the secret has 15 bytes and needs 16") && !short.contains("fifteen"),
        "{short}"
    );
    assert_eq!(with(false, "sixteen bytes..."), Ok(()));
    assert_eq!(with(true, "short"), Ok(()));
    let from = from_file("keys: {mine: ''}").expect_err("empty");
    assert!(from.contains("keys.mine"), "{from}");
    assert!(from_file("keys: {'': sixteen bytes and more}").is_err());
    // The pair that everybody knows is for development only.
    assert!(from_file(&format!("keys: {{{DEV_KEY}: {DEV_SECRET}}}")).is_err());
}

#[test]
fn development_mode_for_others_is_asked_for_by_name() {
    let reach = |dev: bool, dev_open: bool, bind: &[&str]| {
        let bind = bind.iter().map(|ip| ip.parse().expect("an address")).collect();
        let flags = ServeFlags { dev, dev_open, bind, ..flags() };
        with_environment(&flags, &[]).expect("layers are good").check_reach().map_err(|error| error.to_string())
    };
    assert_eq!(reach(true, false, &[]), Ok(()));
    assert_eq!(reach(true, false, &["127.0.0.1", "::1", "127.9.9.9", "::ffff:127.0.0.1"]), Ok(()));
    assert_eq!(reach(false, false, &["0.0.0.0"]), Ok(()));
    assert_eq!(reach(true, true, &["0.0.0.0"]), Ok(()));
    for address in ["0.0.0.0", "::", "192.0.2.1"] {
        let refused = reach(true, false, &["127.0.0.1", address]).expect_err(address);
        assert!(refused.contains(address) && refused.contains("--dev-open"), "{refused}");
    }
}

#[test]
fn promised_values() {
    assert_eq!((SECRET_BYTES_MIN, DEV_KEY, DEV_SECRET), (16, "devkey", "secret"), "docs/configuration.md");
    let config = Config::default();
    assert_eq!((config.port, config.rtc.tcp_port, config.rtc.udp_port_base), (7880, Some(7881), 7882));
    assert_eq!((config.metrics.port, config.http.metrics), (Some(6789), false));
    assert!(config.metrics.bind.iter().all(IpAddr::is_loopback));
    let dev = Config::development();
    assert_eq!((dev.metrics.port, dev.http.metrics), (None, true));
}

#[test]
fn secrets_do_not_show() {
    let variables = [
        ("TUTTI_KEYS__mine", "very secret secret"),
        ("TUTTI_RTC__ICE_SERVERS", "[{urls: ['turn:turn.example.org'], username: u, credential: 'very secret'}]"),
    ];
    let config = with_environment(&flags(), &variables).expect("layers are good");
    for shown in [config.to_yaml(), format!("{config:?}")] {
        assert!(!shown.contains("very secret"), "{shown}");
        assert!(shown.contains("<hidden>") && shown.contains("mine"), "{shown}");
    }
}
