//! What happens in a simulation, drawn from its seed: who is there, over which network, who does what when, and what
//! goes wrong. Depends on nothing but the seed.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tutti_signal::Mode;

use crate::client::{Preference, track_name};
use crate::network::Weather;
use crate::stamp::Kind;

/// How long users do things and faults happen.
pub(crate) const ACT: Duration = Duration::from_secs(10);

/// A client of the simulation.
#[derive(Debug, Clone)]
pub(crate) struct ClientPlan {
    pub(crate) room: usize,
    pub(crate) mode: Mode,
    pub(crate) up: Weather,
    pub(crate) down: Weather,
    /// Of its signalling, one way.
    pub(crate) signal_latency: Duration,
    /// It vanishes at the end instead of saying goodbye.
    pub(crate) crashes_at_the_end: bool,
}

/// What a user does.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    Join,
    Leave,
    Publish { number: u16, kind: Kind, layered: bool, muted: bool },
    Unpublish { name: String },
    Mute { name: String, muted: bool },
    Want { name: String, wanted: bool },
    Prefer { name: String, preference: Preference },
    Attribute { key: String, value: String },
    Deny { client: u16, denied: bool },
    Note { reliable: bool, to: Option<u16> },
}

/// What goes wrong, and where.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// The mailbox of a shard is full after so many more commands of the client's room.
    MailboxFull {
        commands: usize,
        span: Duration,
    },
    /// The kernel refuses the next datagrams of the server.
    SendRefused {
        datagrams: u32,
    },
    /// The queue of the client's socket is full: the server closes it.
    SocketFull,
    /// The whole machine, and everyone else's, stands still for so long.
    ClockJump {
        span: Duration,
    },
    /// The server's wall clock is set.
    WallClockSet {
        ms: i64,
    },
    Crash,
    /// The socket dies; the server hears of it so much later.
    SocketDies {
        heard: Duration,
    },
    /// The socket dies at the message with this number from now, which is lost.
    SocketDiesAt {
        message: u32,
        heard: Duration,
    },
    /// The client gives up its session and joins anew.
    FullReconnect,
    /// The client's address changes.
    Rebind {
        network: u8,
    },
    /// Nothing goes to or comes from the client.
    Away {
        span: Duration,
    },
    /// The client's room cannot go on: everyone in it is told to join anew.
    RoomFails,
}

impl Fault {
    /// Names of all fault points.
    pub(crate) const NAMES: [&str; 12] = [
        "mailbox full",
        "send refused",
        "socket full",
        "clock jump",
        "wall clock set",
        "crash",
        "socket dies",
        "socket dies at a message",
        "full reconnect",
        "rebind",
        "away",
        "room fails",
    ];

    pub(crate) fn name(&self) -> &'static str {
        let index = match self {
            Self::MailboxFull { .. } => 0,
            Self::SendRefused { .. } => 1,
            Self::SocketFull => 2,
            Self::ClockJump { .. } => 3,
            Self::WallClockSet { .. } => 4,
            Self::Crash => 5,
            Self::SocketDies { .. } => 6,
            Self::SocketDiesAt { .. } => 7,
            Self::FullReconnect => 8,
            Self::Rebind { .. } => 9,
            Self::Away { .. } => 10,
            Self::RoomFails => 11,
        };
        Self::NAMES[index]
    }

    fn draw(rng: &mut StdRng) -> Self {
        let ms = |rng: &mut StdRng, max: u64| Duration::from_millis(rng.random_range(0..max));
        match rng.random_range(0..23) {
            0 | 1 => Self::MailboxFull { commands: rng.random_range(0..6), span: ms(rng, 2000) },
            2 | 3 => Self::SendRefused { datagrams: rng.random_range(1..40) },
            4 => Self::SocketFull,
            5 => Self::ClockJump { span: ms(rng, 8000) },
            6 => Self::WallClockSet { ms: rng.random_range(-7_200_000..7_200_000) },
            7 => Self::Crash,
            8..=10 => Self::SocketDies { heard: ms(rng, 5000) },
            11..=15 => Self::SocketDiesAt { message: rng.random_range(1..12), heard: ms(rng, 4000) },
            16 | 17 => Self::FullReconnect,
            18 | 19 => Self::Rebind { network: rng.random_range(1..200) },
            20 => Self::RoomFails,
            _ => Self::Away { span: ms(rng, 6000) },
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Act(Act),
    Fault(Fault),
}

/// The plan of one simulation.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) clients: Vec<ClientPlan>,
    /// When, whose, what; in order of time.
    pub(crate) steps: Vec<(Duration, u16, Step)>,
}

