//! What can be wrong with a description, by name and line.

/// A line that cannot be read, or a bound that was passed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct Error {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: ErrorKind,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// Does not begin with `v=0`.
    #[error("not a session description")]
    NotSdp,
}
