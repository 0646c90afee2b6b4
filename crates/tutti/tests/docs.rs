//! The commands of the documentation run as printed: every `sh` block of README.md and `docs/`, unless its fence says
//! `not-run`. What stands in a block behind `# ` at the beginning of a line is what the commands print; `…` in it stands
//! for anything.
//!
//! A block runs in an empty folder, with a `tutti.yaml`, in a shell that stops at the first failure. Where it has a `tutti
//! serve` of its own that is the server, else one is started with `--dev`. Ports are the system's choice and all
//! addresses are loopback: nothing else on the machine is in the way.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What cannot be had in a test, and what stands for it.
const STAND_INS: [(&str, &str); 6] = [
    ("localhost:7880", "localhost:$PORT"),
    ("localhost:6789", "localhost:$METRICS_PORT"),
    ("--bind 0.0.0.0", "--bind 127.0.0.1"),
    ("tutti load", "tutti load --url ws://127.0.0.1:$PORT"),
    // The form of a load matters here, not its weight.
    ("--subscribers 50", "--subscribers 3"),
    ("--duration 30s", "--duration 3s"),
];

/// The program itself, on ports that the system chooses.
const TUTTI: &str = r#"#!/bin/sh
if [ "$1" = serve ]; then
  export TUTTI_PORT=0 TUTTI_BIND='[127.0.0.1]' TUTTI_METRICS__PORT=$METRICS_PORT
  export TUTTI_RTC__BIND='[127.0.0.1]' TUTTI_RTC__TCP_PORT=0 TUTTI_RTC__UDP_PORT_BASE=0
fi
exec "$TUTTI_BIN" "$@"
"#;

/// What a `tutti serve` becomes: the rest of the block runs when it says that it is ready.
const WAIT: &str = r#"{ mkfifo ready 2>/dev/null || true; }
COMMAND >ready & SERVER_PID=$!
exec 3<ready; IFS= read -ru3 LINE; PORT=${LINE##*:}"#;

struct Block {
    place: String,
    info: String,
    lines: Vec<String>,
}

impl Block {
    /// The blocks of a page whose language is `sh`.
    fn of(page: &Path) -> Vec<Self> {
        let text = fs::read_to_string(page).expect("a page");
        let mut blocks = Vec::new();
        let mut lines = text.lines().enumerate();
        while let Some((at, line)) = lines.next() {
            let Some(info) = line.strip_prefix("```").filter(|info| !info.is_empty()) else { continue };
            let inside = lines.by_ref().map(|(_, line)| line.to_owned()).take_while(|line| line != "```").collect();
            if info.split(' ').next() == Some("sh") {
                let place = format!("{}:{}", page.display(), at + 1);
                blocks.push(Self { place, info: info.to_owned(), lines: inside });
            }
        }
        blocks
    }

    /// It defines `call`, which other pages use.
    fn defines(&self) -> bool {
        self.lines.iter().any(|line| line.starts_with("call() {"))
    }

    /// What the commands print, as far as the page says it.
    fn expected(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| line.strip_prefix("# "))
    }

    /// What a shell runs. `shared` stands before a block that calls what another page defines.
    fn script(&self, shared: &[String]) -> String {
        let mut script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n".to_owned();
        let calls = self.lines.iter().any(|line| line.starts_with("call "));
        let shared = if calls && !self.defines() { shared } else { &[] };
        let serves = |line: &String| line.contains("tutti serve");
        if !self.lines.iter().any(serves) {
            let _ = writeln!(script, "{}", WAIT.replace("COMMAND", "tutti serve --dev"));
        }
        for line in shared.iter().chain(&self.lines) {
            let mut line = line.clone();
            for (printed, ours) in STAND_INS {
                line = line.replace(printed, ours);
            }
            if !serves(&line) {
                let _ = writeln!(script, "{}", line.replace("$!", "$SERVER_PID"));
                continue;
            }
            let (serve, goes_on) = line.strip_suffix(" &").map_or((line.as_str(), false), |serve| (serve, true));
            let _ = writeln!(script, "{}", WAIT.replace("COMMAND", serve));
            if !goes_on {
                // It would run until it is told to stop, which is no failure.
                let _ = writeln!(script, "kill $SERVER_PID; wait $SERVER_PID");
            }
        }
        script
    }

    /// Runs it. `Err`: what went wrong.
    fn run(&self, bin: &Path, shared: &[String]) -> Result<(), String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("tutti.yaml"), "keys:\n  mykey: a-secret-that-is-long-enough-for-hs256\n")
            .expect("a file");
        // A free port: nothing asks for it between here and the server.
        let metrics = TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr()).expect("loopback has ports");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TUTTI_")) {
            command.env_remove(name);
        }
        let output = command
            .args(["-c", &self.script(shared)])
            .current_dir(&folder)
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("TUTTI_BIN", env!("CARGO_BIN_EXE_tutti"))
            .env("METRICS_PORT", metrics.port().to_string())
            .output()
            .expect("bash runs");
        let printed = String::from_utf8_lossy(&output.stdout);
        let log = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("{}: {}\n{printed}\n{log}", self.place, output.status));
        }
        let mut lines = printed.lines();
        for expected in self.expected() {
            if !lines.any(|line| is_like(line, expected)) {
                return Err(format!("{}: {expected:?} was not printed:\n{printed}\n{log}", self.place));
            }
        }
        Ok(())
    }
}

