//! Apps and keys: made, rotated, disabled, sealed, told in the audit log, and deleted for good.

mod databases;

use std::sync::Arc;
use std::time::Duration;

use databases::{Folder, Story, databases};
use tutti_id::AppId;
use tutti_store::{
    Actor, AdminError, AppSettings, AppState, BYTES_MAX_DEFAULT, Erased, Facts, HistoryQuery, Journal, KeyRefusal,
    KeyRing, MasterKeyError, MasterKeys, Naming, NewKey, Retention, Scope, Store, StoreUrl,
};
use tutti_token::Secret;

const HOUR_MS: i64 = 3_600_000;

fn actor() -> Actor {
    Actor { name: "ann".into(), origin: "203.0.113.7".into() }
}

fn master(letter: char) -> Secret {
    // 32 bytes in base64.
    Secret::new(format!("{}=", letter.to_string().repeat(43)))
}

fn master_keys() -> MasterKeys {
    MasterKeys::new(&master('A'), &[]).expect("a master key")
}

fn new_key(scope: Scope) -> NewKey {
    NewKey { name: "back end".into(), scope, expires_ms: None, known: None }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    since.as_millis().try_into().expect("it fits")
}

async fn actions(store: &Store, app: &str) -> Vec<String> {
    let mut rows = store.audit(Some(app), i64::MAX, 1000).await.expect("the log");
    rows.reverse();
    rows.into_iter().map(|row| row.action).collect()
}

#[tokio::test]
async fn apps_are_made_and_changed_and_that_is_written_down() {
    for database in databases().await {
        let store = database.open().await;
        let app = store.create_app(Some("acme"), "Acme & Söhne", &actor()).await.expect("made");
        assert_eq!((app.id.as_str(), app.state, app.settings_version), ("acme", AppState::Active, 1));
        assert!(matches!(store.create_app(Some("acme"), "x", &actor()).await, Err(AdminError::AppTaken(_))));
        for id in ["", "a b", "ü", &"x".repeat(65), "a/b", "a'; DROP TABLE app; --"] {
            assert!(matches!(store.create_app(Some(id), "x", &actor()).await, Err(AdminError::Id)), "{id}");
        }
        for name in ["", &"x".repeat(129), "a\0"] {
            assert!(matches!(store.create_app(None, name, &actor()).await, Err(AdminError::Name)), "{name}");
        }
        let settings = AppSettings { naming: Naming::Strict, ..AppSettings::default() };
        let app = store.set_app_settings("acme", settings.clone(), Some(1), &actor()).await.expect("set");
        assert_eq!(app.settings_version, 2);
        let late = store.set_app_settings("acme", settings, Some(1), &actor()).await;
        assert!(matches!(late, Err(AdminError::Version { found: 2 })), "{late:?}");
        store.suspend_app("acme", true, &actor()).await.expect("suspended");
        store.suspend_app("acme", false, &actor()).await.expect("resumed");
        store.rename_app("acme", "Acme", &actor()).await.expect("renamed");
        assert_eq!(store.app("acme").await.expect("there").settings.naming, Naming::Strict);
        assert!(matches!(store.app("other").await, Err(AdminError::NoApp(_))));
        let made_up = store.create_app(None, "another", &actor()).await.expect("made").id;
        assert!(made_up.starts_with("app-") && made_up.len() == 16, "{made_up}");
        assert_eq!(store.apps("", 10).await.expect("apps").len(), 3);
        assert!(matches!(store.delete_app("default", &actor()).await, Err(AdminError::Default)));

        let must = ["app.create", "app.settings", "app.suspend", "app.resume", "app.rename"];
        assert_eq!(actions(&store, "acme").await, must, "{}", database.kind);
        let row = store.audit(Some("acme"), i64::MAX, 1).await.expect("the log").remove(0);
        assert_eq!((row.actor.as_str(), row.origin.as_str(), row.subject.as_str()), ("ann", "203.0.113.7", "acme"));
        assert!(row.before.contains("Söhne") && !row.after.contains("Söhne"), "{row:?}");
        assert_eq!(store.check_audit().await.expect("followed"), None);
    }
}

#[tokio::test]
async fn an_audit_row_that_was_changed_shows() {
    for database in databases().await {
        let store = database.open().await;
        for number in 0..5 {
            store.create_app(Some(&format!("app-{number}")), "x", &actor()).await.expect("made");
        }
        assert_eq!(store.check_audit().await.expect("followed"), None);
        let sql = "UPDATE audit SET actor = 'bob' WHERE subject = 'app-3'";
        match &database.url {
            StoreUrl::Sqlite(path) => {
                let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", path.display())).await.expect("it opens");
                sqlx::raw_sql(sql).execute(&pool).await.expect("changed");
            }
            StoreUrl::Postgres(options) => {
                let pool = sqlx::PgPool::connect_with(options.as_ref().clone()).await.expect("it opens");
                sqlx::raw_sql(sql).execute(&pool).await.expect("changed");
            }
        }
        assert_eq!(store.check_audit().await.expect("followed"), Some(4), "{}", database.kind);
    }
}

