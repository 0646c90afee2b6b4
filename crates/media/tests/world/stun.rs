//! Connectivity checks of strangers. The unit tests read it too.

/// A connectivity check for somebody here by somebody without the password (RFC 8445, section 7.1).
pub fn stun_request(username: &str) -> Vec<u8> {
    let mut attributes = Vec::new();
    for (kind, value) in [(0x0006u16, username.as_bytes()), (0x0024, &[0, 0, 0, 1]), (0x0008, &[0; 20])] {
        attributes.extend(kind.to_be_bytes());
        attributes.extend((value.len() as u16).to_be_bytes());
        attributes.extend(value);
        attributes.resize(attributes.len().next_multiple_of(4), 0);
    }
    let mut bytes = vec![0, 1];
    bytes.extend((attributes.len() as u16).to_be_bytes());
    bytes.extend(0x2112_A442u32.to_be_bytes());
    bytes.extend([9; 12]);
    bytes.extend(attributes);
    bytes
}
