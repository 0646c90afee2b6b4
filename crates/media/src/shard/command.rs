//! What a shard is told: the control plane's commands as routed to it, and what joins it with other shards.

use tutti_forward::{ForwardCommand, PublishTrack, TrackKey};
use tutti_id::ShardNumber;
use tutti_transport::{TransportCommand, TransportId};

use super::relay::{LinkReceiver, LinkSender};

/// One order to a [`ShardCore`](super::ShardCore).
#[derive(Debug)]
pub enum ShardCommand {
    /// About one transport.
    Transport {
        /// The transport.
        id: TransportId,
        /// What to do.
        command: TransportCommand,
    },
    /// About the media of one transport of this shard.
    Forward {
        /// The transport.
        transport: TransportId,
        /// What to do.
        command: ForwardCommand,
    },
    /// A track of another shard has, or will have, subscribers here. Again with another section, or with a changed
    /// one: the track's description grew.
    Import {
        /// Shard of the publisher.
        home: ShardNumber,
        /// The section, as the publisher's shard knows it.
        section: Box<PublishTrack>,
    },
    /// The track is gone at home, or has no subscriber left here.
    DropImport(TrackKey),
    /// Tracks from here will be followed by another shard.
    LinkTo {
        /// The other shard.
        shard: ShardNumber,
        /// Our end.
        end: LinkSender,
    },
    /// Tracks of another shard will be followed from here.
    LinkFrom {
        /// The other shard.
        shard: ShardNumber,
        /// Our end.
        end: LinkReceiver,
    },
}
