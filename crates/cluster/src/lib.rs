//! The node: which rooms it owns and the task that runs each of them.
