//! The handshake as server (RFC 5246, section 7.3): the order of the client's messages, and our two flights.
//!
//! A client must show a certificate: it is the only thing that says who it is.

use super::failure::DtlsFailure;
use super::hello::Chosen;
use super::keys::{RANDOM_LEN, Secrets};
use super::message::{Message, kind};
use super::peer_key::PeerKey;
use super::proof::{self, Peer};
use super::suite::{KeyExchange, OUR_SCHEME, SCHEMES};
use super::transcript::Transcript;
use super::wire::{Reader, Width, u16, vector};
use super::{Done, Step};
use crate::certificate::Certificate;
use crate::command::DtlsRole;
use crate::srtp::SrtpProfile;

/// ecdsa_sign and rsa_sign (RFC 5246, section 7.4.4; RFC 8422, section 5.5).
const CERTIFICATE_TYPES: [u8; 2] = [64, 1];

/// What comes next.
enum State {
    ClientHello,
    Certificate(Agreed),
    ClientKeyExchange(Agreed, PeerKey),
    CertificateVerify(Secrets, PeerKey),
    Finished(Secrets),
    Over,
}

/// What both hellos came to.
struct Agreed {
    chosen: Chosen,
    server_random: [u8; RANDOM_LEN],
    exchange: KeyExchange,
}

/// A server's side of one handshake.
pub(super) struct Server {
    state: State,
    transcript: Transcript,
    certificate: Certificate,
    peer: Peer,
    srtp: Option<SrtpProfile>,
}

impl Server {
    pub(super) fn new(certificate: Certificate, peer: Peer) -> Self {
        Self { state: State::ClientHello, transcript: Transcript::new(), certificate, peer, srtp: None }
    }

    /// Takes the client's next message; `sealed` says whether it came protected.
    pub(super) fn take(&mut self, message: &Message, sealed: bool) -> Result<Step, DtlsFailure> {
        if sealed != (message.kind == kind::FINISHED) {
            return Err(DtlsFailure::Unexpected);
        }
        match (std::mem::replace(&mut self.state, State::Over), message.kind) {
            (State::ClientHello, kind::CLIENT_HELLO) => self.greet(message),
            (State::Certificate(agreed), kind::CERTIFICATE) => {
                let key = self.peer.read_certificate(message.body())?;
                self.transcript.add(message);
                self.state = State::ClientKeyExchange(agreed, key);
                Ok(Step::Wait)
            }
            (State::ClientKeyExchange(agreed, key), kind::CLIENT_KEY_EXCHANGE) => {
                self.transcript.add(message);
                let Agreed { chosen, server_random, exchange } = agreed;
                let mut reader = Reader::new(message.body());
                let theirs = reader.vector8().filter(|_| reader.is_empty()).ok_or(DtlsFailure::Malformed)?;
                let transcript = &self.transcript;
                let secrets = exchange.agree(theirs.rest(), |shared| {
                    Secrets::new(chosen.suite, shared, transcript.bytes(), chosen.client_random, server_random)
                })?;
                let protection = secrets.protection(DtlsRole::Server)?;
                self.state = State::CertificateVerify(secrets, key);
                Ok(Step::Keys(protection))
            }
            (State::CertificateVerify(secrets, key), kind::CERTIFICATE_VERIFY) => {
                proof::check_signature(&key, Reader::new(message.body()), self.transcript.bytes())?;
                self.transcript.add(message);
                self.state = State::Finished(secrets);
                Ok(Step::Wait)
            }
            (State::Finished(secrets), kind::FINISHED) => {
                proof::check_finished(&secrets, DtlsRole::Client, self.transcript.bytes(), message.body())?;
                self.transcript.add(message);
                let ours = secrets.finished(DtlsRole::Server, self.transcript.bytes())?;
                let finished = self.transcript.write(kind::FINISHED, |out| out.extend_from_slice(ours.as_ref()));
                let srtp = self.srtp.map(|profile| Ok((profile, secrets.srtp(profile)?))).transpose()?;
                Ok(Step::Done(Done { farewell: Some(finished), srtp }))
            }
            _ => Err(DtlsFailure::Unexpected),
        }
    }

    /// Answers a ClientHello: ServerHello, Certificate, ServerKeyExchange, CertificateRequest, ServerHelloDone.
    fn greet(&mut self, message: &Message) -> Result<Step, DtlsFailure> {
        let chosen = Chosen::read(message.body())?;
        let server_random = proof::random()?;
        let exchange = KeyExchange::new(chosen.group)?;
        self.srtp = chosen.srtp;
        self.transcript.add(message);
        let mut parameters = vec![3]; // named_curve
        u16(&mut parameters, exchange.group());
        vector(&mut parameters, Width::One, |out| out.extend_from_slice(exchange.public()));
        let signed = [&chosen.client_random[..], &server_random[..], &parameters[..]].concat();
        let signature = self.certificate.sign(&signed).ok_or(DtlsFailure::Library)?;
        let (transcript, certificate) = (&mut self.transcript, &self.certificate);
        let flight = vec![
            transcript.write(kind::SERVER_HELLO, |out| chosen.write_server_hello(&server_random, out)),
            transcript.write(kind::CERTIFICATE, |out| proof::write_certificate(certificate, out)),
            transcript.write(kind::SERVER_KEY_EXCHANGE, |out| {
                out.extend_from_slice(&parameters);
                u16(out, OUR_SCHEME);
                vector(out, Width::Two, |out| out.extend_from_slice(&signature));
            }),
            transcript.write(kind::CERTIFICATE_REQUEST, |out| {
                vector(out, Width::One, |out| out.extend_from_slice(&CERTIFICATE_TYPES));
                vector(out, Width::Two, |out| SCHEMES.iter().for_each(|scheme| u16(out, *scheme)));
                u16(out, 0); // of any authority
            }),
            transcript.write(kind::SERVER_HELLO_DONE, |_| {}),
        ];
        self.state = State::Certificate(Agreed { chosen, server_random, exchange });
        Ok(Step::Send(flight))
    }
}
