//! `tutti store`, `tutti app`, `tutti key`: the store by hand, beside a running server or without one.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand};
use tutti_store::{
    Actor, ApiKey, App, AppState, Erased, MasterKeys, NewKey, Scope, Store, StoreUrl, VERSION, version_of,
};
use tutti_token::Secret;

use crate::cli::{ServeFlags, duration};
use crate::config::Config;

/// Apps that are listed at a time.
const LISTED: u32 = 1000;
/// The master key's file in the data folder.
const MASTER_KEY_FILE: &str = "master.key";

/// Where the store is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Configuration file that says where the store is
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct StoreFlags {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Make the store, or bring it to this program's version
    Migrate,
    /// Say whether the store can be used, and whether the audit log is whole
    Check,
    /// Write everything into a new file
    Backup {
        /// The file
        file: PathBuf,
    },
    /// Fill an empty store from a backup
    Restore {
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AppFlags {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: AppCommand,
}

#[derive(Debug, Subcommand)]
enum AppCommand {
    /// Make an app
    Create {
        /// For people
        name: String,
        /// Names it everywhere [default: made up]
        #[arg(long)]
        id: Option<String>,
    },
    /// List the apps
    List,
    /// Let nobody use an app until it is resumed
    Suspend {
        /// Which
        id: String,
    },
    /// Let an app be used again
    Resume {
        /// Which
        id: String,
    },
    /// Delete an app and all its data, for good
    Delete {
        /// Which
        id: String,
        /// Its id once more: nothing of it comes back
        #[arg(long, value_name = "ID")]
        yes_delete: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KeyFlags {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key; its secret is shown once
    Create {
        /// The app
        #[arg(long, default_value = "default")]
        app: String,
        /// For people
        #[arg(long, default_value = "key")]
        name: String,
        /// What it is good for: server, mint, read
        #[arg(long, default_value = "server,mint")]
        scope: Scope,
        /// It is refused after this long, such as 90d [default: never]
        #[arg(long, value_parser = duration)]
        expires_in: Option<Duration>,
    },
    /// List the keys of an app
    List {
        /// The app
        #[arg(long, default_value = "default")]
        app: String,
    },
    /// Make a key in the place of another one; its secret is shown once
    Rotate {
        /// The old key
        id: String,
        /// The old key is good for so long
        #[arg(long, default_value = "1d", value_parser = duration)]
        overlap: Duration,
    },
    /// Refuse a key from now on
    Disable {
        /// Which
        id: String,
    },
    /// Take a disabled key again
    Enable {
        /// Which
        id: String,
    },
    /// Seal all secrets with the master key in force
    Reseal {
        /// Files with master keys that sealed them so far
        #[arg(long, value_name = "FILE")]
        old: Vec<PathBuf>,
    },
}

/// Where everything of the store is.
pub(crate) fn url(config: &Config, data: &Path) -> Result<StoreUrl, Box<dyn Error>> {
    Ok(StoreUrl::parse(&config.store.url, data)?)
}

/// The master key: from the configuration, a file, or made in the data folder.
pub(crate) fn master_keys(config: &Config, data: &Path, old: &[PathBuf]) -> Result<Arc<MasterKeys>, Box<dyn Error>> {
    let store = &config.store;
    let current = if !store.master_key.is_empty() {
        store.master_key.clone()
    } else if let Some(file) = &store.master_key_file {
        MasterKeys::read(file)?
    } else {
        MasterKeys::read_or_make(&data.join(MASTER_KEY_FILE))?
    };
    let old = old.iter().map(|file| MasterKeys::read(file)).collect::<Result<Vec<Secret>, _>>()?;
    Ok(Arc::new(MasterKeys::new(&current, &old)?))
}

/// What the commands work with.
struct Desk {
    config: Config,
    data: PathBuf,
    actor: Actor,
}

impl Desk {
    fn new(place: &Place) -> Result<Self, Box<dyn Error>> {
        let config = Config::load(&ServeFlags { config: place.config.clone(), ..Default::default() })?;
        let data = config.data.clone();
        // The server need not have run before.
        std::fs::create_dir_all(&data)
            .map_err(|error| format!("cannot make the data folder {}: {error}", data.display()))?;
        Ok(Self { config, data, actor: Actor::local("command line") })
    }

    fn url(&self) -> Result<StoreUrl, Box<dyn Error>> {
        url(&self.config, &self.data)
    }

    async fn open(&self) -> Result<Store, Box<dyn Error>> {
        Ok(Store::open(self.url()?).await?)
    }

    fn master(&self, old: &[PathBuf]) -> Result<Arc<MasterKeys>, Box<dyn Error>> {
        master_keys(&self.config, &self.data, old)
    }
}

fn run<F: Future<Output = Result<(), Box<dyn Error>>>>(work: F) -> Result<(), Box<dyn Error>> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// `tutti store`.
pub(crate) fn store(flags: &StoreFlags) -> Result<(), Box<dyn Error>> {
    run(async {
        let desk = Desk::new(&flags.place)?;
        let url = desk.url()?;
        match &flags.command {
            StoreCommand::Migrate => {
                let before = version_of(&url).await.unwrap_or(0);
                desk.open().await?.close().await;
                println!("{url}: version {before} -> {VERSION}");
            }
            StoreCommand::Check => {
                let found = version_of(&url).await?;
                if found < VERSION {
                    return Err(tutti_store::StoreError::Older { found, known: VERSION }.into());
                }
                let store = desk.open().await?;
                if let Some(row) = store.check_audit().await? {
                    return Err(format!("{url}: row {row} of the audit log does not follow from the one before").into());
                }
                println!("{url}: version {VERSION}, audit log whole");
            }
            StoreCommand::Backup { file } => {
                let rows = desk.open().await?.backup(file).await?;
                println!("{}: {rows} rows; the master key is not in it", file.display());
            }
            StoreCommand::Restore { file } => {
                let rows = desk.open().await?.restore(file).await?;
                println!("{url}: {rows} rows");
            }
        }
        Ok(())
    })
}

/// `tutti app`.
pub(crate) fn app(flags: &AppFlags) -> Result<(), Box<dyn Error>> {
    run(async {
        let desk = Desk::new(&flags.place)?;
        let store = desk.open().await?;
        match &flags.command {
            AppCommand::Create { name, id } => {
                println!("{}", store.create_app(id.as_deref(), name, &desk.actor).await?.id);
            }
            AppCommand::List => {
                let mut after = String::new();
                loop {
                    let apps = store.apps(&after, LISTED).await?;
                    let Some(last) = apps.last() else { break };
                    after.clone_from(&last.id);
                    apps.iter().filter(|app| app.state != AppState::Deleted).for_each(list_app);
                }
            }
            AppCommand::Suspend { id } => list_app(&store.suspend_app(id, true, &desk.actor).await?),
            AppCommand::Resume { id } => list_app(&store.suspend_app(id, false, &desk.actor).await?),
            AppCommand::Delete { id, yes_delete } => {
                if id != yes_delete {
                    return Err("--yes-delete repeats the id of the app".into());
                }
                store.delete_app(id, &desk.actor).await?;
                let mut rows = 0;
                loop {
                    match store.erase_step().await? {
                        Erased::Rows(gone) => rows += gone,
                        Erased::App(gone) if gone != *id => {}
                        Erased::App(_) | Erased::Nothing => break,
                    }
                }
                println!("{id}: deleted with {rows} rows of data");
            }
        }
        Ok(())
    })
}

/// `tutti key`.
pub(crate) fn key(flags: &KeyFlags) -> Result<(), Box<dyn Error>> {
    run(async {
        let desk = Desk::new(&flags.place)?;
        let store = desk.open().await?;
        match &flags.command {
            KeyCommand::Create { app, name, scope, expires_in } => {
                let expires_ms = expires_in.map(|after| now_ms().saturating_add(millis(after)));
                let new = NewKey { name: name.clone(), scope: *scope, expires_ms, known: None };
                show(&store.create_key(app, new, &*desk.master(&[])?, &desk.actor).await?);
            }
            KeyCommand::List { app } => store.keys(app).await?.iter().for_each(list_key),
            KeyCommand::Rotate { id, overlap } => {
                show(&store.rotate_key(id, millis(*overlap), &*desk.master(&[])?, &desk.actor).await?);
            }
            KeyCommand::Disable { id } => list_key(&store.disable_key(id, &desk.actor).await?),
            KeyCommand::Enable { id } => list_key(&store.enable_key(id, &desk.actor).await?),
            KeyCommand::Reseal { old } => {
                let master = desk.master(old)?;
                println!(
                    "{} secrets sealed by master key {}",
                    store.reseal_keys(&master, &desk.actor).await?,
                    master.id()
                );
            }
        }
        Ok(())
    })
}

/// The only place where a secret is shown.
fn show((key, secret): &(ApiKey, Secret)) {
    println!("API key: {}\nSecret:  {}\nThe secret is not shown again.", key.id, secret.expose());
}

fn list_app(app: &App) {
    let state = serde_yaml_ng::to_string(&app.state).unwrap_or_default();
    println!("{}  {}  {}", app.id, state.trim(), app.name);
}

fn list_key(key: &ApiKey) {
    let now_ms = now_ms();
    let state = match (key.disabled_ms, key.expires_ms) {
        (Some(_), _) => "disabled".to_owned(),
        (None, Some(end)) if end <= now_ms => "expired".to_owned(),
        (None, Some(end)) => format!("for {} s", (end - now_ms) / 1000),
        (None, None) => "active".to_owned(),
    };
    let used = key.used_ms.map_or("never used".to_owned(), |at| format!("used {} s ago", (now_ms - at).max(0) / 1000));
    println!("{}  {}  {}  {state}  {used}  {}", key.id, key.app, key.scope, key.name);
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn now_ms() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
