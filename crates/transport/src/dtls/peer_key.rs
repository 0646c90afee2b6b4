//! The key in the peer's certificate: found by walking the certificate's outer DER, and what is verified with it.
//!
//! Nothing else of a certificate matters: who may hold it is said by the fingerprint in the description (RFC 8122), so
//! names, dates, extensions and the certificate's own signature are not read.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P256_SHA512_ASN1, ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384_ASN1, ECDSA_P384_SHA512_ASN1, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey, VerificationAlgorithm,
};

use super::suite::Authentication;

/// The kinds of keys we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    P256,
    P384,
    P521,
    /// 2048 to 8192 bits; the library checks that.
    Rsa,
}

/// Least length of an RSA key, bytes: the modulus of 2048 bits and nothing else. Shorter ones the library would refuse too,
/// but only as a wrong signature.
const RSA_LEN_MIN: usize = 256;

/// The public key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PeerKey {
    kind: Kind,
    /// An uncompressed point (RFC 5480, section 2.2) or an RSAPublicKey (RFC 8017, appendix A.1.1).
    bytes: Vec<u8>,
}

impl PeerKey {
    /// The key in a certificate given in DER. `None` when there is none of a kind we take.
    pub(super) fn of(certificate: &[u8]) -> Option<Self> {
        let mut to_be_signed = der(&mut der(&mut &certificate[..], SEQUENCE)?, SEQUENCE)?;
        // version, which is optional; serial number, signature algorithm, issuer, validity, subject
        der(&mut to_be_signed, CONTEXT_0);
        for tag in [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE] {
            der(&mut to_be_signed, tag)?;
        }
        let mut info = der(&mut to_be_signed, SEQUENCE)?;
        let mut algorithm = der(&mut info, SEQUENCE)?;
        let kind = match der(&mut algorithm, OBJECT_IDENTIFIER)? {
            RSA_ENCRYPTION => Kind::Rsa,
            EC_PUBLIC_KEY => match der(&mut algorithm, OBJECT_IDENTIFIER)? {
                P256 => Kind::P256,
                P384 => Kind::P384,
                P521 => Kind::P521,
                _ => return None,
            },
            _ => return None,
        };
        match der(&mut info, BIT_STRING)? {
            [0, bytes @ ..] if kind != Kind::Rsa || bytes.len() >= RSA_LEN_MIN => {
                Some(Self { kind, bytes: bytes.to_vec() })
            }
            _ => None,
        }
    }

    /// Which cipher suites a server with this key may choose.
    pub(super) fn authentication(&self) -> Authentication {
        match self.kind {
            Kind::Rsa => Authentication::Rsa,
            Kind::P256 | Kind::P384 | Kind::P521 => Authentication::Ecdsa,
        }
    }

    /// Whether `signature` is this key's over `message` in the signature scheme with number `scheme`. TLS 1.2 pairs
    /// any hash with any curve.
    pub(super) fn verifies(&self, scheme: u16, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match (self.kind, scheme) {
            (Kind::P256, 0x0403) => &ECDSA_P256_SHA256_ASN1,
            (Kind::P256, 0x0503) => &ECDSA_P256_SHA384_ASN1,
            (Kind::P256, 0x0603) => &ECDSA_P256_SHA512_ASN1,
            (Kind::P384, 0x0403) => &ECDSA_P384_SHA256_ASN1,
            (Kind::P384, 0x0503) => &ECDSA_P384_SHA384_ASN1,
            (Kind::P384, 0x0603) => &ECDSA_P384_SHA512_ASN1,
            (Kind::P521, 0x0403) => &ECDSA_P521_SHA256_ASN1,
            (Kind::P521, 0x0503) => &ECDSA_P521_SHA384_ASN1,
            (Kind::P521, 0x0603) => &ECDSA_P521_SHA512_ASN1,
            (Kind::Rsa, 0x0401) => &RSA_PKCS1_2048_8192_SHA256,
            (Kind::Rsa, 0x0501) => &RSA_PKCS1_2048_8192_SHA384,
            (Kind::Rsa, 0x0601) => &RSA_PKCS1_2048_8192_SHA512,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
    }
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;

/// rsaEncryption, 1.2.840.113549.1.1.1.
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// id-ecPublicKey, 1.2.840.10045.2.1.
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// secp256r1, 1.2.840.10045.3.1.7.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
/// secp384r1, 1.3.132.0.34.
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
/// secp521r1, 1.3.132.0.35.
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];

/// Takes the element with this tag from the front of `bytes` and returns its contents; takes nothing when another is
/// there, or a length that is not in the shortest form (X.690, section 10.1) or past the end.
fn der<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (len, rest) = match bytes {
        [found, ..] if *found != tag => return None,
        [_, len @ 0..=0x7f, rest @ ..] => (usize::from(*len), rest),
        [_, 0x81, len @ 0x80..=0xff, rest @ ..] => (usize::from(*len), rest),
        [_, 0x82, high @ 1..=0xff, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    Some(contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Certificate;

    #[test]
    fn the_key_of_our_own_certificate_verifies_it() {
        let certificate = Certificate::generate().unwrap();
        let key = PeerKey::of(certificate.der()).unwrap();
        assert_eq!((key.kind, key.bytes.len(), key.authentication()), (Kind::P256, 65, Authentication::Ecdsa));
        // A self-signed certificate is signed with the key that is in it.
        let mut outer = der(&mut certificate.der(), SEQUENCE).unwrap();
        let whole = outer;
        der(&mut outer, SEQUENCE).unwrap();
        let signed = &whole[..whole.len() - outer.len()];
        der(&mut outer, SEQUENCE).unwrap();
        let signature = &der(&mut outer, BIT_STRING).unwrap()[1..];
        assert!(outer.is_empty() && key.verifies(0x0403, signed, signature));
        for scheme in [0x0503, 0x0401, 0x0203, 0] {
            assert!(!key.verifies(scheme, signed, signature), "{scheme:#x}");
        }
    }

    #[test]
    fn a_cut_certificate_has_no_key() {
        let certificate = Certificate::generate().unwrap();
        for len in 0..certificate.der().len() {
            assert_eq!(PeerKey::of(&certificate.der()[..len]), None);
        }
    }

    #[test]
    fn lengths_are_read_in_their_shortest_form_alone() {
        let cases: [(&[u8], Option<usize>); 8] = [
            (&[0x30, 0], Some(0)),
            (&[0x30, 1, 5], Some(1)),
            (&[0x30, 2, 5], None),
            (&[0x30, 0x80, 0, 0], None),
            (&[0x30, 0x81, 1, 5], None),
            (&[0x30, 0x82, 0, 1, 5], None),
            (&[0x31, 0], None),
            (&[], None),
        ];
        for (bytes, len) in cases {
            assert_eq!(der(&mut &bytes[..], SEQUENCE).map(<[u8]>::len), len, "{bytes:?}");
        }
        let long = [&[0x30, 0x81, 0x80][..], &[1; 128]].concat();
        assert_eq!(der(&mut &long[..], SEQUENCE).map(<[u8]>::len), Some(128));
    }
}
