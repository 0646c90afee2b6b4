//! What a dispatcher does, one file for each behaviour, on a virtual clock.

mod dispatches;
mod jobs;
mod losses;
mod stage;
mod workers;
