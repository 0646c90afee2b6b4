//! What one peer may make its shard do. Each bound lies far above what honest clients come near, and low enough that a
//! hostile one costs its shard a few percent of a core; what goes beyond is dropped and counted in the shard's metrics.

use tutti_limit::{Allowance, Rate};

/// Datagrams and TCP frames of one peer with media and checks: about 100 Mbit/s of full ones.
pub(super) const DATAGRAMS: Rate = Rate::new(10_000, 10_000);
/// Those with data channels: about 480 Mbit/s of full ones, acknowledgements of what the peer receives included. A data
/// channel above it slows down by the loss, as on any narrow path.
pub(super) const DATA_DATAGRAMS: Rate = Rate::new(50_000, 50_000);
/// Bytes of RTCP. A subscriber of a hundred tracks that repairs half of its packets says 50 KB a second; 4 bytes can ask
/// for 17 packets, so this bounds the lookups to half a million a second.
pub(super) const FEEDBACK_BYTES: Rate = Rate::new(128 << 10, 256 << 10);
/// RTP packets whose SSRC is not known yet: each is looked for among all tracks of the peer. Three layers of a camera
/// that sends before its track is agreed on are below 1000 a second.
pub(super) const LOOKUPS: Rate = Rate::new(2_000, 2_000);
/// Messages on lossy data channels: robots and games send 1000 a second. Reliable ones have the same rate, but slow their
/// sender in the place of being dropped (see `tutti-transport`).
pub(super) const MESSAGES: Rate = Rate::new(5_000, 5_000);
/// Statuses of one transport-wide feedback message that are read: a message of 30 bytes can tell of 65,535 packets, and
/// an honest one tells of those of 50 ms.
pub(super) const STATUSES_MAX: usize = 4096;
/// Transports of one shard that have not finished their handshake: 8,000 clients with two each may join at once.
pub(super) const HALF_OPEN_MAX: usize = 1 << 14;

/// What a peer has used of each.
#[derive(Debug, Default)]
pub(super) struct Spent {
    pub(super) datagrams: Allowance,
    pub(super) data_datagrams: Allowance,
    pub(super) feedback_bytes: Allowance,
    pub(super) lookups: Allowance,
    pub(super) messages: Allowance,
}