impl Scenario {
    pub(crate) fn draw(seed: u64) -> Self {
        let rng = &mut StdRng::seed_from_u64(seed);
        // Most are small: each handshake costs more than all the rest.
        let count = *[2, 2, 2, 2, 2, 3, 3, 3, 4, 5].choose(rng).unwrap_or(&2);
        let rooms = if count > 3 { 2 } else { 1 };
        let clients = (0..count).map(|number| client(rng, number, rooms)).collect();
        let mut draft = Draft { clients, steps: Vec::new(), tracks: BTreeMap::new(), numbers: vec![0; count] };
        for number in 0..count as u16 {
            let at = Duration::from_millis(rng.random_range(0..1500));
            draft.steps.push((at, number, Step::Act(Act::Join)));
            if rng.random_bool(0.8) {
                let wait = Duration::from_millis(rng.random_range(0..1000));
                draft.publish(rng, number, at + wait);
            }
        }
        let mut times: Vec<Duration> =
            (0..rng.random_range(4..16)).map(|_| ACT.mul_f64(rng.random_range(0.05..1.0))).collect();
        times.sort();
        for at in times {
            draft.act(rng, at);
        }
        // One seed in four is without faults: what fails there needs none.
        for _ in 0..*[0, 1, 2, 4].choose(rng).unwrap_or(&1) {
            let at = ACT.mul_f64(rng.random_range(0.0..1.0));
            let number = rng.random_range(0..count as u16);
            draft.steps.push((at, number, Step::Fault(Fault::draw(rng))));
        }
        let Draft { clients, mut steps, .. } = draft;
        steps.sort_by_key(|(at, number, _)| (*at, *number));
        Self { clients, steps }
    }

    /// How many media streams there can be at most.
    pub(crate) fn streams(&self) -> usize {
        let streams = self.steps.iter().map(|(_, _, step)| match step {
            Step::Act(Act::Publish { layered, .. }) => {
                if *layered {
                    3
                } else {
                    1
                }
            }
            _ => 0,
        });
        streams.sum()
    }
}

fn client(rng: &mut StdRng, number: usize, rooms: usize) -> ClientPlan {
    ClientPlan {
        room: number % rooms,
        mode: if rng.random_bool(0.5) { Mode::Single } else { Mode::Dual },
        up: Weather::draw(rng),
        down: Weather::draw(rng),
        signal_latency: Duration::from_millis(rng.random_range(1..150)),
        crashes_at_the_end: rng.random_bool(0.2),
    }
}

/// A scenario under way: knows what there is to act on.
struct Draft {
    clients: Vec<ClientPlan>,
    steps: Vec<(Duration, u16, Step)>,
    /// Tracks by name: whose, and whether muted.
    tracks: BTreeMap<String, (u16, bool)>,
    /// Tracks that each client ever had.
    numbers: Vec<u16>,
}

impl Draft {
    fn publish(&mut self, rng: &mut StdRng, number: u16, at: Duration) {
        let counter = &mut self.numbers[usize::from(number)];
        *counter += 1;
        let kind = if rng.random_bool(0.5) { Kind::Audio } else { Kind::Video };
        let layered = kind == Kind::Video && rng.random_bool(0.4);
        let muted = rng.random_bool(0.1);
        self.tracks.insert(track_name(number, *counter), (number, muted));
        self.steps.push((at, number, Step::Act(Act::Publish { number: *counter, kind, layered, muted })));
    }

    fn act(&mut self, rng: &mut StdRng, at: Duration) {
        let number = rng.random_range(0..self.clients.len() as u16);
        let names: Vec<String> = self.tracks.keys().cloned().collect();
        let own: Vec<String> = names.iter().filter(|name| self.tracks[*name].0 == number).cloned().collect();
        let others: Vec<String> = names.iter().filter(|name| self.tracks[*name].0 != number).cloned().collect();
        let another = || (0..self.clients.len() as u16).filter(|other| *other != number).collect::<Vec<_>>();
        let act = match rng.random_range(0..24) {
            0..=2 => return self.publish(rng, number, at),
            3 | 4 => {
                let Some(name) = own.choose(rng).cloned() else { return };
                self.tracks.remove(&name);
                Act::Unpublish { name }
            }
            5..=7 => {
                let Some(name) = own.choose(rng).cloned() else { return };
                let muted = self.tracks.get_mut(&name).map(|(_, muted)| {
                    *muted = !*muted;
                    *muted
                });
                Act::Mute { name, muted: muted.unwrap_or(false) }
            }
            8..=11 => {
                let Some(name) = others.choose(rng).cloned() else { return };
                Act::Want { name, wanted: rng.random_bool(0.4) }
            }
            12 | 13 => {
                let value = rng.random_range(0..1000).to_string();
                Act::Attribute { key: format!("k{}", rng.random_range(0..3)), value }
            }
            14 => {
                let Some(client) = another().choose(rng).copied() else { return };
                Act::Deny { client, denied: rng.random_bool(0.6) }
            }
            15 | 16 => Act::Note { reliable: true, to: None },
            17 => Act::Note { reliable: rng.random_bool(0.5), to: another().choose(rng).copied() },
            18 => Act::Leave,
            19..=22 => {
                let Some(name) = others.choose(rng).cloned() else { return };
                let preference = match rng.random_range(0..4) {
                    3 => Preference::Off,
                    layer => Preference::Layer(layer),
                };
                Act::Prefer { name, preference }
            }
            _ => Act::Join,
        };
        self.steps.push((at, number, Step::Act(act)));
    }
}
