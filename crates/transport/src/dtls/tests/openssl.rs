//! OpenSSL as the peer, in both roles and with every kind of certificate: what GStreamer and small devices come with.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use ::openssl::asn1::Asn1Time;
use ::openssl::bn::{BigNum, MsbOption};
use ::openssl::ec::{EcGroup, EcKey};
use ::openssl::hash::MessageDigest;
use ::openssl::nid::Nid;
use ::openssl::pkey::{PKey, Private};
use ::openssl::rsa::Rsa;
use ::openssl::ssl::{ErrorCode, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode};
use ::openssl::x509::{X509, X509NameBuilder};

use super::*;

/// The datagrams between us and the library.
#[derive(Default)]
struct Wire {
    to_it: VecDeque<Vec<u8>>,
    from_it: Vec<Vec<u8>>,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let datagram = self.to_it.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        buffer[..datagram.len()].copy_from_slice(&datagram);
        Ok(datagram.len())
    }
}

impl Write for Wire {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.from_it.push(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What an OpenSSL peer has.
struct Theirs {
    key: PKey<Private>,
    certificate: X509,
}

impl Theirs {
    fn new(key: PKey<Private>, digest: MessageDigest) -> Self {
        let mut name = X509NameBuilder::new().unwrap();
        name.append_entry_by_text("CN", "device").unwrap();
        let name = name.build();
        let mut serial = BigNum::new().unwrap();
        serial.rand(64, MsbOption::MAYBE_ZERO, false).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&name).unwrap();
        builder.set_issuer_name(&name).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(30).unwrap()).unwrap();
        builder.sign(&key, digest).unwrap();
        Self { key, certificate: builder.build() }
    }

    fn rsa(bits: u32) -> Self {
        Self::new(PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap(), MessageDigest::sha256())
    }

    fn ec(curve: Nid, digest: MessageDigest) -> Self {
        let group = EcGroup::from_curve_name(curve).unwrap();
        Self::new(PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap(), digest)
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate.to_der().unwrap())
    }

    fn stream(&self, role: DtlsRole, ciphers: &str, srtp: &str) -> SslStream<Wire> {
        let mut context = SslContext::builder(SslMethod::dtls()).unwrap();
        // First, since it may lower what the library asks of keys.
        context.set_cipher_list(ciphers).unwrap();
        context.set_private_key(&self.key).unwrap();
        context.set_certificate(&self.certificate).unwrap();
        context.set_tlsext_use_srtp(srtp).unwrap();
        context.set_options(SslOptions::NO_QUERY_MTU);
        context.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, |_, _| true);
        let mut ssl = Ssl::new(&context.build()).unwrap();
        ssl.set_mtu(1200).unwrap();
        match role {
            DtlsRole::Client => ssl.set_connect_state(),
            DtlsRole::Server => ssl.set_accept_state(),
        }
        SslStream::new(ssl, Wire::default()).unwrap()
    }
}

const CIPHERS: &str = "DEFAULT";
const SRTP: &str = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM";

/// Hands datagrams to and fro until neither side has any. `Some` once the library's handshake is complete.
fn shake(ours: &mut Side, theirs: &mut SslStream<Wire>) -> Option<()> {
    let now = Instant::now();
    let mut done = None;
    for _ in 0..20 {
        theirs.get_mut().to_it.extend(ours.transmit(now));
        match theirs.do_handshake() {
            Ok(()) => done = Some(()),
            Err(error) if error.code() == ErrorCode::WANT_READ => {}
            Err(_) => {}
        }
        for datagram in std::mem::take(&mut theirs.get_mut().from_it) {
            ours.receive(now, &datagram);
        }
    }
    done
}

/// Connects, compares keys, and sends data both ways.
fn connects(theirs: &Theirs, their_role: DtlsRole, ciphers: &str, srtp: &str) -> SrtpProfile {
    let our_role = if their_role == DtlsRole::Client { DtlsRole::Server } else { DtlsRole::Client };
    let certificate = Certificate::generate().unwrap();
    let mut ours = Side::new(&certificate, our_role, theirs.fingerprint());
    let mut stream = theirs.stream(their_role, ciphers, srtp);
    let done = shake(&mut ours, &mut stream);
    assert_eq!((done, ours.failure), (Some(()), None), "as {their_role:?} with {ciphers}");
    let shown = stream.ssl().peer_certificate().unwrap().to_der().unwrap();
    assert_eq!(shown, certificate.der());

    let (profile, keys) = ours.keys.take().unwrap();
    let mut exported = vec![0; keys.len()];
    stream.ssl().export_keying_material(&mut exported, "EXTRACTOR-dtls_srtp", None).unwrap();
    assert_eq!(keys, exported);

    let mut buffer = [0; 2000];
    for len in [1, 1100] {
        let sealed = ours.dtls.seal(&vec![5; len]).unwrap();
        stream.get_mut().to_it.push_back(sealed);
        assert_eq!(stream.ssl_read(&mut buffer).unwrap(), len);
        assert_eq!(buffer[..len], vec![5; len]);
        stream.ssl_write(&vec![6; len]).unwrap();
        for datagram in std::mem::take(&mut stream.get_mut().from_it) {
            ours.receive(Instant::now(), &datagram);
        }
        assert_eq!(ours.data.pop(), Some(vec![6; len]));
    }
    let _ = stream.shutdown();
    for datagram in std::mem::take(&mut stream.get_mut().from_it) {
        ours.receive(Instant::now(), &datagram);
    }
    assert_eq!(ours.failure, Some(DtlsFailure::Closed));
    profile
}

