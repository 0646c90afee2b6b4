//! DTLS (RFC 6347, RFC 8842) around the `dimpl` crate: the handshake in our role, the check of the peer's certificate
//! against its description, and records with application data.
//!
//! Owns the DTLS state and its timer; sends nothing itself. Knows neither SRTP's nor SCTP's formats.
//!
//! **DTLS 1.2 only.** The SRTP profile is not configurable in `dimpl`: as a 1.2 server it takes AES-256-GCM,
//! AES-128-GCM, CM-SHA1 in this order whatever the client prefers; as a 1.3 server it would take the client's first,
//! which for libwebrtc is CM-SHA1 at five times the cost. The handshake is signed over the very bytes of both hellos, so
//! neither can be rewritten on its way. AES-256 costs 7 % more than AES-128 and is accepted for that.
//! For the same reason we should be the *server* towards browsers: as a client we leave the choice to them.

use std::time::{Duration, Instant};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use dimpl::Dtls;

use crate::certificate::TransportConfig;
use crate::command::{DtlsRole, Fingerprint};
use crate::srtp::SrtpProfile;

/// Longest wait between retransmissions of a flight. The library doubles its wait without bound, so that at 30 % loss one
/// handshake in a hundred would need more than twenty seconds; two datagrams a second hurt no network.
const RETRANSMIT_WITHIN: Duration = Duration::from_millis(800);

/// Waits longer than this mean that no timer runs: far above what doubling comes to within the time of a handshake, and
/// below the library's idle interval and handshake time-out.
const IDLE_WAIT: Duration = Duration::from_secs(2000 * 86_400);

/// Room for one datagram or record. Peers send up to their path MTU; larger records get their own buffer.
const RECORD_LEN: usize = 2048;

/// Why an association ended. All are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DtlsFailure {
    /// The handshake failed or took too long, or a record broke the protocol.
    Protocol,
    /// The peer's certificate is not the one its description promised.
    Fingerprint,
    /// The peer negotiated an SRTP profile whose keys we could not use.
    Profile,
    /// The peer closed the association in order.
    Closed,
}

impl DtlsFailure {
    /// For logs and operators.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Protocol => "DTLS failed or timed out",
            Self::Fingerprint => "certificate does not match the fingerprint in the description",
            Self::Profile => "SRTP keys do not fit the negotiated profile",
            Self::Closed => "closed by the peer",
        }
    }
}

