//! The committed fuzz corpus.

#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/call.rs"]
mod call;
#[expect(unreachable_pub, reason = "shared with the replay of other crates")]
#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;
#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/input.rs"]
mod input;
#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/negotiation.rs"]
mod negotiation;
#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/signal.rs"]
mod signal;

use crate::strict;

#[test]
fn the_corpus_passes() {
    corpus::each("negotiation", negotiation::negotiation);
    corpus::each("signal", signal::signal);
}
