//! `make bench-data`: how much reliable data goes from one client to one and to twenty others through a server, in
//! megabytes a second for each receiver. The clients are the same headless ones for every server, in this process.
//!
//! `TUTTI_BIN` is the server; `PEER_BIN`, if set, a LiveKit server to measure beside it in the same run, turn by turn.
//! `MEGABYTES` is what one receiver gets in a turn, `ROUNDS` how often each is measured. The last line is JSON.

mod server;
mod transfer;

use std::env;
use std::error::Error;
use std::path::PathBuf;

use server::{Kind, Server};
use transfer::{Outcome, transfer};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Receivers of the two measurements.
const RECEIVERS: [usize; 2] = [1, 20];

/// What was measured of one server: the best of its rounds, since other work on the machine only ever makes it slower.
#[derive(Default)]
struct Row {
    mb_per_s: [f64; 2],
    /// CPU time of the server for a megabyte that one receiver gets, milliseconds.
    cpu_ms_per_mb: [Option<f64>; 2],
    lost: u64,
    rss_peak_mb: f64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let ours = PathBuf::from(env::var_os("TUTTI_BIN").unwrap_or_else(|| "target/release/tutti".into()));
    let theirs = env::var_os("PEER_BIN").map(PathBuf::from);
    let rounds = number("ROUNDS", 3)?;
    let bytes = number("MEGABYTES", 48)? * 1_000_000;

    let mut servers = vec![(Server::start(Kind::Tutti, &ours, 18_980).await?, Row::default())];
    if let Some(theirs) = theirs {
        servers.push((Server::start(Kind::LiveKit, &theirs, 18_990).await?, Row::default()));
    }
    for round in 1..=rounds {
        for (place, receivers) in RECEIVERS.into_iter().enumerate() {
            for (server, row) in &mut servers {
                // As many bytes for all receivers together.
                let share = bytes / (receivers as u64).min(8);
                let cpu_before = server.cpu_seconds();
                let Outcome { seconds, lost } = transfer(server, receivers, share).await?;
                let megabytes = share as f64 / 1e6;
                let mb_per_s = megabytes / seconds;
                let cpu_ms = (server.cpu_seconds() - cpu_before) * 1e3 / (megabytes * receivers as f64);
                let kind = server.kind();
                eprintln!(
                    "round {round}: {kind:?} 1 to {receivers}: {mb_per_s:.1} MB/s each, {cpu_ms:.1} ms of CPU for one, {lost} lost"
                );
                row.mb_per_s[place] = row.mb_per_s[place].max(mb_per_s);
                row.cpu_ms_per_mb[place] = Some(row.cpu_ms_per_mb[place].map_or(cpu_ms, |least| least.min(cpu_ms)));
                row.lost += lost;
                row.rss_peak_mb = server.rss_peak_mb();
            }
        }
    }
    println!("{}", line(&servers));
    Ok(())
}

fn number(name: &str, otherwise: u64) -> Result<u64, Box<dyn Error>> {
    Ok(env::var(name).ok().map(|text| text.parse()).transpose()?.unwrap_or(otherwise))
}

fn line(servers: &[(Server, Row)]) -> serde_json::Value {
    let mut line = serde_json::Map::new();
    for (server, row) in servers {
        let prefix = if server.kind() == Kind::Tutti { "" } else { "peer_" };
        let mut put = |name: &str, value: f64| line.insert(format!("{prefix}{name}"), rounded(value));
        put("reliable_mb_per_s_1_to_1", row.mb_per_s[0]);
        put("reliable_mb_per_s_1_to_20", row.mb_per_s[1]);
        put("cpu_ms_per_mb_1_to_1", row.cpu_ms_per_mb[0].unwrap_or_default());
        put("cpu_ms_per_mb_1_to_20", row.cpu_ms_per_mb[1].unwrap_or_default());
        put("lost", row.lost as f64);
        put("rss_peak_mb", row.rss_peak_mb);
    }
    if let [(_, ours), (_, theirs)] = servers {
        line.insert("ratio_to_peer_1_to_1".to_owned(), rounded(ours.mb_per_s[0] / theirs.mb_per_s[0]));
        line.insert("ratio_to_peer_1_to_20".to_owned(), rounded(ours.mb_per_s[1] / theirs.mb_per_s[1]));
    }
    line.into()
}

fn rounded(value: f64) -> serde_json::Value {
    ((value * 100.0).round() / 100.0).into()
}
