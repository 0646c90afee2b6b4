//! One peer's secure transport as a state machine: ICE, DTLS, SRTP and data channels.
//!
//! Owns everything between a datagram and its plain content. Knows no rooms, no tracks and no SDP; has no sockets,
//! no clock and no threads: `now` and randomness come in as arguments, datagrams and events go out as [`Output`].
//!
//! * Control path: [`Transport::handle_command`], [`Transport::handle_datagram`] (STUN and DTLS) and
//!   [`Transport::handle_timeout`] change the state; then [`Transport::poll_output`] is drained until `None` and
//!   [`Transport::poll_timeout`] gives the next deadline.
//! * Media path, outside of that cycle: [`Transport::open_rtp`], [`Transport::open_rtcp`], [`Transport::seal_rtp`] and
//!   [`Transport::seal_rtcp`] work on the caller's buffers and allocate nothing per packet.
//!
//! [`classify`] tells which of the two a datagram is for, and [`stun_username`] whose it is.

mod certificate;
mod command;
mod counters;
mod data;
mod demux;
mod dtls;
mod error;
mod failure;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod ice;
mod liveness;
mod path;
#[cfg(test)]
mod promised;
mod srtp;
mod stun;
pub mod tcp_frame;
mod transport;

pub use certificate::{Certificate, TransportConfig};
pub use command::{
    CertificateHash, Channel, DtlsRole, Fingerprint, IceCredentials, OpenTransport, PeerFingerprints, Reliability,
    RemoteParameters, TransportCommand, TransportEvent, TransportId,
};
pub use counters::Counters;
pub use data::{DATA_BACKLOG, DATA_WINDOW, data_weight};
pub use demux::{DatagramKind, classify, stun_username};
pub use dtls::DtlsFailure;
pub use error::TransportError;
pub use failure::TransportFailure;
pub use ice::PATHS_MAX;
pub use path::{Contents, Datagram, LocalAddresses, Output, Path, Proto, TcpConnection, Transmit};
pub use srtp::{SRTCP_OVERHEAD_MAX, SRTP_OVERHEAD_MAX, SrtpError};
pub use stun::{binding_request, mapped_address};
pub use transport::Transport;

/// Largest data-channel message that we accept, bytes: the value for `a=max-message-size` (RFC 8841, section 6.1).
pub const MAX_MESSAGE_SIZE: u32 = 65_536;

/// The port of our SCTP, and of a peer that states none: the value for `a=sctp-port` (RFC 8841, section 5).
pub const SCTP_PORT: u16 = 5000;
