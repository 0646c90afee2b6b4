//! RFC 5769 vectors, agreement with the codec of the `is` crate, and spoilt input.

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// RFC 5769, section 2.1: a request with short-term credentials.
fn sample_request() -> Vec<u8> {
    bytes(
        "000100582112a442b7e7a701bc34d686fa87dfae
         802200105354554e207465737420636c69656e74
         002400046e0001ff
         80290008932ff9b151263b36
         000600096576746a3a683676592020 20
         000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
         80280004e57a3bcf",
    )
}

const SAMPLE_PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

#[test]
fn reads_the_sample_request() {
    let datagram = sample_request();
    let request = BindingRequest::parse(&datagram).unwrap();
    assert_eq!((request.local_ufrag, request.remote_ufrag), ("evtj", "h6vY"));
    assert!(!request.use_candidate);
    assert!(request.controlled);
    assert!(request.is_authentic(&IntegrityKey::new(SAMPLE_PASSWORD)));
    assert!(!request.is_authentic(&IntegrityKey::new("VOkJxbRl1RmTxUk/WvJxBs")));
    assert_eq!(crc32(&datagram[..datagram.len() - 8]) ^ FINGERPRINT_XOR, 0xe57a_3bcf);
}

fn hmac_sha1(key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key));
    payloads.iter().for_each(|payload| context.update(payload));
    context.sign().as_ref().try_into().unwrap()
}

#[test]
fn the_other_codec_reads_our_answers() {
    let datagram = sample_request();
    let request = BindingRequest::parse(&datagram).unwrap();
    let key = IntegrityKey::new("secret");
    for source in ["192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"] {
        let source: SocketAddr = source.parse().unwrap();
        let answer = success(request.transaction, source, &key);
        assert!(answer.len() <= datagram.len());
        assert!(is_well_formed(&answer));
        let message = is::stun::StunMessage::parse(&answer).unwrap();
        assert!(message.is_successful_binding_response());
        assert_eq!(message.mapped_address(), Some(source));
        assert!(message.verify(b"secret", hmac_sha1));
        let (body, fingerprint) = answer.split_at(answer.len() - 4);
        let crc = crc32(&body[..body.len() - 4]) ^ FINGERPRINT_XOR;
        assert_eq!(crc.to_be_bytes(), *fingerprint);
    }
    let answer = error(request.transaction, ROLE_CONFLICT, &key);
    let message = is::stun::StunMessage::parse(&answer).unwrap();
    assert_eq!(message.error_code().map(|(code, _)| code), Some(487));
    assert!(message.verify(b"secret", hmac_sha1));
}

#[test]
fn we_read_requests_of_the_other_codec() {
    for (controlling, nominate) in [(true, true), (true, false), (false, false)] {
        let transaction = is::stun::TransId::new();
        let message =
            is::stun::StunMessage::binding_request("abcd:efgh", transaction, controlling, 7, 1 << 24, nominate);
        let mut datagram = vec![0; 256];
        let len = message.to_bytes(Some(b"secret"), &mut datagram, hmac_sha1).unwrap();
        datagram.truncate(len);
        let request = BindingRequest::parse(&datagram).unwrap();
        assert_eq!((request.local_ufrag, request.remote_ufrag), ("abcd", "efgh"));
        assert_eq!((request.use_candidate, request.controlled), (nominate, !controlling));
        assert!(request.is_authentic(&IntegrityKey::new("secret")));
    }
}

#[test]
fn spoilt_requests_are_refused() {
    let datagram = sample_request();
    let key = IntegrityKey::new(SAMPLE_PASSWORD);
    for end in 0..datagram.len() {
        assert!(BindingRequest::parse(&datagram[..end]).is_none());
        assert!(!is_well_formed(&datagram[..end]));
    }
    let signed_end = datagram.len() - 8;
    for at in 0..signed_end {
        for flip in [1, 0x80, 0xff] {
            let mut datagram = datagram.clone();
            datagram[at] ^= flip;
            let accepted = BindingRequest::parse(&datagram).is_some_and(|request| request.is_authentic(&key));
            assert!(!accepted, "byte {at}");
            is_well_formed(&datagram);
        }
    }
    // A length that reaches beyond the message, in every attribute.
    for at in [22, 42, 50, 62, 78, 102] {
        let mut datagram = datagram.clone();
        datagram[at] = 0xff;
        assert!(!is_well_formed(&datagram), "length at {at}");
    }
}

#[test]
fn what_follows_the_integrity_is_not_believed() {
    // A request without USE-CANDIDATE, to which someone on the way appended one.
    let mut datagram = sample_request();
    datagram.truncate(datagram.len() - 8);
    datagram.extend([0x00, 0x25, 0, 0]);
    let length = (datagram.len() - HEADER_LEN) as u16;
    datagram[2..4].copy_from_slice(&length.to_be_bytes());
    let request = BindingRequest::parse(&datagram).unwrap();
    assert!(request.is_authentic(&IntegrityKey::new(SAMPLE_PASSWORD)));
    assert!(!request.use_candidate);
}

/// Transaction of RFC 5769, sections 2.2 and 2.3.
const TRANSACTION: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

fn response(attribute: &[u8]) -> Vec<u8> {
    let mut message = BINDING_SUCCESS.to_be_bytes().to_vec();
    message.extend((attribute.len() as u16 + 8).to_be_bytes());
    message.extend(COOKIE.to_be_bytes());
    message.extend(TRANSACTION);
    message.extend([0x80, 0x22, 0, 3, b'a', b'b', b'c', 0]); // SOFTWARE, padded
    message.extend(attribute);
    message
}

fn v4() -> Vec<u8> {
    response(&bytes("002000080001a147e112a643"))
}

#[test]
fn both_kinds_of_address_are_read() {
    assert_eq!(mapped_address(&v4(), TRANSACTION), Some("192.0.2.1:32853".parse().unwrap()));
    let v6 = response(&bytes("002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"));
    let expected = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
    assert_eq!(mapped_address(&v6, TRANSACTION), Some(expected));
}

#[test]
fn what_is_no_answer_to_us_is_none() {
    let whole = v4();
    for length in 0..whole.len() {
        assert_eq!(mapped_address(&whole[..length], TRANSACTION), None, "{length}");
    }
    assert_eq!(mapped_address(&whole, [0; 12]), None, "another transaction");
    let mut error = whole.clone();
    error[1] = 0x11;
    assert_eq!(mapped_address(&error, TRANSACTION), None, "an error response");
    assert_eq!(mapped_address(&binding_request(TRANSACTION), TRANSACTION), None, "a request");
    assert!(is_well_formed(&binding_request(TRANSACTION)));
    for family in [0, 2, 3] {
        let mut other = whole.clone();
        let at = other.len() - 7;
        other[at] = family;
        assert_eq!(mapped_address(&other, TRANSACTION), None, "family {family}");
    }
}
