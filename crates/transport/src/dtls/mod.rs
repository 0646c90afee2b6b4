//! DTLS 1.2 (RFC 6347) as WebRTC uses it (RFC 8827, section 6.5): the handshake in our role, the check of the peer's
//! certificate against its description, and records with application data.
//!
//! Owns the DTLS state and its timer; sends nothing itself. Knows neither SRTP's nor SCTP's formats.
//!
//! **Why it is ours.** It must take RSA certificates, run on the caller's clock, bound what a peer may have us hold, and
//! need nothing but Rust and a C compiler to build; ARCHITECTURE.md says which libraries were looked at. What WebRTC
//! needs of TLS is little: ephemeral elliptic-curve key exchange, AES-GCM, both sides with certificates, the extended
//! master secret always. Renegotiation, resumption, compression, pre-shared keys and every other cipher are not here,
//! so they need no defence. All cryptography is aws-lc's; so are the random numbers, which must be unpredictable and
//! which nothing that we decide depends on.
//!
//! * `wire`, `record`, `message`: fields, records and their protection, messages from fragments.
//! * `hello`, `suite`: what is negotiated. We should be the *server* towards browsers: as a client we leave the choice
//!   to them.
//! * `keys`, `peer_key`, `proof`, `transcript`: the key schedule, and who the peer is.
//! * `client`, `server`: the order of messages in either role.
//! * `flight`: datagrams and their retransmission.
//! * `failure`: why an association ended.

mod client;
mod failure;
mod flight;
mod hello;
mod keys;
mod message;
mod peer_key;
mod proof;
mod record;
mod server;
mod suite;
#[cfg(test)]
mod tests;
mod transcript;
mod wire;

use std::time::Instant;

use aws_lc_rs::tls_prf::Secret;
use smallvec::{SmallVec, smallvec};

use crate::certificate::Certificate;
use crate::command::{DtlsRole, PeerFingerprints};
use crate::srtp::SrtpProfile;
use client::Client;
pub use failure::DtlsFailure;
use flight::Flight;
use message::{Message, Reassembly, kind};
use proof::Peer;
use record::{Opener, PlainWriter, Record, Sealer, content};
use server::Server;

/// Records of the peer that came before we can read them, kept until then: its Finished and first data, when they
/// overtake what goes before them. Without them its next try would come up to a second later.
const EARLY_MAX: usize = 4;

/// Largest record kept so, and largest that is opened without heap, bytes.
const RECORD_LEN: usize = 2048;

const WARNING: u8 = 1;
const FATAL: u8 = 2;
const CLOSE_NOTIFY: u8 = 0;

