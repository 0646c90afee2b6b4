//! What the client says of itself: `ClientInfo` from the query, completed from the `User-Agent` where the SDK runs in a
//! browser and leaves that to the server. Quirks are decided by it (docs/protocol.md#client-quirks), so it is complete
//! before the join.

use std::net::IpAddr;

use livekit_protocol as proto;
use proto::ClientInfo;
use proto::client_info::{Capability, Sdk};

use crate::query::Query;

/// Longest text taken from a query or a header, bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Reads the parameters of `/rtc` (docs/protocol.md#join-parameters).
pub(super) fn from_query(query: &Query) -> ClientInfo {
    let text = |name: &str| clip(query.get(name)).to_owned();
    ClientInfo {
        sdk: sdk(query.get("sdk")).into(),
        version: text("version"),
        protocol: query.number("protocol"),
        os: text("os"),
        os_version: text("os_version"),
        device_model: text("device_model"),
        browser: text("browser"),
        browser_version: text("browser_version"),
        network: text("network"),
        client_protocol: query.number("client_protocol"),
        capabilities: query
            .get("capabilities")
            .split(',')
            .filter_map(|name| Capability::from_str_name(name.trim()))
            .map(i32::from)
            .collect(),
        ..Default::default()
    }
}

/// Fills in the address, and what the `User-Agent` tells of the browser and the system.
pub(super) fn complete(client: &mut ClientInfo, user_agent: &str, address: IpAddr) {
    client.address = address.to_canonical().to_string();
    let in_browser = matches!(
        Sdk::try_from(client.sdk),
        Ok(Sdk::Unknown | Sdk::Js | Sdk::ReactNative | Sdk::Flutter | Sdk::Unity | Sdk::UnityWeb)
    );
    if !in_browser {
        return;
    }
    let user_agent = clip(user_agent);
    if client.browser.is_empty()
        && let Some((name, version)) = browser(user_agent)
    {
        client.browser = name.to_owned();
        client.browser_version = version.to_owned();
    }
    if client.os.is_empty()
        && let Some((name, version)) = system(user_agent)
    {
        client.os = name.to_owned();
        client.os_version = version.replace('_', ".");
    }
}

fn sdk(name: &str) -> Sdk {
    match name {
        "js" => Sdk::Js,
        "ios" | "swift" => Sdk::Swift,
        "android" => Sdk::Android,
        "flutter" => Sdk::Flutter,
        "go" => Sdk::Go,
        "unity" => Sdk::Unity,
        "reactnative" => Sdk::ReactNative,
        "rust" => Sdk::Rust,
        "python" => Sdk::Python,
        "cpp" => Sdk::Cpp,
        "unityweb" => Sdk::UnityWeb,
        "node" => Sdk::Node,
        "esp32" => Sdk::Esp32,
        "dotnet" => Sdk::Dotnet,
        _ => Sdk::Unknown,
    }
}

/// Family and version of a browser. The first match counts: most browsers claim to be several others as well.
fn browser(user_agent: &str) -> Option<(&'static str, &str)> {
    let mobile = user_agent.contains("Mobile") || user_agent.contains("Android");
    let table = [
        ("Edg/", "Edge", "Edge"),
        ("EdgA/", "Edge Mobile", "Edge Mobile"),
        ("EdgiOS/", "Edge Mobile", "Edge Mobile"),
        ("OPR/", "Opera", "Opera Mobile"),
        ("SamsungBrowser/", "Samsung Internet", "Samsung Internet"),
        ("FxiOS/", "Firefox iOS", "Firefox iOS"),
        ("Firefox/", "Firefox", "Firefox Mobile"),
        ("CriOS/", "Chrome Mobile iOS", "Chrome Mobile iOS"),
        ("HeadlessChrome/", "HeadlessChrome", "HeadlessChrome"),
        ("Chrome/", "Chrome", "Chrome Mobile"),
    ];
    for (mark, desktop, handheld) in table {
        if let Some(version) = version_after(user_agent, mark) {
            return Some((if mobile { handheld } else { desktop }, version));
        }
    }
    let version = version_after(user_agent, "Version/")?;
    user_agent.contains("Safari/").then_some((if mobile { "Mobile Safari" } else { "Safari" }, version))
}

