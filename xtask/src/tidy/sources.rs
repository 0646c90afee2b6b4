//! Rules about files: every Rust file says in its head what it owns, none is too long, none knows the machine it was
//! written on, and every crate is on the map.

use std::path::Path;
use std::{fs, io};

/// Longest source file, lines.
const LINES_MAX: usize = 800;
/// Files that count as source.
const SOURCES: [&str; 8] = ["rs", "ts", "tsx", "mjs", "py", "css", "sh", "toml"];
/// Files that are read for paths of a machine.
const TEXTS: [&str; 6] = ["md", "yaml", "yml", "json", "html", "txt"];
/// Folders that hold what is built or fetched, or data.
const SKIPPED: [&str; 8] = ["target", "node_modules", "dist", "corpus", "artifacts", "coverage", "__pycache__", "venv"];
/// Whole paths of such folders.
const SKIPPED_PATHS: [&str; 1] = ["data"];
/// Generated, and long.
const GENERATED: [&str; 2] = ["package-lock.json", "Cargo.lock"];
/// What a path of somebody's machine begins with; in two halves, so that this file has none.
const LOCAL: [(&str, &str); 4] = [("/ho", "me/"), ("/ro", "ot/"), ("/Us", "ers/"), ("C:\\Us", "ers\\")];

/// Walks the workspace.
pub(super) fn check(root: &Path) -> io::Result<Vec<String>> {
    let mut findings = Vec::new();
    walk(root, "", &mut |path, extension, text| {
        if extension == "rs" && !text.starts_with("//!") {
            findings.push(format!("{path}: does not begin with a `//!` head"));
        }
        let lines = text.lines().count();
        if SOURCES.contains(&extension) && lines > LINES_MAX {
            findings.push(format!("{path}: {lines} lines, more than {LINES_MAX}"));
        }
        for (number, line) in text.lines().enumerate() {
            if LOCAL.iter().any(|(one, other)| line.contains(&[*one, *other].concat())) {
                findings.push(format!("{path}:{}: a path of one machine", number + 1));
            }
        }
    })?;
    let map = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap_or_default();
    findings.extend(unmapped(&map, &folders(&root.join("crates"))?));
    Ok(findings)
}

/// Crates that the map does not show.
fn unmapped(map: &str, crates: &[String]) -> Vec<String> {
    let is_shown = |name: &str| map.contains(&format!("`crates/{name}`"));
    crates
        .iter()
        .filter(|name| !is_shown(name))
        .map(|name| format!("ARCHITECTURE.md: `crates/{name}` is not on the map"))
        .collect()
}

fn folders(parent: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Calls `visit` with path, extension and text of every file that matters, in order of names.
pub(super) fn walk(folder: &Path, prefix: &str, visit: &mut impl FnMut(&str, &str, &str)) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let file_type = entry.file_type()?;
        if file_type.is_dir() {
            let skipped = name.starts_with('.') || SKIPPED.contains(&name.as_str());
            if !skipped && !SKIPPED_PATHS.contains(&path.as_str()) {
                walk(&entry.path(), &format!("{path}/"), visit)?;
            }
            continue;
        }
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let matters = SOURCES.contains(&extension) || TEXTS.contains(&extension) || name == "Makefile";
        if file_type.is_file() && matters && !GENERATED.contains(&name.as_str()) {
            // What is not UTF-8 is data.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                visit(&path, extension, &text);
            }
        }
    }
    Ok(())
}

/// A folder that is gone when the test is over.
#[cfg(test)]
pub(super) struct Scratch(pub(super) std::path::PathBuf);

#[cfg(test)]
impl Scratch {
    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let name = std::thread::current().name().unwrap_or_default().replace(':', "-");
        let root = std::env::temp_dir().join(format!("tidy-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
            fs::write(path, text).expect("it can be written");
        }
        Self(root)
    }
}

#[cfg(test)]
impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tidy_tree_has_no_findings() {
        let tree = Scratch::with(&[
            ("ARCHITECTURE.md", "| `crates/rtp` | wire |"),
            ("crates/rtp/src/lib.rs", "//! Packets.\n"),
            ("crates/rtp/README.md", "No head needed."),
            ("crates/rtp/target/debug/build.rs", "fn main() {}"),
            ("web/node_modules/x/long.ts", &"x\n".repeat(2000)),
            (".hidden/odd.rs", "fn main() {}"),
            ("data/odd.rs", "fn main() {}"),
        ]);
        assert_eq!(check(&tree.0).expect("it can be read"), Vec::<String>::new());
    }

    #[test]
    fn findings_name_the_file() {
        let local = [LOCAL[0].0, LOCAL[0].1].concat();
        let tree = Scratch::with(&[
            ("ARCHITECTURE.md", "| `crates/rtpx` | wire |"),
            ("crates/rtp/src/data/mod.rs", "// Not a head.\n"),
            ("crates/rtp/src/lib.rs", "// Not a head.\n"),
            ("crates/rtp/src/long.rs", &format!("//! Long.\n{}", "\n".repeat(LINES_MAX))),
            ("crates/rtp/src/just.rs", &format!("//! Just right.\n{}", "\n".repeat(LINES_MAX - 1))),
            ("docs/start.md", &format!("One.\nRun {local}ada/tutti.\n")),
        ]);
        assert_eq!(
            check(&tree.0).expect("it can be read"),
            [
                "crates/rtp/src/data/mod.rs: does not begin with a `//!` head",
                "crates/rtp/src/lib.rs: does not begin with a `//!` head",
                "crates/rtp/src/long.rs: 801 lines, more than 800",
                "docs/start.md:2: a path of one machine",
                "ARCHITECTURE.md: `crates/rtp` is not on the map",
            ]
        );
    }
}
