//! The server and its command line.
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | commands and flags |
//! | [`config`] | the typed configuration: defaults, file, environment, flags |
//! | [`discover`] | our address as the outside sees it, asked of STUN servers |
//! | [`record`] | what a running server keeps: data folder, journal, store, keys |
//! | [`serve`] | `tutti serve`: builds the node and its front door, runs them, stops them |
//! | [`token`] | `tutti token`: prints an access token |
//! | [`load`] | `tutti load`: many headless clients, one report |
//! | [`store`] | `tutti store`, `tutti app`, `tutti key`: the store by hand |
//! | [`log`] | structured logs, and panics in them |
//!
//! Must not: hold any behaviour of the server itself. It reads what is wanted, puts the parts together and lets go.

mod cli;
mod config;
mod discover;
mod load;
mod log;
mod record;
mod serve;
mod store;
mod token;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Command};
use config::Config;

/// Faster than the system's where many small messages are made and freed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(flags) => Config::load(&flags).map_err(Into::into).and_then(|config| serve::run(&config)),
        Command::Token(flags) => token::run(&flags),
        Command::Load(flags) => load::run(&flags),
        Command::Store(flags) => store::store(&flags),
        Command::App(flags) => store::app(&flags),
        Command::Key(flags) => store::key(&flags),
        Command::Config(flags) => Config::load(&flags).map_err(Into::into).map(|config| print!("{}", config.to_yaml())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tutti: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// An error with everything that led to it.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
