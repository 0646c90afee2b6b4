//! One round of a room: what its task and the simulation both call. Inputs go in, everything that follows comes out.
//!
//! Owns the fence: a panic ends this room only, with a last word to everyone. Must not: read a clock, draw randomness,
//! wait, or know what a socket is made of.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use livekit_protocol as proto;

use crate::input::{Failure, Note, RoomInput, RoomOutput, Seat};
use crate::room_core::{RoomCore, RoomStart};

/// Inputs of one round at most: as many descriptions as they change are exchanged once.
pub const INPUTS_PER_ROUND: usize = 64;

/// One room and its fence.
///
/// Feed it with [`RoomRound::take`], drain [`RoomRound::poll_output`] after each round, come back at
/// [`RoomRound::poll_timeout`] at the latest.
pub struct RoomRound {
    core: RoomCore,
}

impl RoomRound {
    /// A room with nobody in it.
    pub fn new(start: RoomStart) -> Self {
        Self { core: RoomCore::new(start) }
    }

    /// The room inside.
    pub fn core(&self) -> &RoomCore {
        &self.core
    }

    /// The next thing to do; drain until `None` after every round.
    pub fn poll_output(&mut self) -> Option<RoomOutput> {
        self.core.poll_output()
    }

    /// When to call [`Self::take`] at the latest, without inputs if there are none.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }

    /// The room is over: what is not drained yet is all that follows.
    pub fn is_over(&self) -> bool {
        self.core.is_over()
    }

    /// Does what is due, handles the inputs in their order, and lets everybody negotiate once. `unix_ms` and `seat` as
    /// for [`RoomCore::handle`]. Inputs behind the one that ended the room are dropped: they are for another room.
    pub fn take(
        &mut self,
        now: Instant,
        unix_ms: i64,
        inputs: impl IntoIterator<Item = RoomInput>,
        seat: &mut dyn FnMut(usize) -> Seat,
    ) {
        self.fenced(now, |core| {
            core.handle_timeout(now);
            for input in inputs {
                if core.is_over() {
                    return;
                }
                core.handle(now, unix_ms, input, seat);
            }
            if !core.is_over() {
                core.flush(now);
            }
        });
    }

    /// The room cannot go on: everyone is told to join anew.
    pub fn abandon(&mut self, now: Instant, why: Failure) {
        self.abandon_by(now, why, RoomCore::abandon);
    }

    fn fenced(&mut self, now: Instant, work: impl FnOnce(&mut RoomCore)) {
        if !self.core.is_over() && catch_unwind(AssertUnwindSafe(|| work(&mut self.core))).is_err() {
            self.abandon(now, Failure::Panic);
        }
    }

    fn abandon_by(&mut self, now: Instant, why: Failure, abandon: impl FnOnce(&mut RoomCore, Instant)) {
        if self.core.is_over() {
            return;
        }
        self.core.note(Note::Failed(why));
        if catch_unwind(AssertUnwindSafe(|| abandon(&mut self.core, now))).is_err() {
            // Not even that: the books of who is there still tell the outside, and the owner closes the sockets.
            self.core.end(now, proto::DisconnectReason::StateMismatch);
        }
    }
}

#[cfg(test)]
mod tests;
