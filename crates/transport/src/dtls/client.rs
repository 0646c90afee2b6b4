//! The handshake as client (RFC 5246, section 7.3): our two flights, and the order of the server's messages.

use super::failure::DtlsFailure;
use super::hello::{Answer, read_cookie, write_client_hello};
use super::keys::{RANDOM_LEN, Secrets};
use super::message::{Message, kind};
use super::peer_key::PeerKey;
use super::proof::{self, Peer};
use super::suite::{KeyExchange, OUR_SCHEME};
use super::transcript::Transcript;
use super::wire::{Reader, Width, u16, vector};
use super::{Done, Step};
use crate::certificate::Certificate;
use crate::command::DtlsRole;
use crate::srtp::SrtpProfile;

/// ecdsa_sign (RFC 8422, section 5.5).
const ECDSA_SIGN: u8 = 64;

/// What comes next.
enum State {
    ServerHello {
        asked_for_cookie: bool,
    },
    Certificate(Answer),
    ServerKeyExchange(Answer, PeerKey),
    /// CertificateRequest, or ServerHelloDone of a server that does not want to know who we are.
    Request(Answer, Exchange),
    Done(Answer, Exchange),
    Finished(Secrets, Option<SrtpProfile>),
    Over,
}

/// The server's half of the key exchange.
struct Exchange {
    group: u16,
    theirs: Vec<u8>,
}

/// A client's side of one handshake.
pub(super) struct Client {
    state: State,
    transcript: Transcript,
    certificate: Certificate,
    peer: Peer,
    random: [u8; RANDOM_LEN],
    /// The server asked for our certificate.
    requested: bool,
}

impl Client {
    /// A handshake and its first flight.
    pub(super) fn new(certificate: Certificate, peer: Peer) -> Result<(Self, Vec<Message>), DtlsFailure> {
        let random = proof::random()?;
        let mut transcript = Transcript::new();
        let hello = transcript.write(kind::CLIENT_HELLO, |out| write_client_hello(&random, &[], out));
        let state = State::ServerHello { asked_for_cookie: false };
        Ok((Self { state, transcript, certificate, peer, random, requested: false }, vec![hello]))
    }

    /// Takes the server's next message; `sealed` says whether it came protected.
    pub(super) fn take(&mut self, message: &Message, sealed: bool) -> Result<Step, DtlsFailure> {
        if sealed != (message.kind == kind::FINISHED) {
            return Err(DtlsFailure::Unexpected);
        }
        match (std::mem::replace(&mut self.state, State::Over), message.kind) {
            (State::ServerHello { asked_for_cookie: false }, kind::HELLO_VERIFY_REQUEST) => {
                // Neither this message nor the hello before it count (RFC 6347, section 4.2.6).
                let cookie = read_cookie(message.body())?;
                self.transcript.forget();
                let random = &self.random;
                let hello = self.transcript.write(kind::CLIENT_HELLO, |out| write_client_hello(random, cookie, out));
                self.state = State::ServerHello { asked_for_cookie: true };
                return Ok(Step::Send(vec![hello]));
            }
            (State::ServerHello { .. }, kind::SERVER_HELLO) => {
                self.state = State::Certificate(Answer::read(message.body())?);
            }
            (State::Certificate(answer), kind::CERTIFICATE) => {
                let key = self.peer.read_certificate(message.body())?;
                if key.authentication() != answer.suite.authentication {
                    return Err(DtlsFailure::Key);
                }
                self.state = State::ServerKeyExchange(answer, key);
            }
            (State::ServerKeyExchange(answer, key), kind::SERVER_KEY_EXCHANGE) => {
                let exchange = self.read_exchange(&answer, &key, message.body())?;
                self.state = State::Request(answer, exchange);
            }
            (State::Request(answer, exchange), kind::CERTIFICATE_REQUEST) => {
                read_request(message.body())?;
                self.requested = true;
                self.state = State::Done(answer, exchange);
            }
            (State::Request(answer, exchange) | State::Done(answer, exchange), kind::SERVER_HELLO_DONE)
                if message.body().is_empty() =>
            {
                self.transcript.add(message);
                return self.prove(answer, &exchange);
            }
            (State::Finished(secrets, srtp), kind::FINISHED) => {
                proof::check_finished(&secrets, DtlsRole::Server, self.transcript.bytes(), message.body())?;
                let srtp = srtp.map(|profile| Ok((profile, secrets.srtp(profile)?))).transpose()?;
                return Ok(Step::Done(Done { farewell: None, srtp }));
            }
            _ => return Err(DtlsFailure::Unexpected),
        }
        self.transcript.add(message);
        Ok(Step::Wait)
    }

