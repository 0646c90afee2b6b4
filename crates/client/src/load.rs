//! Many clients against one server, and one report on what they measured.
//!
//! | module | owns |
//! |---|---|
//! | `plan` | what is asked for, and its bounds |
//! | `run` | joins, the time in between, the leaving |
//! | `report` | the figures of all clients together, as a table and as one line of JSON |
//! | `processor` | CPU time of processes |
//! | `flood` | junk for the media port, beside the calls |

mod flood;
mod plan;
mod processor;
mod report;
mod run;

pub use flood::Flood;
pub use plan::{Plan, PlanError};
pub use report::Report;
pub use run::run;
