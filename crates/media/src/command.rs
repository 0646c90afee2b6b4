//! What the control plane asks of the media plane, and what it hears back. Plain values only.

use std::sync::Arc;

use tutti_forward::{ForwardCommand, ForwardEvent};
use tutti_id::{RoomKey, ShardNumber};
use tutti_transport::{Reliability, TransportCommand, TransportEvent, TransportId};

/// Where a new transport lives, and how its peer reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// Shard that the transport must be opened on. Its number in four lower-case hexadecimal digits begins the
    /// transport's own ICE user name fragment.
    pub shard: ShardNumber,
    /// Our candidates as `candidate:…` texts (RFC 8839, section 5.1), best first. UDP, then ICE-TCP passive.
    pub candidates: Vec<String>,
}

/// One order to the media plane.
#[derive(Debug, Clone)]
pub enum MediaCommand {
    /// About one transport.
    Transport {
        /// Shard from [`Placement`]; read when the command is `Open`, and remembered from then on.
        shard: ShardNumber,
        /// The transport.
        id: TransportId,
        /// What to do.
        command: TransportCommand,
    },
    /// About the media of one transport.
    Forward {
        /// The publisher's transport for `Publish`, `Unpublish` and `SetMuted`; else the subscriber's.
        transport: TransportId,
        /// What to do.
        command: ForwardCommand,
    },
}

/// What the media plane reports.
#[derive(Debug, Clone)]
pub enum MediaEvent {
    /// About one transport.
    Transport {
        /// The transport.
        id: TransportId,
        /// What happened.
        event: TransportEvent,
    },
    /// About one track or subscription.
    Forward(ForwardEvent),
}

impl MediaEvent {
    /// Whether it may be lost on its way to the room: it says what is said again soon, or carries a message that may be
    /// lost by its nature. All others are said once.
    pub fn may_be_lost(&self) -> bool {
        match self {
            Self::Transport { event: TransportEvent::Message { channel, .. }, .. } => {
                channel.reliability() == Reliability::Lossy
            }
            Self::Transport { .. } | Self::Forward(ForwardEvent::CodecMismatch { .. }) => false,
            Self::Forward(
                ForwardEvent::TrackStarted { .. }
                | ForwardEvent::Speaker { .. }
                | ForwardEvent::Upstream { .. }
                | ForwardEvent::Downstream { .. },
            ) => true,
        }
    }

    /// The room that the event belongs to.
    pub fn room(&self) -> RoomKey {
        match self {
            Self::Transport { id, .. } => id.room(),
            Self::Forward(event) => match event {
                ForwardEvent::TrackStarted { track, .. }
                | ForwardEvent::Speaker { track, .. }
                | ForwardEvent::Upstream { track, .. } => track.room(),
                ForwardEvent::Downstream { subscription, .. } | ForwardEvent::CodecMismatch { subscription } => {
                    subscription.room()
                }
            },
        }
    }
}

/// Receives every event, on the thread of the shard it comes from. Must not block: hand it to a queue and return.
pub type EventSink = Arc<dyn Fn(MediaEvent) + Send + Sync>;
