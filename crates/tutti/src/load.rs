//! `tutti load`: many headless clients against a server of one's own, and a report on what they measured.

use std::error::Error;
use std::time::Duration;

use clap::Args;
use tutti_client::load::{Plan, run as run_plan};
use tutti_client::{Mode, ServerUrl};

use crate::config::{DEV_KEY, DEV_SECRET};

/// What `tutti load` is told.
#[derive(Debug, Args)]
pub(crate) struct LoadFlags {
    /// Server to load
    #[arg(long, default_value = "ws://127.0.0.1:7880")]
    url: String,
    /// Clients in each room that publish
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    /// Clients in each room that subscribe to everything
    #[arg(long, default_value_t = 1)]
    subscribers: usize,
    /// Rooms, all alike
    #[arg(long, default_value_t = 1)]
    rooms: usize,
    /// Publishers subscribe as well, as in a conversation
    #[arg(long)]
    conversation: bool,
    /// Publish no video
    #[arg(long)]
    audio_only: bool,
    /// Bit rate of the largest video layer, kbit/s
    #[arg(long, default_value_t = 1500)]
    video_kbps: u32,
    /// Publish video in three layers
    #[arg(long)]
    simulcast: bool,
    /// Two peer connections for each client in the place of one
    #[arg(long)]
    dual: bool,
    /// How long media flows after the last join, such as 30s, 5m
    #[arg(long, default_value = "10s", value_parser = crate::cli::duration)]
    duration: Duration,
    /// Joins a second [default: all at once]
    #[arg(long, value_name = "NUMBER")]
    join_rate: Option<u32>,
    /// Send this many junk packets a second to the media port meanwhile
    #[arg(long, value_name = "PACKETS", default_value_t = 0)]
    flood: u64,
    /// API key of the server
    #[arg(long, value_name = "KEY", requires = "api_secret")]
    api_key: Option<String>,
    /// Secret of the key
    #[arg(long, value_name = "SECRET", requires = "api_key", env = "TUTTI_LOAD_API_SECRET", hide_env_values = true)]
    api_secret: Option<String>,
    /// Use the development key [default without --api-key]
    #[arg(long, conflicts_with = "api_key")]
    dev: bool,
    /// Process of the server, to tell its CPU time
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Load a server on another machine
    #[arg(long)]
    i_own_this_server: bool,
}

/// Runs the load. Clients that could not join are an error.
pub(crate) fn run(flags: &LoadFlags) -> Result<(), Box<dyn Error>> {
    let plan = plan(flags)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        plan.check(plan.url.is_loopback().await?)?;
        Ok::<_, Box<dyn Error>>(run_plan(&plan).await?)
    })?;
    println!("{report}");
    println!("{}", report.to_json());
    if report.is_good() { Ok(()) } else { Err("not every client joined, stayed and got media".into()) }
}

fn plan(flags: &LoadFlags) -> Result<Plan, Box<dyn Error>> {
    let key = match (&flags.api_key, &flags.api_secret) {
        (Some(key), Some(secret)) => (key.clone(), secret.clone()),
        _ => (DEV_KEY.to_owned(), DEV_SECRET.to_owned()),
    };
    Ok(Plan {
        key,
        rooms: flags.rooms,
        publishers: flags.publishers,
        subscribers: flags.subscribers,
        conversation: flags.conversation,
        audio_only: flags.audio_only,
        video_kbps: flags.video_kbps,
        simulcast: flags.simulcast,
        mode: if flags.dual { Mode::Dual } else { Mode::Single },
        duration: flags.duration,
        join_rate: flags.join_rate,
        flood_pps: flags.flood,
        server_pid: flags.server_pid,
        remote_allowed: flags.i_own_this_server,
        ..Plan::dev(ServerUrl::parse(&flags.url)?)
    })
}