/// Whether a printed line is as expected, where `…` stands for anything.
fn is_like(line: &str, expected: &str) -> bool {
    let Some((first, rest)) = expected.split_once('…') else { return line == expected };
    let (middle, last) = rest.rsplit_once('…').unwrap_or(("", rest));
    let Some(mut line) = line.strip_prefix(first).and_then(|line| line.strip_suffix(last)) else { return false };
    for piece in middle.split('…') {
        let Some(at) = line.find(piece) else { return false };
        line = line.get(at + piece.len()..).unwrap_or_default();
    }
    true
}

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = root.join("docs");
    let folders = [docs.clone(), docs.join("server-api")];
    let entries = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("the pages"));
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut pages: Vec<_> = paths.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect();
    pages.push(root.join("README.md"));
    pages.sort();
    pages
}

#[test]
fn what_the_pages_print_runs() {
    let bin = Path::new(env!("CARGO_TARGET_TMPDIR")).join("docs-bin");
    fs::create_dir_all(&bin).expect("a folder");
    let program = bin.join("tutti");
    fs::write(&program, TUTTI).expect("a file");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    let blocks: Vec<_> = pages().iter().flat_map(|page| Block::of(page)).collect();
    // All of it but the example of a call, which is the last line but for what it prints.
    let defining = blocks.iter().find(|block| block.defines()).expect("a page defines `call`");
    let shared: Vec<_> = defining.lines.iter().take_while(|line| !line.starts_with("call ")).cloned().collect();
    let to_run = blocks.iter().filter(|block| !block.info.contains("not-run"));
    let failed: Vec<_> = to_run.filter_map(|block| block.run(&bin, &shared).err()).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn every_page_has_a_command() {
    for page in pages() {
        // The list of the pages.
        if page.ends_with("docs/README.md") {
            continue;
        }
        assert!(!Block::of(&page).is_empty(), "{} has none", page.display());
    }
}

#[test]
fn a_line_is_as_expected_where_it_says_anything() {
    let cases = [
        ("success", "success", true),
        ("success!", "success", false),
        (r#"{"sid":"RM_x","name":"hello","n":0}"#, r#"{"sid":"RM_…","name":"hello",…}"#, true),
        (r#"{"sid":"RM_x","name":"hallo","n":0}"#, r#"{"sid":"RM_…","name":"hello",…}"#, false),
        ("abc", "a…", true),
        ("abc", "…b", false),
        ("abcabc", "a…c", true),
        ("ab", "ab…b", false),
        (r#"{"rooms":[{"a":{}}]}"#, r#"{"rooms":[…}]}"#, true),
    ];
    for (line, expected, is) in cases {
        assert_eq!(is_like(line, expected), is, "{line} {expected}");
    }
}
