//! Unpacking a `join_request` (docs/protocol.md#join-request): base64url of a protobuf that may hold a gzipped
//! protobuf.

use std::io::Read;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::GzDecoder;
use livekit_protocol as proto;
use prost::Message;
use proto::wrapped_join_request::Compression;

use super::Refusal;

/// Largest `JoinRequest`, encoded and inflated, bytes.
pub(crate) const JOIN_REQUEST_BYTES_MAX: usize = 1 << 20;

/// Takes padding or none, and stray bits at the end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Unpacks the value of the parameter.
pub(super) fn unpack(text: &str) -> Result<proto::JoinRequest, Refusal> {
    let wrapper = base64url(text).ok_or(Refusal::JoinRequestBase64)?;
    let wrapper = proto::WrappedJoinRequest::decode(wrapper.as_slice()).map_err(|_| Refusal::JoinRequestWrapper)?;
    let encoded = match Compression::try_from(wrapper.compression) {
        Ok(Compression::None) => wrapper.join_request,
        Ok(Compression::Gzip) => inflate(&wrapper.join_request)?,
        Err(_) => return Err(Refusal::JoinRequestWrapper),
    };
    if encoded.len() > JOIN_REQUEST_BYTES_MAX {
        return Err(Refusal::JoinRequestTooLarge);
    }
    proto::JoinRequest::decode(encoded.as_slice()).map_err(|_| Refusal::JoinRequestProto)
}

/// Decodes base64 of either alphabet, padded or not; `None` if it is none.
pub(super) fn base64url(text: &str) -> Option<Vec<u8>> {
    // A plus sign that was not percent-encoded has become a space on its way through the query.
    let text: String = text
        .chars()
        .map(|char| match char {
            '+' | ' ' => '-',
            '/' => '_',
            char => char,
        })
        .collect();
    LENIENT.decode(text).ok()
}

/// Inflates, but never more than is allowed: a small request cannot claim much memory.
fn inflate(packed: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut plain = Vec::new();
    GzDecoder::new(packed)
        .take(JOIN_REQUEST_BYTES_MAX as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|_| Refusal::JoinRequestGzip)?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
    use flate2::Compression as Level;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::best());
        encoder.write_all(plain).and_then(|()| encoder.finish()).expect("memory can be written")
    }

    fn wrap(compression: Compression, join_request: Vec<u8>) -> Vec<u8> {
        proto::WrappedJoinRequest { compression: compression.into(), join_request }.encode_to_vec()
    }

    fn request() -> proto::JoinRequest {
        proto::JoinRequest { metadata: "~~??>>".repeat(7), participant_sid: "PA_x".into(), ..Default::default() }
    }

    #[test]
    fn every_form_is_read() {
        let plain = request().encode_to_vec();
        for wrapped in [wrap(Compression::None, plain.clone()), wrap(Compression::Gzip, gzip(&plain))] {
            for text in [URL_SAFE.encode(&wrapped), URL_SAFE_NO_PAD.encode(&wrapped), STANDARD.encode(&wrapped)] {
                assert_eq!(unpack(&text), Ok(request()), "{text}");
                assert_eq!(unpack(&text.replace('+', " ")), Ok(request()), "{text}");
            }
        }
    }

    #[test]
    fn wrong_ones_are_named() {
        let encode = |bytes: Vec<u8>| URL_SAFE.encode(bytes);
        let packed = gzip(&request().encode_to_vec());
        let cases = [
            ("!".to_owned(), Refusal::JoinRequestBase64),
            ("A".to_owned(), Refusal::JoinRequestBase64),
            ("手机".to_owned(), Refusal::JoinRequestBase64),
            (encode(vec![0xff; 9]), Refusal::JoinRequestWrapper),
            (
                encode(proto::WrappedJoinRequest { compression: 7, join_request: vec![] }.encode_to_vec()),
                Refusal::JoinRequestWrapper,
            ),
            (encode(wrap(Compression::None, vec![0xff; 9])), Refusal::JoinRequestProto),
            (encode(wrap(Compression::Gzip, vec![1, 2, 3])), Refusal::JoinRequestGzip),
            (encode(wrap(Compression::Gzip, packed[..packed.len() / 2].to_vec())), Refusal::JoinRequestGzip),
            (encode(wrap(Compression::Gzip, gzip(&[0xff; 9]))), Refusal::JoinRequestProto),
        ];
        for (text, refusal) in cases {
            assert_eq!(unpack(&text), Err(refusal), "{text}");
        }
    }

    #[test]
    fn size_is_bounded_while_inflating() {
        assert_eq!(JOIN_REQUEST_BYTES_MAX, 1024 * 1024, "docs/operation.md");
        let fits = proto::JoinRequest { metadata: "a".repeat(JOIN_REQUEST_BYTES_MAX - 4), ..Default::default() };
        assert_eq!(fits.encoded_len(), JOIN_REQUEST_BYTES_MAX);
        assert!(unpack(&URL_SAFE.encode(wrap(Compression::Gzip, gzip(&fits.encode_to_vec())))).is_ok());
        for length in [JOIN_REQUEST_BYTES_MAX + 1, 64 * JOIN_REQUEST_BYTES_MAX] {
            let bomb = URL_SAFE.encode(wrap(Compression::Gzip, gzip(&vec![0; length])));
            assert_eq!(unpack(&bomb), Err(Refusal::JoinRequestTooLarge), "{length}");
        }
        let plain = URL_SAFE.encode(wrap(Compression::None, vec![0; JOIN_REQUEST_BYTES_MAX + 1]));
        assert_eq!(unpack(&plain), Err(Refusal::JoinRequestTooLarge));
    }

    #[test]
    fn truncation_is_an_error_and_no_panic() {
        let whole = wrap(Compression::Gzip, gzip(&request().encode_to_vec()));
        for length in 0..whole.len() {
            let _ = unpack(&URL_SAFE_NO_PAD.encode(&whole[..length]));
        }
    }
}