/// What [`DtlsAssociation::drain`] hands out.
pub(crate) enum DtlsOutput<'a> {
    /// Send this datagram to the peer.
    Datagram(&'a [u8]),
    /// The peer is authenticated and these are the SRTP keys.
    Keys(SrtpProfile, &'a [u8]),
    /// The handshake is complete.
    Connected,
    /// Decrypted application data.
    Data(&'a [u8]),
}

/// One peer's DTLS association.
pub(crate) struct DtlsAssociation {
    dtls: Dtls,
    expected: Fingerprint,
    /// The peer showed the certificate that was promised.
    verified: bool,
    connected: bool,
    /// How far the library's clock is ahead of ours: waits beyond [`RETRANSMIT_WITHIN`] are skipped.
    ahead: Duration,
    /// When the library wants time, by its clock.
    library_deadline: Instant,
    /// The same by our clock, with the wait cut.
    deadline: Option<Instant>,
}

impl DtlsAssociation {
    /// An association in `role` with the holder of the certificate `expected`.
    pub(crate) fn new(config: &TransportConfig, role: DtlsRole, expected: Fingerprint, now: Instant) -> Self {
        let mut dtls = Dtls::new_12(config.dtls.clone(), config.certificate.for_dtls(), now);
        dtls.set_active(role == DtlsRole::Client);
        Self {
            dtls,
            expected,
            verified: false,
            connected: false,
            ahead: Duration::ZERO,
            library_deadline: now,
            deadline: Some(now),
        }
    }

    /// The certificate the peer must show, or has shown.
    pub(crate) fn expected(&self) -> Fingerprint {
        self.expected
    }

    /// Whether the handshake is complete and the peer authenticated.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected
    }

    /// Takes a datagram of the peer. Drain afterwards.
    pub(crate) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), DtlsFailure> {
        self.handle_timeout(now)?;
        self.dtls.handle_packet(datagram).map_err(|_| DtlsFailure::Protocol)
    }

    /// Advances timers. Drain afterwards.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsFailure> {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.ahead = self.ahead.max(self.library_deadline.saturating_duration_since(now));
        }
        self.dtls.handle_timeout(now + self.ahead).map_err(|_| DtlsFailure::Protocol)
    }

    /// When [`DtlsAssociation::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Seals application data; only once connected. Drain after each: few records are buffered.
    pub(crate) fn send(&mut self, data: &[u8]) -> Result<(), DtlsFailure> {
        self.dtls.send_application_data(data).map(|_| ()).map_err(|_| DtlsFailure::Protocol)
    }

    /// Says good-bye (a close_notify alert). Drain afterwards.
    pub(crate) fn close(&mut self) {
        // Nothing is left to be done about an association that cannot even be closed.
        let _ = self.dtls.close();
    }

    /// Hands out all that is pending. Nothing that depends on the peer's identity comes before it was verified.
    pub(crate) fn drain(&mut self, now: Instant, mut output: impl FnMut(DtlsOutput<'_>)) -> Result<(), DtlsFailure> {
        let mut small = [0; RECORD_LEN];
        let mut large = Vec::new();
        loop {
            let buffer = if large.is_empty() { &mut small[..] } else { &mut large[..] };
            match self.dtls.poll_output(buffer) {
                dimpl::Output::Packet(datagram) => output(DtlsOutput::Datagram(datagram)),
                dimpl::Output::BufferTooSmall { needed } => large.resize(needed.max(RECORD_LEN + 1), 0),
                dimpl::Output::PeerCert(der) => {
                    let shown = Fingerprint::of(der);
                    if verify_slices_are_equal(&shown.0, &self.expected.0).is_err() {
                        return Err(DtlsFailure::Fingerprint);
                    }
                    self.verified = true;
                }
                dimpl::Output::KeyingMaterial(material, profile) => {
                    if !self.verified {
                        return Err(DtlsFailure::Fingerprint);
                    }
                    let profile = match profile {
                        dimpl::SrtpProfile::AEAD_AES_128_GCM => SrtpProfile::AeadAes128Gcm,
                        dimpl::SrtpProfile::AEAD_AES_256_GCM => SrtpProfile::AeadAes256Gcm,
                        dimpl::SrtpProfile::AES128_CM_SHA1_80 => SrtpProfile::Aes128CmSha1_80,
                        _ => return Err(DtlsFailure::Profile),
                    };
                    output(DtlsOutput::Keys(profile, &material));
                }
                dimpl::Output::Connected => {
                    if !self.verified {
                        return Err(DtlsFailure::Fingerprint);
                    }
                    self.connected = true;
                    output(DtlsOutput::Connected);
                }
                dimpl::Output::ApplicationData(data) if self.connected => output(DtlsOutput::Data(data)),
                dimpl::Output::CloseNotify => return Err(DtlsFailure::Closed),
                dimpl::Output::Timeout(deadline) => {
                    self.schedule(now, deadline);
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    /// Translates the library's deadline to our clock.
    fn schedule(&mut self, now: Instant, library_deadline: Instant) {
        let wait = library_deadline.saturating_duration_since(now + self.ahead);
        if wait > IDLE_WAIT {
            self.deadline = None;
        } else if self.deadline.is_none() || library_deadline != self.library_deadline {
            self.deadline = Some(now + wait.min(RETRANSMIT_WITHIN));
        }
        self.library_deadline = library_deadline;
    }
}
