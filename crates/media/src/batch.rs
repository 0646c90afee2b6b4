//! The arena that outgoing datagrams are sealed into, and the runs they form for the kernel.
//!
//! Owns bytes and their grouping; knows neither peers nor sockets.

use tutti_transport::Path;

/// Most datagrams the kernel segments from one message.
pub const RUN_DATAGRAMS_MAX: usize = 64;
/// Most bytes of one message: UDP's limit with room for the largest IP header.
pub const RUN_BYTES_MAX: usize = 65_000;

/// Datagrams to one peer that lie one behind the other, all of one length but the last, which may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// From where to where.
    pub path: Path,
    /// First byte in the arena.
    pub start: usize,
    /// Bytes of all datagrams.
    pub length: usize,
    /// Bytes of each datagram but the last; never 0.
    pub segment: u16,
}

impl Run {
    /// Number of datagrams.
    pub const fn count(&self) -> usize {
        self.length.div_ceil(self.segment as usize)
    }

    const fn takes(&self, length: usize) -> bool {
        // A shorter datagram has ended the run.
        self.length.is_multiple_of(self.segment as usize)
            && length <= self.segment as usize
            && self.count() < RUN_DATAGRAMS_MAX
            && self.length + length <= RUN_BYTES_MAX
    }
}

/// Datagrams on their way out. Filled, sent, cleared, and used again.
#[derive(Debug)]
pub struct SendBatch {
    bytes: Box<[u8]>,
    used: usize,
    runs: Vec<Run>,
}

impl SendBatch {
    /// An arena of `bytes` bytes.
    pub fn new(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes].into_boxed_slice(), used: 0, runs: Vec::with_capacity(bytes / 1024) }
    }

    /// Forgets what was sent.
    pub fn clear(&mut self) {
        self.used = 0;
        self.runs.clear();
    }

    /// Whether nothing waits.
    pub const fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The runs, in order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The arena that the runs point into.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Every datagram with its path, in order.
    pub fn datagrams(&self) -> impl Iterator<Item = (Path, &[u8])> {
        self.runs.iter().flat_map(|run| {
            let bytes = self.bytes.get(run.start..run.start + run.length).unwrap_or_default();
            bytes.chunks(usize::from(run.segment)).map(|datagram| (run.path, datagram))
        })
    }

    /// Room for one datagram of at most `length_max` bytes, to be filled and then committed. `None`: send first.
    pub fn room(&mut self, length_max: usize) -> Option<&mut [u8]> {
        self.bytes.get_mut(self.used..self.used + length_max)
    }

    /// Takes the first `length` bytes of the [`room`](Self::room) as a datagram for `path`; it joins the run before
    /// it when it can.
    pub fn commit(&mut self, path: Path, length: usize) {
        let Ok(segment) = u16::try_from(length) else { return };
        if segment == 0 || self.used + length > self.bytes.len() {
            return;
        }
        match self.runs.last_mut() {
            Some(run) if !path.proto.is_tcp() && run.path == path && run.takes(length) => run.length += length,
            _ => self.runs.push(Run { path, start: self.used, length, segment }),
        }
        self.used += length;
    }

    /// Copies a whole datagram in; `false`: no room, send first.
    pub fn push(&mut self, path: Path, datagram: &[u8]) -> bool {
        match self.room(datagram.len()) {
            Some(room) => {
                room.copy_from_slice(datagram);
                self.commit(path, datagram.len());
                true
            }
            None => false,
        }
    }
}