/// Family and version of an operating system.
fn system(user_agent: &str) -> Option<(&'static str, &str)> {
    let table = [
        ("Windows NT ", "Windows"),
        ("Android ", "Android"),
        ("CPU iPhone OS ", "iOS"),
        ("CPU OS ", "iOS"),
        ("Mac OS X ", "Mac OS X"),
        ("CrOS ", "Chrome OS"),
        ("Android", "Android"),
        ("Linux", "Linux"),
    ];
    table.into_iter().find_map(|(mark, name)| Some((name, version_after(user_agent, mark)?)))
}

/// The digits, dots and underscores that follow a mark.
fn version_after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(mark)?;
    let end = rest.find(|char: char| !char.is_ascii_digit() && char != '.' && char != '_').unwrap_or(rest.len());
    rest.get(..end)
}

/// As much of a text as is kept.
fn clip(text: &str) -> &str {
    let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn user_agents() {
        let cases = [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
                ("Firefox", "141.0"),
                ("Linux", ""),
            ),
            (
                "Mozilla/5.0 (Android 14; Mobile; rv:141.0) Gecko/141.0 Firefox/141.0",
                ("Firefox Mobile", "141.0"),
                ("Android", "14"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
                ("Chrome", "139.0.0.0"),
                ("Linux", ""),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/139.0.0.0 Safari/537.36",
                ("HeadlessChrome", "139.0.0.0"),
                ("Linux", ""),
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
                ("Chrome Mobile", "139.0.0.0"),
                ("Android", "10"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
                ("Edge", "139.0.0.0"),
                ("Windows", "10.0"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
                ("Safari", "18.3"),
                ("Mac OS X", "10.15.7"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1",
                ("Mobile Safari", "18.3"),
                ("iOS", "18.3"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/141.0 Mobile/15E148 Safari/605.1.15",
                ("Firefox iOS", "141.0"),
                ("iOS", "18.3"),
            ),
            ("Version/", ("", ""), ("", "")),
            ("curl/8.5.0", ("", ""), ("", "")),
            ("", ("", ""), ("", "")),
        ];
        for (user_agent, browser, os) in cases {
            let mut client = ClientInfo { sdk: Sdk::Js.into(), ..Default::default() };
            complete(&mut client, user_agent, Ipv4Addr::LOCALHOST.into());
            assert_eq!((client.browser.as_str(), client.browser_version.as_str()), browser, "{user_agent}");
            assert_eq!((client.os.as_str(), client.os_version.as_str()), os, "{user_agent}");
        }
    }

    #[test]
    fn what_the_client_says_wins() {
        let query = Query::parse(
            "sdk=js&version=2.23.0&protocol=17&client_protocol=2&browser=Netscape&browser_version=4&os=BeOS&network=wifi\
             &device_model=K&capabilities=CAP_PACKET_TRAILER,%20CAP_NONSENSE,CAP_COMPRESSION_DEFLATE_RAW",
        );
        let mut client = from_query(&query);
        complete(&mut client, "Firefox/141.0 (Linux)", Ipv6Addr::LOCALHOST.into());
        assert_eq!((client.protocol, client.client_protocol, client.version.as_str()), (17, 2, "2.23.0"));
        assert_eq!((client.browser.as_str(), client.browser_version.as_str()), ("Netscape", "4"));
        assert_eq!((client.os.as_str(), client.network.as_str(), client.address.as_str()), ("BeOS", "wifi", "::1"));
        assert_eq!(client.capabilities.len(), 2);
    }

    #[test]
    fn native_sdks_have_no_browser() {
        let mut client = from_query(&Query::parse("sdk=python"));
        complete(&mut client, "Firefox/141.0 (Linux)", Ipv4Addr::LOCALHOST.into());
        assert!(client.browser.is_empty() && client.os.is_empty());
    }

    #[test]
    fn texts_are_bounded() {
        let client = from_query(&Query::parse(&format!("version={}", "é".repeat(500))));
        assert_eq!(client.version.len(), TEXT_BYTES_MAX);
    }
}
