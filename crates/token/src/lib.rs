//! Access tokens: the claims, how they are signed, checked and defaulted.
