//! Limits of the formats, as their documents have them.

use tutti_rtp::payload::{dependency, vp8, vp9};
use tutti_rtp::rtcp::twcc;
use tutti_rtp::{FIXED_HEADER_LEN, IDENTIFIER_LEN_MAX, red, rtx};

#[test]
fn limits_are_those_of_the_documents() {
    // RFC 3550, section 5.1; RFC 8852 and RFC 8843: identifiers of 16 bytes fit a one-byte extension.
    assert_eq!((FIXED_HEADER_LEN, IDENTIFIER_LEN_MAX), (12, 16));
    // RFC 2198, section 3: 14 bits of time, 10 bits of length.
    assert_eq!((red::TIMESTAMP_OFFSET_MAX, red::BLOCK_LEN_MAX), (16_383, 1_023));
    // RFC 4588, section 4.
    assert_eq!(rtx::ORIGINAL_LEN, 2);
    // RFC 7741, section 4.2; RFC 9628, section 4.2.
    assert_eq!((vp8::DESCRIPTOR_LEN_MAX, vp9::SPATIAL_LAYERS_MAX), (6, 8));
    // AV1 RTP, section A.8.
    assert_eq!((dependency::TEMPLATES_MAX, dependency::DECODE_TARGETS_MAX, dependency::CHAINS_MAX), (64, 32, 32));
    assert_eq!((dependency::SPATIAL_LAYERS_MAX, dependency::TEMPORAL_LAYERS_MAX), (4, 8));
    // draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.5: 250 us.
    assert_eq!(twcc::TICKS_PER_MS, 4);
}
