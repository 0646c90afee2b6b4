//! Names of shards.

use std::fmt;

/// Names a shard of this node's media plane, from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ShardNumber(pub u16);

impl ShardNumber {
    /// The shard at a place of a list of all shards. Ports bound their number far below what fits.
    pub const fn at(index: usize) -> Self {
        Self(index as u16)
    }

    /// Its place in a list of all shards.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ShardNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