#[tokio::test]
async fn keys_are_sealed_rotated_and_refused() {
    for database in databases().await {
        let store = database.open().await;
        let folder = Folder::new();
        let configured = [("devkey".to_owned(), Secret::new("secret"))];
        let ring = KeyRing::new(configured, Arc::new(master_keys()), folder.path());
        store.create_app(Some("acme"), "Acme", &actor()).await.expect("made");
        let (key, secret) =
            store.create_key("acme", new_key(Scope::ALL), &master_keys(), &actor()).await.expect("made");
        assert!(key.id.starts_with("API") && key.id.len() == 15 && secret.expose().len() == 43, "{key:?}");
        let minting = "mint".parse().expect("a scope");
        let (mint, _) = store.create_key("acme", new_key(minting), &master_keys(), &actor()).await.expect("made");
        ring.load(&store).await.expect("read");

        let known = ring.key(&key.id, now_ms()).expect("in force");
        assert_eq!((known.app.as_str(), &known.secret, known.scope), ("acme", &secret, Scope::ALL));
        assert_eq!(ring.key(&mint.id, now_ms()).expect("in force").scope, Scope { mint: true, ..Scope::default() });
        assert_eq!(ring.key("devkey", now_ms()).expect("configured").app, AppId::default());
        assert_eq!(ring.key("APInobody", now_ms()).err(), Some(KeyRefusal::Unknown));

        // Both are good for an hour, then the new one only.
        let (new, new_secret) = store.rotate_key(&key.id, HOUR_MS, &master_keys(), &actor()).await.expect("rotated");
        assert_ne!(new_secret, secret);
        ring.load(&store).await.expect("read");
        assert!(ring.key(&key.id, now_ms()).is_ok() && ring.key(&new.id, now_ms()).is_ok());
        assert_eq!(ring.key(&key.id, now_ms() + HOUR_MS).err(), Some(KeyRefusal::Expired));
        assert!(ring.key(&new.id, now_ms() + HOUR_MS).is_ok());
        let keys = store.keys("acme").await.expect("keys");
        assert_eq!(
            keys.iter().find(|known| known.id == key.id).expect("the old one").replaced_by,
            Some(new.id.clone())
        );

        store.disable_key(&new.id, &actor()).await.expect("disabled");
        ring.load(&store).await.expect("read");
        assert_eq!(ring.key(&new.id, now_ms()).err(), Some(KeyRefusal::Disabled));
        let over = store.rotate_key(&new.id, HOUR_MS, &master_keys(), &actor()).await;
        assert!(matches!(over, Err(AdminError::KeyOver(_))), "{over:?}");
        store.enable_key(&new.id, &actor()).await.expect("enabled");
        store.expire_key(&mint.id, Some(now_ms() - 1), &actor()).await.expect("expired");
        store.suspend_app("acme", true, &actor()).await.expect("suspended");
        ring.load(&store).await.expect("read");
        assert_eq!(ring.key(&new.id, now_ms()).err(), Some(KeyRefusal::Suspended));
        assert_eq!(ring.key(&mint.id, now_ms()).err(), Some(KeyRefusal::Expired));
        assert_eq!(ring.app(&AppId::new("acme")).expect("known").state, AppState::Suspended);

        // A start without the database knows what was known.
        store.suspend_app("acme", false, &actor()).await.expect("resumed");
        ring.load(&store).await.expect("read");
        let ring = KeyRing::new([], Arc::new(master_keys()), folder.path());
        assert_eq!(ring.key(&new.id, now_ms()).expect("kept").secret, new_secret);
        let foreign = KeyRing::new([], Arc::new(MasterKeys::new(&master('E'), &[]).expect("a key")), folder.path());
        assert_eq!(foreign.key(&new.id, now_ms()).err(), Some(KeyRefusal::Unknown), "sealed by another master key");

        let must = [
            "app.create",
            "key.create",
            "key.create",
            "key.rotate",
            "key.disable",
            "key.enable",
            "key.expire",
            "app.suspend",
            "app.resume",
        ];
        assert_eq!(actions(&store, "acme").await, must);
        let log = format!("{:?}", store.audit(None, i64::MAX, 1000).await.expect("the log"));
        for secret in [&secret, &new_secret] {
            assert!(!log.contains(secret.expose()), "no secret is logged");
        }
        assert!(!format!("{ring:?}").contains(new_secret.expose()));
    }
}

