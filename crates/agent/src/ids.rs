//! Makes ids: a prefix that says of what, and twelve random letters, as rooms make theirs.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Digits and letters without those that are easily mistaken for each other (`0 1 I O l`).
const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Random letters in an id.
const LETTERS: usize = 12;

/// Draws ids, and whatever else is left to chance.
#[derive(Debug)]
pub(crate) struct Chance(StdRng);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// `AW_…`
    pub(crate) fn worker(&mut self) -> String {
        self.draw("AW_")
    }

    /// `AJ_…`
    pub(crate) fn job(&mut self) -> String {
        self.draw("AJ_")
    }

    /// `AD_…`
    pub(crate) fn dispatch(&mut self) -> String {
        self.draw("AD_")
    }

    /// 0.0 to 1.0.
    pub(crate) fn share(&mut self) -> f32 {
        self.0.random()
    }

    fn draw(&mut self, prefix: &str) -> String {
        let mut id = String::with_capacity(prefix.len() + LETTERS);
        id.push_str(prefix);
        for _ in 0..LETTERS {
            let at = self.0.random_range(0..ALPHABET.len());
            id.push(ALPHABET.get(at).copied().map_or('2', char::from));
        }
        id
    }
}