const ROLES: [DtlsRole; 2] = [DtlsRole::Client, DtlsRole::Server];

#[test]
fn peers_with_every_kind_of_certificate_connect_in_both_roles() {
    let peers = [
        Theirs::rsa(2048),
        Theirs::rsa(4096),
        Theirs::ec(Nid::X9_62_PRIME256V1, MessageDigest::sha256()),
        Theirs::ec(Nid::SECP384R1, MessageDigest::sha384()),
        Theirs::ec(Nid::SECP521R1, MessageDigest::sha512()),
    ];
    for theirs in &peers {
        for role in ROLES {
            connects(theirs, role, CIPHERS, SRTP);
        }
    }
}

#[test]
fn suites_and_profiles_are_chosen_from_what_the_peer_has() {
    let (rsa, ec) = (Theirs::rsa(2048), Theirs::ec(Nid::X9_62_PRIME256V1, MessageDigest::sha256()));
    let ecdsa_of_client = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256";
    assert_eq!(connects(&rsa, DtlsRole::Client, ecdsa_of_client, SRTP), SrtpProfile::AeadAes128Gcm);
    assert_eq!(connects(&ec, DtlsRole::Client, "ECDHE-ECDSA-AES256-GCM-SHA384", SRTP), SrtpProfile::AeadAes128Gcm);
    connects(&rsa, DtlsRole::Server, "ECDHE-RSA-AES256-GCM-SHA384", SRTP);
    for (name, profile) in [
        ("SRTP_AEAD_AES_256_GCM", SrtpProfile::AeadAes256Gcm),
        ("SRTP_AES128_CM_SHA1_80", SrtpProfile::Aes128CmSha1_80),
        ("SRTP_AES128_CM_SHA1_32:SRTP_AES128_CM_SHA1_80", SrtpProfile::Aes128CmSha1_80),
    ] {
        for role in ROLES {
            assert_eq!(connects(&rsa, role, CIPHERS, name), profile);
        }
    }
}

#[test]
fn what_cannot_be_trusted_or_spoken_is_refused_by_name() {
    let (rsa, short) = (Theirs::rsa(2048), Theirs::rsa(1024));
    let refused = |theirs: &Theirs, role, expected, ciphers: &str, srtp| {
        let our_role = if role == DtlsRole::Client { DtlsRole::Server } else { DtlsRole::Client };
        let mut ours = Side::new(&Certificate::generate().unwrap(), our_role, expected);
        shake(&mut ours, &mut theirs.stream(role, ciphers, srtp));
        assert!(ours.keys.is_none() && !ours.dtls.is_connected());
        ours.failure
    };
    for role in ROLES {
        let wrong = refused(&rsa, role, Fingerprint([3; 32]), CIPHERS, SRTP);
        assert_eq!(wrong, Some(DtlsFailure::Fingerprint), "{role:?}");
        // A key of 1024 bits; OpenSSL itself wants to be asked for so little security.
        let weak = "DEFAULT:@SECLEVEL=0";
        assert_eq!(refused(&short, role, short.fingerprint(), weak, SRTP), Some(DtlsFailure::Key), "{role:?}");
    }
    let cbc = "ECDHE-ECDSA-AES128-SHA";
    assert_eq!(refused(&rsa, DtlsRole::Client, rsa.fingerprint(), cbc, SRTP), Some(DtlsFailure::NothingInCommon));
    assert_eq!(
        refused(&rsa, DtlsRole::Client, rsa.fingerprint(), CIPHERS, "SRTP_AES128_CM_SHA1_32"),
        Some(DtlsFailure::Profile)
    );
    assert_eq!(refused(&rsa, DtlsRole::Server, rsa.fingerprint(), "AES128-SHA", SRTP), Some(DtlsFailure::Alert));
}
