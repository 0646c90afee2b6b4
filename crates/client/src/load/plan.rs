//! What a load is made of. Bounded in time and number, and held back from servers that are not one's own.

use std::time::Duration;

use crate::options::Mode;
use crate::outgoing::TrackPlan;
use crate::signalling::ServerUrl;

/// Clients of one process: each has a socket or three.
const CLIENTS_MAX: usize = 2000;
/// Longest load.
const DURATION_MAX: Duration = Duration::from_secs(3600);
/// Junk packets a second.
const FLOOD_MAX: u64 = 200_000;

/// What is asked of a load.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub url: ServerUrl,
    /// API key and secret that tokens are signed with.
    pub key: (String, String),
    /// Rooms, all alike.
    pub rooms: usize,
    /// Clients in each room that publish and do not subscribe.
    pub publishers: usize,
    /// Clients in each room that subscribe to everything.
    pub subscribers: usize,
    /// Publishers subscribe as well, as in a conversation.
    pub conversation: bool,
    /// No video.
    pub audio_only: bool,
    /// Bit rate of a video's largest layer, kbit/s.
    pub video_kbps: u32,
    /// Three layers.
    pub simulcast: bool,
    /// Peer connections of each client.
    pub mode: Mode,
    /// From the last join to the first leave.
    pub duration: Duration,
    /// Joins a second; all at once if `None`.
    pub join_rate: Option<u32>,
    /// Packets of junk a second at the server's media port.
    pub flood_pps: u64,
    /// The server's process, to tell its CPU time.
    pub server_pid: Option<u32>,
    /// The server may be on another machine.
    pub remote_allowed: bool,
}

/// Why a load is not begun.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlanError {
    /// The server is not on this machine.
    #[error(
        "the server is not on this machine: a load is only for a server of your own, say so with --i-own-this-server"
    )]
    Remote,
    /// Nobody would join.
    #[error("no clients: ask for publishers or subscribers")]
    Nobody,
    /// Beyond what one process may do.
    #[error("{what}: {asked} is above {max}")]
    TooMuch {
        /// What.
        what: &'static str,
        /// How much was asked for.
        asked: u64,
        /// How much may be.
        max: u64,
    },
}

impl Plan {
    /// A load on a server in development mode; nobody in it yet.
    pub fn dev(url: ServerUrl) -> Self {
        Self {
            url,
            key: ("devkey".to_owned(), "secret".to_owned()),
            rooms: 1,
            publishers: 0,
            subscribers: 0,
            conversation: false,
            audio_only: false,
            video_kbps: 1500,
            simulcast: false,
            mode: Mode::Single,
            duration: Duration::from_secs(10),
            join_rate: None,
            flood_pps: 0,
            server_pid: None,
            remote_allowed: false,
        }
    }

    /// Clients of all rooms.
    pub fn clients(&self) -> usize {
        self.rooms.saturating_mul(self.publishers.saturating_add(self.subscribers))
    }

    /// What each publisher publishes.
    pub fn tracks(&self) -> Vec<TrackPlan> {
        let video = TrackPlan::Video { kbps: self.video_kbps, simulcast: self.simulcast };
        if self.audio_only { vec![TrackPlan::Audio] } else { vec![TrackPlan::Audio, video] }
    }

    /// Checks the bounds. `loopback`: every address of the server is on this machine.
    ///
    /// # Errors
    /// The first bound that is broken.
    pub fn check(&self, loopback: bool) -> Result<(), PlanError> {
        if !loopback && !self.remote_allowed {
            return Err(PlanError::Remote);
        }
        if self.clients() == 0 {
            return Err(PlanError::Nobody);
        }
        for (what, asked, max) in [
            ("clients", self.clients() as u64, CLIENTS_MAX as u64),
            ("duration in seconds", self.duration.as_secs(), DURATION_MAX.as_secs()),
            ("video in kbit/s", u64::from(self.video_kbps), 20_000),
            ("packets of junk a second", self.flood_pps, FLOOD_MAX),
        ] {
            if asked > max {
                return Err(PlanError::TooMuch { what, asked, max });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let plan = Plan { subscribers: 1, ..Plan::dev(ServerUrl::parse("ws://localhost:7880").unwrap()) };
        assert_eq!(plan.check(true), Ok(()));
        assert_eq!(plan.check(false), Err(PlanError::Remote));
        assert_eq!(Plan { remote_allowed: true, ..plan.clone() }.check(false), Ok(()));
        assert_eq!(Plan { subscribers: 0, ..plan.clone() }.check(true), Err(PlanError::Nobody));
        for plan in [
            Plan { rooms: usize::MAX, subscribers: 3, ..plan.clone() },
            Plan { duration: Duration::from_secs(3601), ..plan.clone() },
            Plan { video_kbps: 20_001, ..plan.clone() },
            Plan { flood_pps: 200_001, ..plan.clone() },
        ] {
            assert!(matches!(plan.check(true), Err(PlanError::TooMuch { .. })), "{plan:?}");
        }
    }
}
