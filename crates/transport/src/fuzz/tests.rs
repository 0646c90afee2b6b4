//! Replays the committed corpus.

use std::time::Instant;

#[expect(unreachable_pub, reason = "shared with the replay of other crates")]
#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;

#[test]
fn the_corpus_passes() {
    corpus::each("stun", |data| super::stun(Instant::now(), data));
    corpus::each("dtls", |data| super::dtls(Instant::now(), data));
    corpus::each("srtp", super::srtp);
    corpus::each("sctp", |data| super::sctp(Instant::now(), data));
    corpus::each("dcep", super::dcep);
    corpus::each("tcp_frame", super::tcp_frame);
}
