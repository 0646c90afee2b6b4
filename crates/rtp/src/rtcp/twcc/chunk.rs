//! Packet status chunks, draft-holmer-rmcat-transport-wide-cc-extensions-01, sections 3.1.2 to 3.1.4.
//!
//! Owns the packing of status symbols into 16-bit chunks and back. Knows no times.

/// Longest run of a run length chunk: 13 bits.
const RUN_MAX: u16 = 0x1FFF;
/// Symbols of a status vector chunk with one-bit symbols.
const ONE_BIT_SYMBOLS: u16 = 14;
/// Symbols of a status vector chunk with two-bit symbols.
const TWO_BIT_SYMBOLS: u16 = 7;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Symbol {
    #[default]
    NotReceived,
    /// Received; the delta takes one byte.
    Small,
    /// Received; the delta takes two bytes.
    Large,
}

impl Symbol {
    /// Bytes of its delta.
    pub(super) const fn delta_len(self) -> usize {
        match self {
            Self::NotReceived => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }

    const fn from_two_bits(bits: u16) -> Self {
        match bits & 3 {
            1 => Self::Small,
            2 => Self::Large,
            // 3 is reserved: such a packet has no delta.
            _ => Self::NotReceived,
        }
    }

    const fn two_bits(self) -> u16 {
        match self {
            Self::NotReceived => 0,
            Self::Small => 1,
            Self::Large => 2,
        }
    }
}

/// A chunk as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunk(pub(super) u16);

impl Chunk {
    const fn run(symbol: Symbol, len: u16) -> Self {
        Self(symbol.two_bits() << 13 | len)
    }

    /// How many symbols it holds.
    pub(super) const fn len(self) -> u16 {
        match self.0 >> 14 {
            0 | 1 => self.0 & RUN_MAX,
            2 => ONE_BIT_SYMBOLS,
            _ => TWO_BIT_SYMBOLS,
        }
    }

    /// The symbol at `index`, below [`Self::len`].
    pub(super) const fn symbol(self, index: u16) -> Symbol {
        match self.0 >> 14 {
            0 | 1 => Symbol::from_two_bits(self.0 >> 13),
            2 => {
                let shift = (ONE_BIT_SYMBOLS - 1).saturating_sub(index);
                Symbol::from_two_bits(self.0 >> shift & 1)
            }
            _ => {
                let shift = 2 * (TWO_BIT_SYMBOLS - 1).saturating_sub(index);
                Symbol::from_two_bits(self.0 >> shift)
            }
        }
    }
}

/// Packs symbols into chunks, holding back what may still share one with the symbols to come.
///
/// What is held is a run of one symbol, or a mixture of at most 14. Only the last chunk of a message may be partly
/// filled: every other one holds exactly as many symbols as its form says.
#[derive(Debug, Clone, Default)]
pub(super) struct ChunkEncoder {
    /// The first symbols held: all of them if `mixed`.
    symbols: [Symbol; ONE_BIT_SYMBOLS as usize],
    len: u16,
    mixed: bool,
    has_large: bool,
}

impl ChunkEncoder {
    /// Takes one more symbol; answers with the chunk that had to be closed for it.
    pub(super) fn push(&mut self, symbol: Symbol) -> Option<Chunk> {
        let closed = (!self.accepts(symbol)).then(|| self.close());
        self.hold(symbol);
        closed
    }

    /// The last chunk, which takes all that is held; `None` when nothing is.
    pub(super) fn finish(&mut self) -> Option<Chunk> {
        let held = std::mem::take(self);
        match held.len {
            0 => None,
            len if !held.mixed => Some(Chunk::run(held.symbols[0], len)),
            _ if held.has_large => Some(held.two_bit_vector()),
            _ => Some(held.one_bit_vector()),
        }
    }

    /// Whether `symbol` may join what is held and leave it closable: a run by one chunk, 14 without large deltas by
    /// one chunk, 7 of any kind by one chunk.
    fn accepts(&self, symbol: Symbol) -> bool {
        if self.len < TWO_BIT_SYMBOLS {
            return true;
        }
        if !self.mixed && self.symbols[0] == symbol {
            return self.len < RUN_MAX;
        }
        self.len < ONE_BIT_SYMBOLS && !self.has_large && symbol != Symbol::Large
    }

    fn hold(&mut self, symbol: Symbol) {
        self.mixed |= self.len > 0 && symbol != self.symbols[0];
        self.has_large |= symbol == Symbol::Large;
        if let Some(slot) = self.symbols.get_mut(usize::from(self.len)) {
            *slot = symbol;
        }
        self.len += 1;
    }

    /// A full chunk of the first symbols held, 7 at least; the rest, 6 at most, stays.
    fn close(&mut self) -> Chunk {
        let held = std::mem::take(self);
        if !held.mixed {
            return Chunk::run(held.symbols[0], held.len);
        }
        if held.len == ONE_BIT_SYMBOLS {
            return held.one_bit_vector();
        }
        for symbol in held.symbols.iter().take(usize::from(held.len)).skip(usize::from(TWO_BIT_SYMBOLS)) {
            self.hold(*symbol);
        }
        held.two_bit_vector()
    }

    fn one_bit_vector(&self) -> Chunk {
        self.vector(2 << 14, 1, ONE_BIT_SYMBOLS)
    }

    fn two_bit_vector(&self) -> Chunk {
        self.vector(3 << 14, 2, TWO_BIT_SYMBOLS)
    }

    /// A status vector of the first symbols held, `width` bits each; what is missing counts as not received.
    fn vector(&self, head: u16, width: u16, capacity: u16) -> Chunk {
        let held = self.symbols.iter().take(usize::from(self.len.min(capacity)));
        let bits = held.zip(1..).fold(0, |bits, (symbol, n)| bits | symbol.two_bits() << (width * (capacity - n)));
        Chunk(head | bits)
    }
}
