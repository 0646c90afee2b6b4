//! A byte stream of an ICE-TCP connection.

use super::input::Input;
use crate::tcp_frame::{FRAME_MAX, Framer, header};

/// However a stream is cut, the same packets come out of it; and packets that are framed come out as they were.
pub fn tcp_frame(data: &[u8]) {
    let mut input = Input::new(data);
    let cut = usize::from(input.byte()) + 1;
    let stream = input.take(data.len());

    let mut whole = Vec::new();
    let outcome = Framer::new().push(stream, |packet| whole.push(packet.to_vec()));
    let mut framer = Framer::new();
    let mut pieces = Vec::new();
    let in_pieces = stream.chunks(cut).try_for_each(|piece| framer.push(piece, |packet| pieces.push(packet.to_vec())));
    assert_eq!(whole, pieces);
    assert_eq!(outcome, in_pieces);
    assert!(whole.iter().all(|packet| packet.len() <= FRAME_MAX));

    let framed =
        whole.iter().flat_map(|packet| [&header(packet.len()).expect("it came in a frame")[..], packet].concat());
    let framed: Vec<u8> = framed.collect();
    assert!(stream.starts_with(&framed));
}
