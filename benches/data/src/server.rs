//! A server under measurement: a process on ports of its own, ended with the measurement.

use std::error::Error;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tutti_client::ServerUrl;

/// How long a server may take to answer.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// Linux counts CPU time for programs in these (`getconf CLK_TCK`), on every machine that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Which server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Tutti,
    LiveKit,
}

/// A running server.
pub(crate) struct Server {
    kind: Kind,
    port: u16,
    process: Child,
}

impl Server {
    /// Starts a server on `port` and the ones after, and waits until it answers.
    pub(crate) async fn start(kind: Kind, bin: &Path, port: u16) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(bin);
        let (tcp, udp) = (port + 1, port + 2);
        match kind {
            Kind::Tutti => {
                command.args(["serve", "--dev", "--bind", "127.0.0.1", "--log-level", "warn"]);
                command.args(["--port", &port.to_string(), "--tcp-port", &tcp.to_string()]);
                command.args(["--udp-port-base", &udp.to_string()]);
            }
            Kind::LiveKit => {
                let rtc = format!("rtc: {{tcp_port: {tcp}, udp_port: {udp}, enable_loopback_candidate: true}}");
                let config = format!("port: {port}\nlogging: {{level: error}}\n{rtc}\n");
                command.args(["--dev", "--bind", "127.0.0.1", "--node-ip", "127.0.0.1", "--config-body", &config]);
            }
        }
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(|error| format!("{}: {error}", bin.display()))?;
        let server = Self { kind, port, process };
        let answers = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(READY_WITHIN, answers).await.map_err(|_| format!("{kind:?} does not answer"))?;
        Ok(server)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it is.
    pub(crate) fn url(&self) -> Result<ServerUrl, Box<dyn Error>> {
        Ok(ServerUrl::parse(&format!("ws://127.0.0.1:{}", self.port))?)
    }

    /// CPU time that it has used so far, seconds; 0 if the system does not say.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        // Behind the name in parentheses: the state is the first field, user and system time the 12th and 13th.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_ascii_whitespace()).into_iter().flatten();
        fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
    }

    /// The most memory it ever had, MB; 0 if the system does not say.
    pub(crate) fn rss_peak_mb(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or_default() * 1024.0 / 1e6
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
