//! `cargo xtask tidy`: what the compiler does not check. Each finding is one line that names the file or the arrow.
//!
//! | module | owns |
//! |---|---|
//! | [`layers`] | which crate may import which |
//! | [`links`] | links between pages, and pages that comments name |
//! | [`purity`] | no clock, chance, socket or thread in the crates that decide |
//! | [`rows`] | the page that names a test for every trap of the protocol |
//! | [`sources`] | rules about files: heads, lengths, paths, the map |

mod layers;
mod links;
mod purity;
mod rows;
mod sources;

use std::path::Path;
use std::process::Command;

/// Everything that is not as it should be.
///
/// # Errors
/// The workspace cannot be read.
pub(crate) fn check(root: &Path) -> Result<Vec<String>, String> {
    let mut findings = layers::check(&metadata(root)?);
    findings.extend(links::check(root).map_err(|error| format!("cannot read the pages: {error}"))?);
    findings.extend(purity::check(root).map_err(|error| format!("cannot read the sources: {error}"))?);
    findings.extend(rows::check(root).map_err(|error| format!("cannot read the table of rows: {error}"))?);
    findings.extend(sources::check(root).map_err(|error| format!("cannot read the sources: {error}"))?);
    Ok(findings)
}

fn metadata(root: &Path) -> Result<serde_json::Value, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("cargo metadata is not JSON: {error}"))
}
