//! The shard's number at the front of every ICE user name fragment that this node hands out.

use tutti_id::ShardNumber;

/// Digits that the number takes.
const DIGITS: usize = 4;

/// What the user name fragments of transports on `shard` begin with: four lower-case hexadecimal digits.
pub fn ufrag_prefix(shard: ShardNumber) -> String {
    format!("{:04x}", shard.0)
}

/// The shard that a user name fragment of ours names. `None`: not one of ours.
pub fn shard_of_ufrag(ufrag: &str) -> Option<ShardNumber> {
    let digits = ufrag.get(..DIGITS)?;
    if !digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok().map(ShardNumber)
}
