//! No clock, chance, socket or thread in what decides: all of that comes in as an argument, so that a whole
//! call can run in a test on a virtual clock. Tests are free.

use std::path::Path;
use std::{fs, io};

use super::sources::walk;

/// Sources below `crates`, whole folders or files: the layers `name`, `wire` and `core`, and what decides in a shell.
const PURE: [&str; 18] = [
    "id/src",
    "rtp/src",
    "sdp/src",
    "token/src",
    "limit/src",
    "transport/src",
    "forward/src",
    "room/src",
    "signal/src",
    "cluster/src/input.rs",
    "cluster/src/join.rs",
    "cluster/src/room_core",
    "cluster/src/room_round.rs",
    "media/src/batch.rs",
    "media/src/shard",
    "media/src/wheel",
    "media/src/plane/candidates.rs",
    "media/src/plane/routing.rs",
];

/// What their code does not say.
const IMPURE: [&str; 13] = [
    "Instant::now(",
    "SystemTime::now(",
    "rand::random",
    "rand::rng(",
    "OsRng",
    "std::fs",
    "std::env",
    "std::net::Tcp",
    "std::net::Udp",
    "std::thread",
    "tokio::",
    "tracing::",
    "println!",
];

/// Walks the pure sources. One that is not there is a finding: the list must not outlive what it names.
pub(super) fn check(root: &Path) -> io::Result<Vec<String>> {
    let mut findings = Vec::new();
    for name in PURE {
        let source = root.join("crates").join(name);
        let shown = format!("crates/{name}");
        if source.is_dir() {
            walk(&source, &format!("{shown}/"), &mut |path, extension, text| {
                let is_test = path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/tests_");
                if extension == "rs" && !is_test {
                    findings.extend(found(path, text));
                }
            })?;
        } else if source.is_file() {
            findings.extend(found(&shown, &fs::read_to_string(&source)?));
        } else {
            findings.push(format!("{shown}: named in xtask/src/tidy/purity.rs, and not there"));
        }
    }
    Ok(findings)
}

fn found(path: &str, text: &str) -> Vec<String> {
    impure(text).map(|(line, word)| format!("{path}:{line}: `{word}` in what must be pure")).collect()
}

/// Impure words with their lines, in the part of a file that is not its tests. Comments are free.
fn impure(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    let code = text.split_once("#[cfg(test)]\nmod tests {").map_or(text, |(code, _)| code);
    code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")).flat_map(|(number, line)| {
        IMPURE.iter().filter(move |word| line.contains(**word)).map(move |word| (number + 1, *word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_comments_and_tests() {
        let text = "//! Never Instant::now().\nuse std::time::Instant;\nlet at = Instant::now();\n    // rand::random\n\
                    tokio::spawn(x); println!(\"\");\n#[cfg(test)]\nmod more;\nuse std::fs;\n\
                    #[cfg(test)]\nmod tests {\nlet at = Instant::now();\n}\n";
        let found: Vec<_> = impure(text).collect();
        assert_eq!(found, [(3, "Instant::now("), (5, "tokio::"), (5, "println!"), (8, "std::fs")]);
    }
}
