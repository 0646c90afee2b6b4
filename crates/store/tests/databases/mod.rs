//! Databases for tests: SQLite always, PostgreSQL where it is installed. Every test gets one of its own.
//!
//! `TEST_POSTGRES=required` makes a missing PostgreSQL a failure; `make test` sets it.

#![allow(dead_code, reason = "each test uses some of it")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

use livekit_protocol as proto;
use tutti_id::RoomName;
use tutti_room::{Chronicle, RoomEvent, RoomEventKind};
use tutti_store::{Fact, Store, StoreUrl};
use tutti_token::Secret;

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("tutti-store-{}-{number}-{}", std::process::id(), fastrand::u32(..)));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A database that nobody else uses, and a folder beside it.
pub(crate) struct Database {
    pub(crate) kind: &'static str,
    pub(crate) url: StoreUrl,
    pub(crate) folder: Folder,
}

impl Database {
    pub(crate) async fn open(&self) -> Store {
        Store::open(self.url.clone()).await.expect("the store opens")
    }
}

/// One of each kind.
pub(crate) async fn databases() -> Vec<Database> {
    let folder = Folder::new();
    let mut databases = vec![Database { kind: "sqlite", url: StoreUrl::in_folder(folder.path()), folder }];
    if let Some(server) = shared() {
        databases.push(Database { kind: "postgres", url: server.new_database().await, folder: Folder::new() });
    }
    databases
}

/// A PostgreSQL. Ends with this value, or with this process.
pub(crate) struct Postgres {
    folder: PathBuf,
    child: Mutex<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

impl Postgres {
    /// `None`, said loudly, where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(bin) = programs() else {
            let required = std::env::var("TEST_POSTGRES").is_ok_and(|value| value == "required");
            assert!(!required, "PostgreSQL is not installed: make test-install");
            eprintln!("NOT TESTED with PostgreSQL, which is not installed: make test-install");
            return None;
        };
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/databases/postgres.sh");
        // PostgreSQL does not run as root, and its user may not be able to read where we are.
        let text = std::fs::read_to_string(script).expect("the script");
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "sh"]);
            command
        } else {
            Command::new("sh")
        };
        command.args(["-c", &text, "postgres.sh"]).arg(bin).current_dir("/");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the script starts");
        let input = child.stdin.take().expect("its input");
        let mut output = BufReader::new(child.stdout.take().expect("its output"));
        let folder = line(&mut output);
        assert!(folder.starts_with('/'), "PostgreSQL did not start: {folder}");
        Some(Self { folder: folder.into(), child: Mutex::new((child, input, output)) })
    }

    /// Makes a database.
    pub(crate) async fn new_database(&self) -> StoreUrl {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let created = Command::new(programs().expect("it runs").join("createdb"))
            .args(["-h", &self.folder.display().to_string(), "-U", "tutti", &name])
            .status()
            .expect("createdb runs");
        assert!(created.success());
        self.url(&name)
    }

    /// The address of a database on it.
    pub(crate) fn url(&self, name: &str) -> StoreUrl {
        let host = self.folder.display().to_string().replace('/', "%2F");
        StoreUrl::parse(&Secret::new(format!("postgres://tutti@{host}/{name}")), Path::new("")).expect("an address")
    }

    pub(crate) fn stop(&self) {
        self.say("stop");
    }

    pub(crate) fn restart(&self) {
        self.say("start");
    }

    fn say(&self, command: &str) {
        let (_, input, output) = &mut *self.child.lock().expect("nobody panicked");
        writeln!(input, "{command}").expect("the script reads");
        assert_eq!(line(output), command);
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut text = String::new();
    output.read_line(&mut text).expect("the script writes");
    text.trim().to_owned()
}

/// One for all tests of this process; the script ends when we do.
fn shared() -> Option<&'static Postgres> {
    static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
    SHARED.get_or_init(Postgres::start).as_ref()
}

/// Where `initdb` and `postgres` are.
fn programs() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").ok().into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = debian.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.extend(std::env::split_paths(&path));
    folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// A room whose story is told as the server tells it.
pub(crate) struct Story {
    pub(crate) room: RoomName,
    pub(crate) node: String,
    pub(crate) sid: String,
    chronicle: Chronicle,
    now_ms: i64,
    pub(crate) facts: Vec<Fact>,
}

impl Story {
    pub(crate) fn begin(app: &str, room: &str, sid: &str, node: &str, now_ms: i64) -> Self {
        let info = proto::Room { sid: sid.into(), name: room.into(), creation_time_ms: now_ms, ..Default::default() };
        let (chronicle, event) = Chronicle::begin(info);
        let room = RoomName::new(tutti_id::AppId::new(app), room);
        let mut story = Self { room, node: node.into(), sid: sid.into(), chronicle, now_ms, facts: Vec::new() };
        story.tell(vec![event]);
        story
    }

    fn tell(&mut self, events: Vec<RoomEvent>) {
        self.facts.extend(events.iter().map(|event| Fact::new(&self.room, &self.node, event)));
    }

    fn record(&mut self, kind: RoomEventKind) {
        self.now_ms += 1000;
        let events = self.chronicle.record(self.now_ms, kind);
        self.tell(events);
    }

    fn who(&self, sid: &str) -> Box<proto::ParticipantInfo> {
        Box::new(proto::ParticipantInfo {
            sid: sid.into(),
            identity: format!("id-{sid}"),
            name: "O'Neil \"\\\0 ü".into(),
            joined_at_ms: self.now_ms,
            ..Default::default()
        })
    }

    pub(crate) fn join(&mut self, sid: &str) {
        let who = self.who(sid);
        self.record(RoomEventKind::ParticipantJoined(who));
    }

    pub(crate) fn leave(&mut self, sid: &str) {
        let mut who = self.who(sid);
        who.disconnect_reason = proto::DisconnectReason::ClientInitiated.into();
        self.record(RoomEventKind::ParticipantLeft(who));
    }

    pub(crate) fn abort(&mut self, sid: &str) {
        let who = self.who(sid);
        self.record(RoomEventKind::ConnectionAborted(who));
    }

    fn track(sid: &str) -> Box<proto::TrackInfo> {
        Box::new(proto::TrackInfo {
            sid: sid.into(),
            r#type: proto::TrackType::Video.into(),
            source: proto::TrackSource::Camera.into(),
            mime_type: "video/VP8".into(),
            width: 1280,
            height: 720,
            ..Default::default()
        })
    }

    pub(crate) fn publish(&mut self, sid: &str, track: &str) {
        let participant = self.who(sid);
        self.record(RoomEventKind::TrackPublished { participant, track: Self::track(track) });
    }

    pub(crate) fn unpublish(&mut self, sid: &str, track: &str) {
        let participant = self.who(sid);
        self.record(RoomEventKind::TrackUnpublished { participant, track: Self::track(track) });
    }

    pub(crate) fn finish(&mut self) {
        self.now_ms += 1000;
        let events = self.chronicle.finish(self.now_ms, proto::DisconnectReason::RoomClosed);
        self.tell(events);
    }
}
