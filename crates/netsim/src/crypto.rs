//! str0m's cryptography with a DTLS whose retransmissions repeat: the library's jitter comes from a seed here.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};
use str0m::crypto::{CryptoError, CryptoProvider, from_feature_flags};

/// Feeds the jitter of every DTLS association of a simulation.
const DTLS_SEED: u64 = 7;

/// One for all clients: making one takes longer than a handshake.
static CERTIFICATE: LazyLock<DtlsCert> = LazyLock::new(|| {
    dimpl::certificate::generate_self_signed_certificate().expect("a certificate can be made on this machine")
});

static CONFIG: LazyLock<Arc<dimpl::Config>> = LazyLock::new(|| {
    let config = dimpl::Config::builder().use_server_cookie(false).mtu(1200).dangerously_set_rng_seed(DTLS_SEED);
    Arc::new(config.build().expect("a valid configuration"))
});

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(CryptoProvider { dtls_provider: &Repeatable, ..from_feature_flags() }));

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

pub(crate) fn certificate() -> DtlsCert {
    CERTIFICATE.clone()
}

#[derive(Debug)]
struct Repeatable;

impl DtlsProvider for Repeatable {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        Some(certificate())
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        _version: DtlsVersion,
        _mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(Association(dimpl::Dtls::new_12(Arc::clone(&CONFIG), cert.clone(), now))))
    }
}

struct Association(dimpl::Dtls);

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association").finish_non_exhaustive()
    }
}

impl DtlsInstance for Association {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buffer)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}
