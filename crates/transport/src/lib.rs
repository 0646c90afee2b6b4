//! One peer's secure transport as a state machine: ICE, DTLS, SRTP and data channels.

mod command;

pub use command::{
    Channel, DtlsRole, Fingerprint, IceCredentials, OpenTransport, Reliability, RemoteParameters, TransportCommand,
    TransportEvent, TransportId,
};
