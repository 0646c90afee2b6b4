//! Reads JSON into generated messages as the proto3 mapping has it (protobuf.dev, "ProtoJSON format"), and into the
//! claims of a token. The generated readers know both spellings of a field, pass over unknown ones, and take numbers as
//! texts and base64 in both alphabets. What they refuse although the mapping allows it is made good here, in front of
//! them:
//!
//! * `null` is the default of whatever is asked for: an empty text, list, map or message, zero, `false`, the first value
//!   of an enum;
//! * a whole number may be written with a fraction or an exponent: `10.0`, `1e1`, `"1e1"`;
//! * the name of an enum's value that nobody knows is the enum's first value, as in a message from a newer client.
//!
//! One thing stays refused: the number of an enum's value that nobody knows, since the generated types cannot hold it.
//!
//! | module | owns |
//! |---|---|
//! | [`lenient`] | the layer between a JSON reader and a generated one |
//! | [`names`] | fields of claims found in any case |
//!
//! Must not: know any message or claim.

mod lenient;
mod names;

use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Error, Value};

use lenient::{Lenient, Spelling};

/// Reads a message.
///
/// # Errors
/// Not JSON, or a value of a type that its field cannot be.
pub fn from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    read(json, Spelling::Exact)
}

/// Reads a message that is a part of something larger.
///
/// # Errors
/// A value of a type that its field cannot be.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Lenient::new(value, Spelling::Exact))
}

/// Reads claims: `null` and numbers as in a message, and the names of fields in any case, so that a right that is
/// denied in another spelling (`canpublish`) is denied here as well as in the protocol's reference server. Names in maps
/// stay as they are.
///
/// # Errors
/// Not JSON, or a value of a type that its claim cannot be, or a claim that stands there twice (RFC 7519, section 4).
pub fn claims_from_slice<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    read(json, Spelling::AnyCase)
}

fn read<T: DeserializeOwned>(json: &[u8], spelling: Spelling) -> Result<T, Error> {
    let mut reader = Deserializer::from_slice(json);
    let read = T::deserialize(Lenient::new(&mut reader, spelling))?;
    reader.end()?;
    Ok(read)
}
