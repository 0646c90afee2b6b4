//! Opening a store: what each fault is called, and that nothing is touched where nothing may be.

mod databases;

use std::path::Path;

use databases::{Folder, Postgres, databases};
use sqlx::sqlite::SqlitePoolOptions;
use tutti_store::{DataFolder, FolderError, Store, StoreError, StoreUrl, VERSION, version_of};
use tutti_token::Secret;

fn parse(text: &str) -> StoreUrl {
    StoreUrl::parse(&Secret::new(text), Path::new("")).expect("an address")
}

#[tokio::test]
async fn a_store_is_made_once_and_opened_again() {
    for database in databases().await {
        let store = database.open().await;
        assert!(store.is_ready());
        assert_eq!(store.app("default").await.expect("it is there").state, tutti_store::AppState::Active);
        store.close().await;
        assert_eq!(version_of(&database.url).await.expect("a version"), VERSION);
        assert_eq!(VERSION, 1);
        database.open().await.close().await;
    }
}

#[tokio::test]
async fn many_nodes_make_one_store() {
    // A file belongs to one node.
    for database in databases().await.iter().filter(|database| database.kind == "postgres") {
        let opening: Vec<_> = (0..8).map(|_| tokio::spawn(Store::open(database.url.clone()))).collect();
        for store in opening {
            store.await.expect("no panic").unwrap_or_else(|error| panic!("{}: {error:?}", database.kind)).close().await;
        }
    }
}

#[tokio::test]
async fn a_newer_store_is_left_as_it_is() {
    for database in databases().await {
        database.open().await.close().await;
        let (before, error) = match &database.url {
            StoreUrl::Sqlite(path) => {
                let sql = "INSERT INTO schema_version VALUES (2, 'to come', 0)";
                let pool = SqlitePoolOptions::new()
                    .max_connections(1)
                    .connect(&format!("sqlite:{}", path.display()))
                    .await
                    .expect("it opens");
                sqlx::raw_sql(sql).execute(&pool).await.expect("written");
                sqlx::raw_sql("PRAGMA journal_mode = DELETE").execute(&pool).await.expect("written");
                pool.close().await;
                let before = std::fs::read(path).expect("the file");
                let error = Store::open(database.url.clone()).await.expect_err("it is newer");
                assert_eq!(std::fs::read(path).expect("the file"), before, "untouched");
                (before.len(), error)
            }
            StoreUrl::Postgres(options) => {
                let pool = sqlx::PgPool::connect_with(options.as_ref().clone()).await.expect("it opens");
                let sql = "INSERT INTO schema_version VALUES (2, 'to come', 0)";
                sqlx::raw_sql(sql).execute(&pool).await.expect("written");
                pool.close().await;
                (1, Store::open(database.url.clone()).await.expect_err("it is newer"))
            }
        };
        assert!(before > 0);
        assert!(matches!(error, StoreError::Newer { found: 2, known: 1 }), "{}: {error:?}", database.kind);
        let text = "the store has version 2, this program knows 1: run the newer program, or restore a backup";
        assert_eq!(error.to_string(), text);
        assert!(matches!(Store::open_or_wait(database.url.clone()).await, Err(StoreError::Newer { .. })));
    }
}

#[tokio::test]
async fn faults_of_files_have_names() {
    let folder = Folder::new();
    let file = folder.path().join("no.db");
    std::fs::write(
        &file,
        "this is a text and no database, but it is long enough to have a head of a hundred bytes".repeat(20),
    )
    .expect("a file");
    let error = Store::open(StoreUrl::Sqlite(file)).await.expect_err("no database");
    assert!(matches!(error, StoreError::NotADatabase(_)), "{error:?}");
    let error = Store::open(StoreUrl::Sqlite(folder.path().join("absent/tutti.db"))).await.expect_err("no folder");
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    assert!(error.to_string().contains("absent/tutti.db"), "{error}");
    // A full disk, as SQLite sees it.
    let small = StoreUrl::in_folder(folder.path());
    let store = Store::open(small.clone()).await.expect("it opens");
    store.close().await;
    let StoreUrl::Sqlite(path) = &small else { panic!("a file") };
    // Root may write what is read-only; SQLite may not write what it opened so.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o400);
    std::fs::set_permissions(path, mode).expect("ours");
    if !rustix::process::geteuid().is_root() {
        let error = Store::open(small).await.expect_err("read-only");
        assert!(matches!(error, StoreError::ReadOnly(_) | StoreError::Open { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn faults_of_servers_have_names_and_show_no_password() {
    let error = Store::open(parse("postgres://ann:hush@127.0.0.1:1/tutti")).await.expect_err("nobody is there");
    assert!(matches!(error, StoreError::Open { .. }), "{error:?}");
    assert!(error.may_pass());
    assert_eq!(error.to_string(), "cannot open postgres://ann@127.0.0.1:1/tutti");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    // A server waits for it.
    let store = Store::open_or_wait(parse("postgres://ann:hush@127.0.0.1:1/tutti")).await.expect("it waits");
    assert!(!store.is_ready());
    let Some(server) = Postgres::start() else { return };
    let error = Store::open(server.url("absent")).await.expect_err("no such database");
    assert!(matches!(error, StoreError::Absent { .. }), "{error:?}");
    let StoreUrl::Postgres(options) = server.url("postgres") else { panic!("a server") };
    let read_only = options.options([("default_transaction_read_only", "on")]);
    let error = Store::open(StoreUrl::Postgres(Box::new(read_only))).await.expect_err("read-only");
    assert!(matches!(error, StoreError::ReadOnly(_)), "{error:?}");
}

#[test]
fn a_data_folder_has_one_owner_and_one_node() {
    let folder = Folder::new();
    let path = folder.path().join("data");
    let first = DataFolder::open(&path, "ND_1").expect("it is made");
    assert_eq!(first.node(), "ND_1");
    let error = DataFolder::open(&path, "ND_2").expect_err("it is in use");
    assert!(matches!(&error, FolderError::InUse(taken) if *taken == path), "{error:?}");
    drop(first);
    let again = DataFolder::open(&path, "ND_2").expect("it is free");
    assert_eq!(again.node(), "ND_1", "the node of a folder stays");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("it is there").permissions());
    assert_eq!(mode & 0o777, 0o700);
}
