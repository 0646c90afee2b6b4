//! The committed corpus of a fuzz target, for the tests that replay it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Calls `replay` with each file of a target's corpus, and names the file at which it panics.
pub fn each(target: &str, mut replay: impl FnMut(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a folder can be listed").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let data = std::fs::read(&file).expect("a listed file can be read");
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| replay(&data))) {
            eprintln!("fuzz target {target} failed at {}", file.display());
            resume_unwind(panic);
        }
    }
}
