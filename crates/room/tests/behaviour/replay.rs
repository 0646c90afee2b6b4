//! The committed fuzz corpus.

#[expect(unreachable_pub, reason = "shared with the replay of other crates")]
#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;
#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/input.rs"]
mod input;
#[expect(unreachable_pub, reason = "shared with the fuzz targets, which are another crate")]
#[path = "../../../../fuzz/src/room.rs"]
mod targets;

#[test]
fn the_corpus_passes() {
    corpus::each("data_packet", targets::data_packet);
}