#[tokio::test]
async fn what_a_key_must_have() {
    for database in databases().await {
        let store = database.open().await;
        let known = |id: &str, secret: &str| NewKey {
            known: Some((id.to_owned(), Secret::new(secret))),
            ..new_key(Scope::ALL)
        };
        let create = async |app: &str, key: NewKey| store.create_key(app, key, &master_keys(), &actor()).await;
        for (secret, bytes) in [("", 0), ("short", 5), ("fifteen bytes..", 15)] {
            let refused = create("default", known("mine", secret)).await;
            assert!(
                matches!(refused, Err(AdminError::Secret { bytes: found, bytes_min: 16 }) if found == bytes),
                "{secret}: {refused:?}"
            );
        }
        let (key, secret) = create("default", known("mine", "sixteen bytes...")).await.expect("made");
        assert_eq!((key.id.as_str(), secret.expose()), ("mine", "sixteen bytes..."));
        let taken = create("default", known("mine", "another secret of mine")).await;
        assert!(matches!(taken, Err(AdminError::KeyTaken(_))), "{taken:?}");
        assert!(matches!(create("default", new_key(Scope::default())).await, Err(AdminError::Scope)));
        assert!(matches!(create("nobody", new_key(Scope::ALL)).await, Err(AdminError::NoApp(_))));
        assert!(matches!(store.disable_key("nobody", &actor()).await, Err(AdminError::NoKey(_))));
        for text in ["", "admin", "server;mint", "server,"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
        assert_eq!("server".parse::<Scope>().expect("a scope").to_string(), "server,read");
    }
}

#[tokio::test]
async fn secrets_are_sealed_anew_by_another_master_key() {
    for database in databases().await {
        let store = database.open().await;
        let mut secrets = Vec::new();
        for _ in 0..3 {
            secrets
                .push(store.create_key("default", new_key(Scope::ALL), &master_keys(), &actor()).await.expect("made"));
        }
        let alone = MasterKeys::new(&master('E'), &[]).expect("a key");
        let refused = store.reseal_keys(&alone, &actor()).await;
        assert!(matches!(refused, Err(AdminError::MasterKey(MasterKeyError::Unknown(_)))), "{refused:?}");
        let both = MasterKeys::new(&master('E'), &[master('A')]).expect("keys");
        assert_eq!(store.reseal_keys(&both, &actor()).await.expect("sealed"), 3);
        assert_eq!(store.reseal_keys(&both, &actor()).await.expect("sealed"), 0);
        let folder = Folder::new();
        let ring = KeyRing::new([], Arc::new(alone), folder.path());
        ring.load(&store).await.expect("read");
        for (key, secret) in &secrets {
            assert_eq!(&ring.key(&key.id, now_ms()).expect("in force").secret, secret);
        }
    }
}

/// Writes a call of an app.
async fn call(store: &Store, folder: &Folder, app: &str, sid: &str, began_ms: i64) {
    let journal = Journal::open(&folder.path().join("journal"), BYTES_MAX_DEFAULT).expect("the journal opens");
    let facts = Facts::start(store.clone(), "ND_1", journal);
    let mut story = Story::begin(app, "lobby", sid, "ND_1", began_ms);
    for number in 0..400 {
        let who = format!("PA_{sid}_{number}");
        story.join(&who);
        story.publish(&who, &format!("TR_{sid}_{number}"));
    }
    story.finish();
    for fact in &story.facts {
        facts.take(fact).expect("taken");
    }
    facts.stop(Duration::from_secs(120)).await;
}

async fn counts(store: &Store, app: &str) -> (usize, usize, usize, usize, usize) {
    let query = HistoryQuery { app: app.to_owned(), limit: 1000, ..HistoryQuery::default() };
    (
        store.sessions(&query).await.expect("history").entries.len(),
        store.participations(&query).await.expect("history").entries.len(),
        store.tracks(&query).await.expect("history").entries.len(),
        store.events(Some(app), 0, 100_000).await.expect("events").len(),
        store.keys(app).await.expect("keys").len(),
    )
}

#[tokio::test]
async fn a_deleted_app_is_gone_for_good() {
    for database in databases().await {
        let store = database.open().await;
        for app in ["acme", "other"] {
            store.create_app(Some(app), app, &actor()).await.expect("made");
            store.create_key(app, new_key(Scope::ALL), &master_keys(), &actor()).await.expect("made");
            call(&store, &database.folder, app, &format!("RM_{app}"), 1_000_000).await;
        }
        let before = counts(&store, "other").await;
        assert_eq!(before, (1, 400, 400, 1602, 1));
        store.delete_app("acme", &actor()).await.expect("it begins");
        assert_eq!(store.app("acme").await.expect("there").state, AppState::Deleting);
        assert!(matches!(store.suspend_app("acme", false, &actor()).await, Err(AdminError::NoApp(_))));
        // What is still on its way is nobody's.
        call(&store, &database.folder, "acme", "RM_late", 2_000_000).await;
        let mut steps = 0;
        let done = loop {
            match store.erase_step().await.expect("a step") {
                Erased::Rows(rows) => assert!((1..=500).contains(&rows), "{rows} in a step"),
                done => break done,
            }
            steps += 1;
        };
        assert_eq!(done, Erased::App("acme".into()), "{}", database.kind);
        assert!(steps >= 6, "{steps}");
        assert_eq!(store.erase_step().await.expect("a step"), Erased::Nothing);
        assert_eq!(counts(&store, "acme").await, (0, 0, 0, 0, 0));
        assert_eq!(counts(&store, "other").await, before);
        let app = store.app("acme").await.expect("its id stays");
        assert!(app.state == AppState::Deleted && app.deleted_ms.is_some() && app.name.is_empty(), "{app:?}");
        assert!(matches!(store.create_app(Some("acme"), "x", &actor()).await, Err(AdminError::AppTaken(_))));
        assert_eq!(actions(&store, "acme").await.last().map(String::as_str), Some("app.deleted"));
        assert_eq!(store.events(Some(""), 0, 10).await.expect("events")[0].kind, "app_deleted");
        assert_eq!(store.check_audit().await.expect("followed"), None);
    }
}

#[tokio::test]
async fn what_is_old_goes_in_small_steps() {
    for database in databases().await {
        let store = database.open().await;
        let day_ms = 24 * HOUR_MS;
        call(&store, &database.folder, "default", "RM_old", now_ms() - 366 * day_ms).await;
        call(&store, &database.folder, "default", "RM_young", now_ms() - 364 * day_ms).await;
        loop {
            match store.sweep_step(&Retention::default()).await.expect("a step") {
                Erased::Rows(rows) => assert!(rows <= 500 * 11, "{rows} in a step"),
                done => break assert_eq!(done, Erased::Nothing),
            }
        }
        let (sessions, stays, tracks, events, _) = counts(&store, "default").await;
        assert_eq!((sessions, stays, tracks, events), (1, 400, 400, 802 + 800), "{}", database.kind);
        let retention = Retention::default();
        assert_eq!((retention.history, retention.events, retention.samples, retention.audit), (365, 365, 30, 3650));
    }
}

#[tokio::test]
async fn a_backup_is_restored_into_either_kind() {
    let databases = databases().await;
    for source in &databases {
        let store = source.open().await;
        store.create_app(Some("acme"), "Acme \"\\ ü", &actor()).await.expect("made");
        let (key, secret) =
            store.create_key("acme", new_key(Scope::ALL), &master_keys(), &actor()).await.expect("made");
        call(&store, &source.folder, "acme", "RM_1", 1_000_000).await;
        let file = source.folder.path().join("backup");
        let rows = store.backup(&file).await.expect("written");
        for target in self::databases::databases().await {
            let restored = target.open().await;
            assert_eq!(restored.restore(&file).await.expect("restored"), rows, "{} to {}", source.kind, target.kind);
            assert_eq!(counts(&restored, "acme").await, counts(&store, "acme").await);
            let events = restored.events(None, 0, 100_000).await.expect("events");
            assert_eq!(events, store.events(None, 0, 100_000).await.expect("events"));
            assert_eq!(restored.app("acme").await.expect("there"), store.app("acme").await.expect("there"));
            assert_eq!(restored.check_audit().await.expect("followed"), None);
            let ring = KeyRing::new([], Arc::new(master_keys()), target.folder.path());
            ring.load(&restored).await.expect("read");
            assert_eq!(ring.key(&key.id, now_ms()).expect("in force").secret, secret);
            // Numbers go on behind what came.
            restored.create_app(Some("new"), "new", &actor()).await.expect("made");
            call(&restored, &target.folder, "new", "RM_2", 2_000_000).await;
            let last = restored.events(None, events.last().expect("some").id, 1).await.expect("events");
            assert_eq!(last[0].session, "RM_2");
            let again = restored.restore(&file).await;
            assert!(matches!(again, Err(tutti_store::BackupError::NotEmpty)), "{again:?}");
        }
        // A file that was cut is none.
        let content = std::fs::read_to_string(&file).expect("the file");
        std::fs::write(&file, &content[..content.len() - 20]).expect("cut");
        let fresh = self::databases::databases().await.remove(0);
        let cut = fresh.open().await.restore(&file).await;
        assert!(matches!(cut, Err(tutti_store::BackupError::Form { .. })), "{cut:?}");
        assert!(matches!(fresh.open().await.app("acme").await, Err(AdminError::NoApp(_))));
    }
}
