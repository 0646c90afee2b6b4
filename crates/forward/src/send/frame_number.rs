//! The frame numbers of dependency descriptors, kept running over switches of streams.
//!
//! Frames refer to each other by differences of these numbers, so frames that are not forwarded may be missing in them;
//! but a receiver takes a number that runs back for an old frame.

/// The subscriber's frame numbers.
#[derive(Debug, Default)]
pub(super) struct FrameNumbers {
    offset: u16,
    newest: Option<u16>,
}

impl FrameNumbers {
    /// What is added to the current stream's numbers.
    pub(super) const fn offset(&self) -> u16 {
        self.offset
    }

    /// The next frame is `first`, of another stream.
    pub(super) fn switch(&mut self, first: u16) {
        if let Some(newest) = self.newest {
            self.offset = newest.wrapping_add(1).wrapping_sub(first);
        }
    }

    /// A packet of frame `number` was forwarded.
    pub(super) fn forwarded(&mut self, number: u16) {
        let sent = number.wrapping_add(self.offset);
        if self.newest.is_none_or(|newest| (sent.wrapping_sub(newest) as i16) > 0) {
            self.newest = Some(sent);
        }
    }
}
