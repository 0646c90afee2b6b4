//! `tutti token`: prints an access token.

use std::error::Error;
use std::time::SystemTime;

use tutti_token::{Claims, Keys, Secret, VideoGrants};

use crate::cli::{ServeFlags, TokenFlags};
use crate::config::{Config, ConfigError};

pub(crate) fn run(flags: &TokenFlags) -> Result<(), Box<dyn Error>> {
    let (keys, api_key) = key(flags)?;
    let token = keys.sign(&api_key, &claims(flags), SystemTime::now(), flags.ttl)?;
    match &flags.url {
        Some(url) => println!("{}", demo_link(url, &token)),
        None => println!("{token}"),
    }
    Ok(())
}

/// The token stands behind the `#`: a browser keeps that to itself.
fn demo_link(url: &str, token: &str) -> String {
    let url = match url.split_once("://") {
        Some(("ws", rest)) => format!("http://{rest}"),
        Some(("wss", rest)) => format!("https://{rest}"),
        _ => url.to_owned(),
    };
    format!("{}/#token={token}", url.trim_end_matches('/'))
}

/// The keys to sign with, and the name of the one to take.
fn key(flags: &TokenFlags) -> Result<(Keys, String), ConfigError> {
    if let (Some(api_key), Some(secret)) = (&flags.api_key, &flags.api_secret) {
        return Ok((Keys::one(api_key, Secret::new(secret)), api_key.clone()));
    }
    let serve = ServeFlags { dev: flags.dev, config: flags.config.clone(), ..Default::default() };
    let keys = Config::load(&serve)?.keys();
    let dev_key = flags.dev.then_some(crate::config::DEV_KEY);
    let api_key = flags.api_key.as_deref().or(dev_key).or_else(|| keys.names().next()).ok_or(ConfigError::NoKeys)?;
    let api_key = api_key.to_owned();
    Ok((keys, api_key))
}

fn claims(flags: &TokenFlags) -> Claims {
    Claims {
        sub: flags.identity.clone(),
        name: flags.name.clone(),
        metadata: flags.metadata.clone(),
        attributes: flags.attributes.iter().cloned().collect(),
        kind: flags.kind,
        video: VideoGrants {
            room_join: true,
            room: flags.room.clone(),
            room_create: flags.room_create,
            room_list: flags.room_list,
            room_admin: flags.room_admin,
            can_publish: flags.can_publish,
            can_subscribe: flags.can_subscribe,
            can_publish_data: flags.can_publish_data,
            can_publish_sources: flags.can_publish_sources.clone(),
            can_update_own_metadata: flags.can_update_own_metadata,
            hidden: flags.hidden,
            recorder: flags.recorder,
            ..VideoGrants::default()
        },
        ..Claims::default()
    }
}

#[cfg(test)]
mod tests {
    use super::demo_link;

    #[test]
    fn links() {
        for (url, link) in [
            ("http://localhost:7880", "http://localhost:7880/#token=t"),
            ("http://localhost:7880/", "http://localhost:7880/#token=t"),
            ("wss://example.org/live", "https://example.org/live/#token=t"),
            ("ws://example.org", "http://example.org/#token=t"),
        ] {
            assert_eq!(demo_link(url, "t"), link, "{url}");
        }
    }
}