/// What [`DtlsAssociation::handle_datagram`] hands out.
pub(crate) enum DtlsOutput<'a> {
    /// The peer is authenticated, the handshake complete, and these are the SRTP keys.
    Keys(SrtpProfile, &'a [u8]),
    /// Decrypted application data.
    Data(&'a [u8]),
}

/// What a handshake message led to.
enum Step {
    /// More of the peer's flight is to come.
    Wait,
    /// The peer's flight was whole; this is our next one.
    Send(Vec<Message>),
    /// From now on protected records can be read.
    Keys((Sealer, Opener)),
    /// The same, and our next flight.
    Prove((Sealer, Opener), Vec<Message>),
    /// The peer is authenticated.
    Done(Done),
}

/// The end of a handshake.
struct Done {
    /// Our Finished, when it is the last message.
    farewell: Option<Message>,
    /// The SRTP keys, if both sides use SRTP.
    srtp: Option<(SrtpProfile, Secret)>,
}

enum Machine {
    Client(Client),
    Server(Server),
}

/// What is needed until the peer is authenticated.
struct Handshake {
    machine: Machine,
    reassembly: Reassembly,
    flight: Option<Flight>,
}

/// Our last message as server, which a client repeats its own to get again.
struct Farewell {
    message: Message,
    wanted: bool,
}

/// One peer's DTLS association.
pub(crate) struct DtlsAssociation {
    peer: Peer,
    /// `None` once the peer is authenticated.
    handshake: Option<Box<Handshake>>,
    protection: Option<Box<(Sealer, Opener)>>,
    farewell: Option<Box<Farewell>>,
    plain: PlainWriter,
    early: Vec<Vec<u8>>,
    /// Level and description of the alert to send.
    alert: Option<[u8; 2]>,
}

impl DtlsAssociation {
    /// An association in `role` with the holder of a certificate that `expected` names, as the holder of `certificate`.
    pub(crate) fn new(
        certificate: &Certificate,
        role: DtlsRole,
        expected: PeerFingerprints,
    ) -> Result<Self, DtlsFailure> {
        let (certificate, peer) = (certificate.clone(), Peer::new(expected));
        let (machine, flight) = match role {
            DtlsRole::Client => {
                let (client, hello) = Client::new(certificate, peer.clone())?;
                (Machine::Client(client), Some(Flight::new(hello, None)))
            }
            DtlsRole::Server => (Machine::Server(Server::new(certificate, peer.clone())), None),
        };
        Ok(Self {
            peer,
            handshake: Some(Box::new(Handshake { machine, reassembly: Reassembly::default(), flight })),
            protection: None,
            farewell: None,
            plain: PlainWriter::default(),
            early: Vec::new(),
            alert: None,
        })
    }

    /// The certificates the peer may show.
    pub(crate) fn expected(&self) -> &PeerFingerprints {
        self.peer.expected()
    }

    /// Whether the handshake is complete and the peer authenticated.
    pub(crate) fn is_connected(&self) -> bool {
        self.handshake.is_none()
    }

    /// Takes a datagram of the peer. [`DtlsAssociation::transmit`] afterwards, also after a failure: it tells the peer.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &[u8],
        output: &mut dyn FnMut(DtlsOutput<'_>),
    ) -> Result<(), DtlsFailure> {
        let result = self.read(now, datagram, output);
        if let Err(failure) = result {
            self.alert = failure.alert().map(|description| [FATAL, description]);
        }
        result
    }

    /// Advances timers. [`DtlsAssociation::transmit`] afterwards.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(flight) = self.handshake.as_mut().and_then(|handshake| handshake.flight.as_mut()) {
            flight.handle_timeout(now);
        }
    }

    /// When [`DtlsAssociation::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.handshake.as_ref()?.flight.as_ref()?.poll_timeout()
    }

    /// Hands out the datagrams that are due: flights and alerts. To be called as soon as there is a way to the peer.
    pub(crate) fn transmit(&mut self, now: Instant, send: &mut impl FnMut(Vec<u8>)) -> Result<(), DtlsFailure> {
        let mut sealer = self.protection.as_deref_mut().map(|(sealer, _)| sealer);
        if let Some(flight) = self.handshake.as_mut().and_then(|handshake| handshake.flight.as_mut()) {
            flight.transmit(now, &mut self.plain, sealer.as_deref_mut(), send)?;
        }
        if let Some(farewell) = &mut self.farewell
            && std::mem::take(&mut farewell.wanted)
        {
            let messages = std::slice::from_ref(&farewell.message);
            flight::write(messages, &mut self.plain, sealer.as_deref_mut(), send)?;
        }
        if let Some(alert) = self.alert.take() {
            let mut datagram = Vec::new();
            match sealer {
                // Before that the peer may not have the keys, and waits for a plain one.
                Some(sealer) if self.handshake.is_none() => sealer.seal(content::ALERT, &alert, &mut datagram)?,
                _ => self.plain.write(content::ALERT, &alert, &mut datagram),
            }
            send(datagram);
        }
        Ok(())
    }

    /// Seals application data as one datagram; only once connected.
    pub(crate) fn seal(&mut self, data: &[u8]) -> Result<Vec<u8>, DtlsFailure> {
        let (sealer, _) = self.protection.as_deref_mut().ok_or(DtlsFailure::Library)?;
        let mut datagram = Vec::with_capacity(record::HEADER_LEN + record::PROTECTION_LEN + data.len());
        sealer.seal(content::APPLICATION_DATA, data, &mut datagram)?;
        Ok(datagram)
    }

    /// Says good-bye (a close_notify alert) at the next [`DtlsAssociation::transmit`].
    pub(crate) fn close(&mut self) {
        self.alert = Some([WARNING, CLOSE_NOTIFY]);
    }

    fn read(
        &mut self,
        now: Instant,
        datagram: &[u8],
        output: &mut dyn FnMut(DtlsOutput<'_>),
    ) -> Result<(), DtlsFailure> {
        let mut stage = self.stage();
        self.read_records(now, datagram, output)?;
        while self.stage() != stage {
            stage = self.stage();
            for record in std::mem::take(&mut self.early) {
                self.read_records(now, &record, output)?;
            }
        }
        Ok(())
    }

    /// How much can be read: more each time that it changes.
    fn stage(&self) -> (bool, bool) {
        (self.protection.is_some(), self.is_connected())
    }

    fn read_records(
        &mut self,
        now: Instant,
        mut datagram: &[u8],
        output: &mut dyn FnMut(DtlsOutput<'_>),
    ) -> Result<(), DtlsFailure> {
        while let Some(record) = Record::next(&mut datagram) {
            match record.epoch {
                0 => self.read_plain(now, &record, output)?,
                1 => self.read_sealed(now, &record, output)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Plain records count until the peer is authenticated. ChangeCipherSpec says what the epoch of records says.
    fn read_plain(
        &mut self,
        now: Instant,
        record: &Record<'_>,
        output: &mut dyn FnMut(DtlsOutput<'_>),
    ) -> Result<(), DtlsFailure> {
        match record.kind {
            _ if self.is_connected() => Ok(()),
            content::HANDSHAKE => self.read_handshake(now, record.body, false, output),
            content::ALERT => read_alert(record.body),
            _ => Ok(()),
        }
    }

    fn read_sealed(
        &mut self,
        now: Instant,
        record: &Record<'_>,
        output: &mut dyn FnMut(DtlsOutput<'_>),
    ) -> Result<(), DtlsFailure> {
        let connected = self.is_connected();
        let opener = match &mut self.protection {
            Some(protection) if connected || record.kind != content::APPLICATION_DATA => &mut protection.1,
            _ => {
                if self.early.len() < EARLY_MAX && record.whole.len() <= RECORD_LEN {
                    self.early.push(record.whole.to_vec());
                }
                return Ok(());
            }
        };
        let mut buffer: SmallVec<[u8; RECORD_LEN]> = smallvec![0; record.body.len()];
        let Some(plain) = opener.open(record, &mut buffer) else { return Ok(()) };
        match record.kind {
            content::HANDSHAKE => self.read_handshake(now, plain, true, output),
            content::ALERT => read_alert(plain),
            content::APPLICATION_DATA => {
                output(DtlsOutput::Data(plain));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn read_handshake(
        &mut self,
        now: Instant,
        record: &[u8],
        sealed: bool,
        output: &mut dyn FnMut(DtlsOutput<'_>),
    ) -> Result<(), DtlsFailure> {
        let Some(handshake) = &mut self.handshake else {
            if let Some(farewell) = &mut self.farewell {
                farewell.wanted |= message::peek(record).is_some_and(|(kind, _)| kind == kind::FINISHED);
            }
            return Ok(());
        };
        let old = handshake.reassembly.push(record, sealed);
        if let (Some(sequence), Some(flight)) = (old, &mut handshake.flight) {
            flight.hear_again(now, sequence);
        }
        while let Some(handshake) = &mut self.handshake
            && let Some((message, sealed)) = handshake.reassembly.pop()
        {
            let step = match &mut handshake.machine {
                Machine::Client(client) => client.take(&message, sealed)?,
                Machine::Server(server) => server.take(&message, sealed)?,
            };
            let answers = Some(message.sequence);
            match step {
                Step::Wait => {}
                Step::Send(messages) => handshake.flight = Some(Flight::new(messages, answers)),
                Step::Keys(protection) => self.protection = Some(Box::new(protection)),
                Step::Prove(protection, messages) => {
                    self.protection = Some(Box::new(protection));
                    handshake.flight = Some(Flight::new(messages, answers));
                }
                Step::Done(done) => self.finish(done, output),
            }
        }
        Ok(())
    }

    fn finish(&mut self, done: Done, output: &mut dyn FnMut(DtlsOutput<'_>)) {
        self.handshake = None;
        self.farewell = done.farewell.map(|message| Box::new(Farewell { message, wanted: true }));
        if let Some((profile, material)) = done.srtp {
            output(DtlsOutput::Keys(profile, material.as_ref()));
        }
    }
}

/// What an alert means: fatal ones and close_notify are the end (RFC 5246, section 7.2).
fn read_alert(body: &[u8]) -> Result<(), DtlsFailure> {
    match body {
        [_, CLOSE_NOTIFY] => Err(DtlsFailure::Closed),
        [FATAL, _] => Err(DtlsFailure::Alert),
        _ => Ok(()),
    }
}
