//! What can be wrong with a description: line, name and fault.

/// Why a text is not a description that can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {name}: {fault}")]
pub struct Error {
    /// Number of the line, from 1.
    pub line: usize,
    /// What stands or should stand there, such as `m` or `a=extmap`.
    pub name: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The text does not begin with `v=0`.
    #[error("no session description")]
    NotADescription,
    /// Not of the form `x=…`, or with control characters inside.
    #[error("not a line of a description")]
    NotALine,
    /// Longer than a bound allows.
    #[error("longer than {limit} bytes")]
    TooLong {
        /// The bound.
        limit: usize,
    },
    /// More of them than a bound allows.
    #[error("more than {limit}")]
    TooMany {
        /// The bound.
        limit: usize,
    },
    /// Something is missing.
    #[error("no {0}")]
    Missing(&'static str),
    /// Something has no value that it may have.
    #[error("bad {0}")]
    Invalid(&'static str),
}
