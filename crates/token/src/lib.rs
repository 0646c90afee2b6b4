//! Access tokens: the claims, how they are signed, checked and defaulted.
//!
//! | module | owns |
//! |---|---|
//! | [`claims`] | what a token says, as JSON |
//! | [`absent`] | what is not said is not written |
//! | [`grants`] | the rights in it, and what an absent right means |
//! | [`keys`] | API keys and their secrets; signing and verifying |
//! | [`secret`] | a text that never shows itself |
//! | [`webhook`] | signatures of web-hooks |
//!
//! The form is the JSON Web Token (RFC 7519) in compact serialisation (RFC 7515, section 7.1), signed with HS256
//! (RFC 7518, section 3.2) and nothing else. Must not: read a clock (`now` is an argument), know rooms or HTTP.

mod absent;
mod claims;
mod error;
mod grants;
mod keys;
mod secret;
mod webhook;

pub use claims::{Claims, Kind};
pub use error::TokenError;
pub use grants::{AgentGrants, InferenceGrants, ObservabilityGrants, Permission, SipGrants, Source, VideoGrants};
pub use keys::{Keys, LEEWAY, TTL_DEFAULT};
pub use secret::Secret;
pub use webhook::{WEBHOOK_TTL, body_signature};
