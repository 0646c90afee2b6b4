//! How much anyone may do: rates, and places for those who have not shown who they are. Values only; the time is an
//! argument.
//!
//! | module | owns |
//! |---|---|
//! | [`rate`] | a steady flow with a burst, and what somebody has used of it |
//! | [`places`] | a bounded number of places, from which the greediest source gives way |
//!
//! Must not: know what is being limited, or count what was refused: the caller that drops something counts it.

mod places;
mod rate;

pub use places::Places;
pub use rate::{Allowance, Rate};
