//! Tests of both agents.
