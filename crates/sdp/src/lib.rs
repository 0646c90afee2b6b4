//! Session descriptions as typed values, read by a line walker.
