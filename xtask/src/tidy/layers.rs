//! Which crate may import which. The one table of layers; ARCHITECTURE.md tells the reasons.

use serde_json::Value;

/// Layers, lowest first. A crate imports crates of lower layers only.
const LAYERS: [(&str, &[&str]); 8] = [
    // Names that pass through every layer.
    ("name", &["tutti-id"]),
    ("wire", &["tutti-rtp", "tutti-sdp", "tutti-token", "tutti-limit", "tutti-json"]),
    ("core", &["tutti-transport", "tutti-forward", "tutti-room", "tutti-signal", "tutti-agent"]),
    ("shell", &["tutti-media", "tutti-cluster", "tutti-store"]),
    ("service", &["tutti-gateway", "tutti-api", "tutti-ledger"]),
    // The headless client is in the binary as `tutti load`; the server knows nothing of it.
    ("client", &["tutti-client"]),
    ("bin", &["tutti"]),
    // Tests of everything below; nothing imports it.
    ("test", &["tutti-harness", "tutti-netsim"]),
];

/// Arrows within a layer that are allowed all the same.
const SIDE_ARROWS: [(&str, &str); 5] = [
    ("tutti-token", "tutti-json"),
    ("tutti-signal", "tutti-room"),
    ("tutti-signal", "tutti-transport"),
    ("tutti-signal", "tutti-forward"),
    ("tutti-cluster", "tutti-media"),
];

/// Members of the workspace outside the house: chores and measurements. Nobody imports them, and they may import anything.
fn is_outside(name: &str) -> bool {
    name == "xtask" || name.starts_with("tutti-bench-")
}

/// Reads the output of `cargo metadata --no-deps`.
pub(super) fn check(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let members: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut findings = Vec::new();
    for package in packages {
        let Some(name) = package["name"].as_str() else { continue };
        if is_outside(name) {
            continue;
        }
        if layer(name).is_none() {
            findings.push(format!("crate {name} has no layer: give it one in xtask/src/tidy/layers.rs"));
            continue;
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            // Tests may reach for what they need.
            let is_dev = dependency["kind"].as_str() == Some("dev");
            let Some(imported) = dependency["name"].as_str() else { continue };
            if !is_dev && members.contains(&imported) {
                findings.extend(arrow(name, imported));
            }
        }
    }
    findings
}

/// What is wrong with one crate importing another, if anything.
fn arrow(from: &str, to: &str) -> Option<String> {
    let (Some((from_height, from_layer)), Some((to_height, to_layer))) = (layer(from), layer(to)) else {
        return Some(format!("{from} -> {to}: {to} belongs to no layer"));
    };
    if to_height < from_height || SIDE_ARROWS.contains(&(from, to)) {
        return None;
    }
    let direction = if to_height > from_height { "up" } else { "sideways" };
    Some(format!("{from} ({from_layer}) -> {to} ({to_layer}): this arrow points {direction}"))
}

fn layer(name: &str) -> Option<(usize, &'static str)> {
    LAYERS
        .iter()
        .enumerate()
        .find(|(_, (_, crates))| crates.contains(&name))
        .map(|(height, (layer, _))| (height, *layer))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arrows() {
        let cases = [
            ("tutti-room", "tutti-rtp", None),
            ("tutti", "tutti-token", None),
            ("tutti-signal", "tutti-room", None),
            ("tutti-cluster", "tutti-media", None),
            ("tutti-rtp", "tutti-room", Some("tutti-rtp (wire) -> tutti-room (core): this arrow points up")),
            (
                "tutti-media",
                "tutti-gateway",
                Some("tutti-media (shell) -> tutti-gateway (service): this arrow points up"),
            ),
            (
                "tutti-room",
                "tutti-signal",
                Some("tutti-room (core) -> tutti-signal (core): this arrow points sideways"),
            ),
            (
                "tutti-media",
                "tutti-cluster",
                Some("tutti-media (shell) -> tutti-cluster (shell): this arrow points sideways"),
            ),
            ("tutti-rtp", "tutti-rtp", Some("tutti-rtp (wire) -> tutti-rtp (wire): this arrow points sideways")),
            ("tutti", "xtask", Some("tutti -> xtask: xtask belongs to no layer")),
        ];
        for (from, to, finding) in cases {
            assert_eq!(arrow(from, to).as_deref(), finding, "{from} -> {to}");
        }
    }

    #[test]
    fn metadata_is_read() {
        let metadata = json!({"packages": [
            {"name": "tutti-rtp", "dependencies": [
                {"name": "serde", "kind": null},
                {"name": "tutti-room", "kind": "dev"},
                {"name": "tutti-media", "kind": null},
                {"name": "tutti-room", "kind": "build"},
            ]},
            {"name": "tutti-room", "dependencies": []},
            {"name": "tutti-media", "dependencies": [{"name": "tutti-rtp", "kind": null}]},
            {"name": "tutti-newcomer", "dependencies": []},
            {"name": "tutti-bench-forward", "dependencies": [{"name": "tutti-media", "kind": null}]},
            {"name": "xtask", "dependencies": [{"name": "tutti-media", "kind": null}]},
        ]});
        let findings = check(&metadata);
        assert_eq!(findings.len(), 3, "{findings:?}");
        assert!(findings[0].contains("tutti-rtp (wire) -> tutti-media (shell)"), "{findings:?}");
        assert!(findings[1].contains("tutti-rtp (wire) -> tutti-room (core)"), "{findings:?}");
        assert!(findings[2].contains("tutti-newcomer has no layer"), "{findings:?}");
    }

    #[test]
    fn side_arrows_stay_within_a_layer() {
        for (from, to) in SIDE_ARROWS {
            assert_eq!(layer(from).map(|(height, _)| height), layer(to).map(|(height, _)| height), "{from} -> {to}");
        }
    }
}
