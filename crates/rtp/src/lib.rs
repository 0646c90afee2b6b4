//! RTP, RTCP, header extensions, payload descriptors and RED, parsed in place and written without allocation.
//!
//! Every function takes any bytes and answers with a value or an [`Error`]; none panics. No clock, no sockets, no policy.
//!
//! | to … | see |
//! |---|---|
//! | tell protocols on one port apart | [`PacketKind`] |
//! | read a packet | [`RtpPacket`], [`HeaderExtensions`] |
//! | write a header | [`RtpHeader`], [`WrittenHeader`] |
//! | count without wrapping | [`SequenceUnwrapper`] |
//! | know what a packet is to its frame | [`describe`], [`FrameInfo`] |
//! | read or write one codec's descriptor | [`payload`] |
//! | unpack or make redundant audio, retransmissions | [`red`], [`rtx`] |
//! | read or write feedback and reports | [`rtcp`] |

mod bytes;
mod codec;
mod demux;
mod error;
mod extensions;
mod frame;
mod header;
mod number;
mod packet;
pub mod payload;
pub mod red;
pub mod rtcp;
pub mod rtx;
mod time;

pub use codec::{Codec, Extension, ExtensionMap, MediaKind};
pub use demux::PacketKind;
pub use error::Error;
pub use extensions::{
    AbsCaptureTime, AbsSendTime, AudioLevel, HeaderExtensions, IDENTIFIER_LEN_MAX, PlayoutDelay, VideoOrientation,
    identifier, read_transport_cc,
};
pub use frame::{Descriptor, FrameInfo, describe};
pub use header::{RtpHeader, WrittenHeader, fill_padding};
pub use number::{ExtendedSequence, RtpTimestamp, SequenceNumber, SequenceUnwrapper, Ssrc};
pub use packet::{Element, Elements, FIXED_HEADER_LEN, RtpPacket};
pub use payload::FrameSize;
pub use time::{CompactNtp, NtpTime};