    /// Reads ServerKeyExchange and checks that the server's key signed it (RFC 8422, section 5.4).
    fn read_exchange(&self, answer: &Answer, key: &PeerKey, body: &[u8]) -> Result<Exchange, DtlsFailure> {
        let mut reader = Reader::new(body);
        let mut read = || {
            let named = reader.u8()? == 3;
            let group = reader.u16()?;
            let theirs = reader.vector8()?.rest().to_vec();
            named.then_some(Exchange { group, theirs })
        };
        let exchange = read().ok_or(DtlsFailure::Malformed)?;
        let parameters = body.get(..body.len() - reader.rest().len()).ok_or(DtlsFailure::Malformed)?;
        let signed = [&self.random[..], &answer.server_random[..], parameters].concat();
        proof::check_signature(key, reader, &signed)?;
        Ok(exchange)
    }

    /// The second flight: Certificate, ClientKeyExchange, CertificateVerify, Finished.
    fn prove(&mut self, answer: Answer, exchange: &Exchange) -> Result<Step, DtlsFailure> {
        let ours = KeyExchange::new(exchange.group)?;
        let (transcript, certificate) = (&mut self.transcript, &self.certificate);
        let mut flight = Vec::new();
        if self.requested {
            flight.push(transcript.write(kind::CERTIFICATE, |out| proof::write_certificate(certificate, out)));
        }
        flight.push(transcript.write(kind::CLIENT_KEY_EXCHANGE, |out| {
            vector(out, Width::One, |out| out.extend_from_slice(ours.public()));
        }));
        let secrets = ours.agree(&exchange.theirs, |shared| {
            Secrets::new(answer.suite, shared, transcript.bytes(), self.random, answer.server_random)
        })?;
        if self.requested {
            let signature = certificate.sign(transcript.bytes()).ok_or(DtlsFailure::Library)?;
            flight.push(transcript.write(kind::CERTIFICATE_VERIFY, |out| {
                u16(out, OUR_SCHEME);
                vector(out, Width::Two, |out| out.extend_from_slice(&signature));
            }));
        }
        let finished = secrets.finished(DtlsRole::Client, transcript.bytes())?;
        flight.push(transcript.write(kind::FINISHED, |out| out.extend_from_slice(finished.as_ref())));
        let protection = secrets.protection(DtlsRole::Client)?;
        self.state = State::Finished(secrets, answer.srtp);
        Ok(Step::Prove(protection, flight))
    }
}

/// Checks that the server takes a certificate like ours: ECDSA, signed with SHA-256.
fn read_request(body: &[u8]) -> Result<(), DtlsFailure> {
    let mut reader = Reader::new(body);
    let mut read = || {
        let types = reader.vector8()?.rest();
        let mut schemes = reader.vector16()?.u16_list()?;
        // Authorities that the server trusts: ours is no certificate of an authority.
        reader.vector16()?;
        reader.is_empty().then_some(())?;
        Some(types.contains(&ECDSA_SIGN) && schemes.any(|scheme| scheme == OUR_SCHEME))
    };
    match read() {
        Some(true) => Ok(()),
        Some(false) => Err(DtlsFailure::NothingInCommon),
        None => Err(DtlsFailure::Malformed),
    }
}
