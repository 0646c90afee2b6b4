//! RTP, RTCP, header extensions, payload descriptors and RED, parsed in place and written without allocation.

mod codec;

pub use codec::{Codec, Extension, ExtensionMap, MediaKind};
