//! Whole handshakes: between two of ours through a network that loses, repeats, reorders and damages, and with OpenSSL.

mod network;
mod openssl;

use std::time::Instant;

use super::*;
use crate::command::Fingerprint;
use crate::srtp::SrtpProfile;

/// One side, and what it told.
struct Side {
    dtls: DtlsAssociation,
    keys: Option<(SrtpProfile, Vec<u8>)>,
    data: Vec<Vec<u8>>,
    failure: Option<DtlsFailure>,
}

impl Side {
    fn new(certificate: &Certificate, role: DtlsRole, expected: impl Into<PeerFingerprints>) -> Self {
        let dtls = DtlsAssociation::new(certificate, role, expected.into()).unwrap();
        Self { dtls, keys: None, data: Vec::new(), failure: None }
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        if self.failure.is_some() {
            return;
        }
        let (keys, data) = (&mut self.keys, &mut self.data);
        let outcome = self.dtls.handle_datagram(now, datagram, &mut |output| match output {
            DtlsOutput::Keys(profile, material) => assert!(keys.replace((profile, material.to_vec())).is_none()),
            DtlsOutput::Data(plain) => data.push(plain.to_vec()),
        });
        self.failure = outcome.err();
    }

    fn transmit(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        self.dtls.transmit(now, &mut |datagram| datagrams.push(datagram)).unwrap();
        assert!(datagrams.iter().all(|datagram| datagram.len() <= crate::certificate::DATAGRAM_MAX));
        datagrams
    }
}
