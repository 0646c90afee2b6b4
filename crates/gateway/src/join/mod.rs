//! From an HTTP request to a checked join (docs/protocol.md#getting-in). Validation and joining share every step.
//!
//! | module | owns |
//! |---|---|
//! | [`asked`] | what the client asks for, from the query or from its `join_request` |
//! | [`client`] | what the client says of itself |
//! | [`wrapped`] | unpacking a `join_request` |
//! | [`admission`] | the checks in their order, and the request to the node that comes out |
//! | [`issuer`] | the tokens that a joined client reconnects with |
//! | [`refusal`] | every refusal with its status and sentence |

mod admission;
mod asked;
mod client;
mod issuer;
mod refusal;
mod wrapped;

pub(crate) use admission::{Admission, Call, Version, admit};
#[cfg(test)]
pub(crate) use issuer::TTL_MIN;
pub(crate) use issuer::{Issuer, permission_values};
pub(crate) use refusal::Refusal;
#[cfg(test)]
pub(crate) use wrapped::JOIN_REQUEST_BYTES_MAX;
