//! The built program as a process: what it prints, where it listens, how it stops.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use tutti_client::{Client, Endpoint, JoinOptions, Mode, ServerUrl, TrackPlan};

/// The program, with nothing of the caller's environment that it would read.
fn tutti(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutti"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TUTTI_") {
            command.env_remove(name);
        }
    }
    command.args(args).current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run(args: &[&str]) -> Output {
    tutti(args).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server in development mode on ports that the system chose.
struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    port: u16,
}

impl Server {
    fn start() -> Self {
        let args = ["serve", "--dev", "--bind", "127.0.0.1", "--port", "0", "--tcp-port", "0", "--udp-port-base", "0"];
        let mut command = tutti(&args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        let port = line.trim().strip_prefix("Tutti is ready: http://localhost:").and_then(|port| port.parse().ok());
        Self { port: port.unwrap_or_else(|| panic!("no address in {line:?}")), child, output }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it listens");
        let head = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// Ends it by a signal and gives its exit code, the rest of its output and its log.
    fn stop(mut self, signal: &str) -> (Option<i32>, String, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
        let mut output = String::new();
        self.output.read_to_string(&mut output).expect("it is text");
        let ended = self.child.wait_with_output().expect("it ends");
        (ended.status.code(), output, text(&ended.stderr))
    }
}

#[test]
fn development_mode_is_one_command() {
    for signal in ["-TERM", "-INT"] {
        let server = Server::start();
        assert!(server.ask("GET /healthz").ends_with("\r\n\r\nOK"));
        assert!(server.ask("GET /rtc/validate?access_token=never-logged").starts_with("HTTP/1.1 401"));
        let (code, output, log) = server.stop(signal);
        assert_eq!(code, Some(0), "{signal}: {log}");
        assert!(output.contains("API key devkey, secret secret"), "{output}");
        assert!(log.contains("started") && log.contains("stopped"), "{log}");
        assert!(!log.contains("never-logged"), "{log}");
    }
}

/// The headless client ends its call at any message that the strictest SDK could not bear.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_strictest_client_bears_what_the_program_says() {
    let server = Server::start();
    let url = ServerUrl::parse(&format!("ws://127.0.0.1:{}", server.port)).expect("an address");
    let keys = tutti_token::Keys::one("devkey", tutti_token::Secret::new("secret"));
    let endpoint = Endpoint::new().expect("a certificate");
    for (room, mode) in [("single", Mode::Single), ("dual", Mode::Dual)] {
        let join = async |identity: &str, publish: Vec<TrackPlan>| {
            let claims = tutti_token::Claims::join(room, identity);
            let token = keys.sign("devkey", &claims, std::time::SystemTime::now(), tutti_token::TTL_DEFAULT);
            let options = JoinOptions::new(url.clone(), token.expect("key is known"));
            Client::join(&endpoint, JoinOptions { mode, publish, ..options }).await.expect("joined")
        };
        let video = TrackPlan::Video { kbps: 300, simulcast: true };
        let speaker = join("ada", vec![TrackPlan::Audio, video]).await;
        let listener = join("bea", Vec::new()).await;
        listener.until(|figures| figures.tracks.len() == 2 && figures.received.frames > 3).await.expect("media");
        for client in [listener, speaker] {
            client.leave().await.1.expect("nothing else ended the call");
        }
    }
    server.stop("-TERM");
}

#[test]
fn two_servers_do_not_share_a_port() {
    let server = Server::start();
    let port = server.port.to_string();
    let second = run(&["serve", "--dev", "--bind", "127.0.0.1", "--port", &port]);
    assert!(!second.status.success());
    let error = text(&second.stderr);
    assert!(error.contains(&format!("cannot listen on 127.0.0.1:{port}: Address already in use")), "{error}");
    server.stop("-TERM");
}

#[test]
fn keys_are_required() {
    let refused = run(&["serve", "--bind", "127.0.0.1", "--port", "0"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("no API key"), "{}", text(&refused.stderr));
}

#[test]
fn doors_are_not_left_open() {
    let refused = tutti(&["serve", "--bind", "127.0.0.1", "--port", "0"]).env("TUTTI_KEYS__mine", "").output();
    let error = text(&refused.expect("the program runs").stderr);
    assert!(error.contains("keys.mine: the secret is empty"), "{error}");
    let refused = run(&["serve", "--dev", "--bind", "0.0.0.0", "--port", "0"]);
    assert!(!refused.status.success() && text(&refused.stderr).contains("--dev-open"), "{}", text(&refused.stderr));
}

#[test]
fn a_wrong_key_of_the_configuration_is_named() {
    let refused = tutti(&["config"]).env("TUTTI_RTC__TCP_PROT", "1").output().expect("the program runs");
    assert!(!refused.status.success());
    let error = text(&refused.stderr);
    assert!(error.contains("TUTTI_RTC__TCP_PROT") && error.contains("`tcp_prot`"), "{error}");
}

#[test]
fn the_configuration_is_printed_without_secrets() {
    let printed =
        tutti(&["config", "--port", "1234"]).env("TUTTI_KEYS__mine", "hush, hush, hush!").output().expect("it runs");
    assert!(printed.status.success());
    let yaml = text(&printed.stdout);
    assert!(yaml.contains("port: 1234") && yaml.contains("mine: <hidden>") && !yaml.contains("hush"), "{yaml}");
}

#[test]
fn tokens_are_printed() {
    let token = |args: &[&str]| {
        let printed = run(&[&["token", "--room", "r", "--identity", "ada"], args].concat());
        assert!(printed.status.success(), "{}", text(&printed.stderr));
        text(&printed.stdout).trim().to_owned()
    };
    let keys = tutti_token::Keys::one("devkey", tutti_token::Secret::new("secret"));
    let now = std::time::SystemTime::now();
    let claims = keys.verify(&token(&["--dev"]), now).expect("token is good");
    assert_eq!((claims.identity(), claims.video.room.as_str(), claims.video.room_join), ("ada", "r", true));
    assert_eq!(claims.video.can_publish, None);

    let more = ["--dev", "--name", "Ada", "--can-publish", "false", "--attribute", "a=b=c", "--ttl", "60s", "--hidden"];
    let claims = keys.verify(&token(&more), now).expect("token is good");
    assert_eq!((claims.name.as_str(), claims.video.can_publish, claims.video.hidden), ("Ada", Some(false), true));
    assert_eq!(claims.attributes.get("a").map(String::as_str), Some("b=c"));
    assert_eq!(claims.exp.zip(claims.nbf).map(|(exp, nbf)| exp - nbf), Some(60));

    let keys = tutti_token::Keys::one("mine", tutti_token::Secret::new("hush"));
    let claims = keys.verify(&token(&["--api-key", "mine", "--api-secret", "hush"]), now);
    assert!(claims.is_ok(), "{claims:?}");
    let refused = run(&["token", "--room", "r", "--identity", "ada"]);
    assert!(text(&refused.stderr).contains("no API key"), "{}", text(&refused.stderr));
}
