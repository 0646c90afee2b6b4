//! Links between pages, and from comments to pages: the file is there, and so is the heading.
//!
//! A page links as Markdown does, from its own folder: `[limits](operation.md#limits-of-the-system)`. A comment names
//! a page from the root: `docs/tokens.md`. Addresses on the web are not followed.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::sources::walk;

/// What a comment line begins with, in the languages of the tree.
const COMMENTS: [&str; 4] = ["//", "#", "*", "/*"];
/// Where pages that comments name are.
const PAGES: &str = "docs/";

/// Reads every file twice: for what can be linked to, and for links.
pub(super) fn check(root: &Path) -> io::Result<Vec<String>> {
    let mut anchors = BTreeMap::new();
    let mut links = Vec::new();
    walk(root, "", &mut |path, extension, text| {
        if extension == "md" {
            let prose = prose(text);
            anchors.insert(path.to_owned(), headings(&prose));
            let found =
                targets(&prose).filter_map(|link| Some((path.to_owned(), link.to_owned(), resolve(path, link)?)));
            links.extend(found);
        } else {
            links.extend(citations(text).map(|link| (path.to_owned(), link.to_owned(), link.to_owned())));
        }
    })?;
    let findings = links.into_iter().filter_map(|(path, link, target)| {
        let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let fault = match anchors.get(file) {
            Some(headings) if anchor.is_empty() || headings.iter().any(|heading| heading == anchor) => return None,
            Some(_) => "has no such heading",
            None if root.join(file).exists() && anchor.is_empty() => return None,
            None => "is not there",
        };
        Some(format!("{path}: {link}: {file} {fault}"))
    });
    Ok(findings.collect())
}

/// A page without its blocks of code.
fn prose(page: &str) -> String {
    let mut fenced = false;
    let mut prose = String::with_capacity(page.len());
    for line in page.lines() {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        if !fenced && !fence {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// The anchors of a page's headings, as GitHub and most renderers make them.
fn headings(prose: &str) -> Vec<String> {
    let (mut anchors, mut slugs) = (Vec::new(), Vec::new());
    for line in prose.lines() {
        let Some((level, heading)) = line.split_once(' ') else { continue };
        if level.is_empty() || !level.chars().all(|c| c == '#') {
            continue;
        }
        let anchor = slug(heading);
        let count = slugs.iter().filter(|other| **other == anchor).count();
        anchors.push(if count == 0 { anchor.clone() } else { format!("{anchor}-{count}") });
        slugs.push(anchor);
    }
    anchors
}

fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter_map(|c| match c {
        ' ' => Some('-'),
        '-' | '_' => Some(c),
        _ => c.is_alphanumeric().then_some(c),
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// Targets of `[text](target)`.
fn targets(prose: &str) -> impl Iterator<Item = &str> {
    prose.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target.trim()))
}

/// A link's target from the root, for a link on `page`; none for one that leads out of the tree of files.
fn resolve(page: &str, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    if link.starts_with('#') {
        return Some(format!("{page}{link}"));
    }
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Pages that comments name.
fn citations(text: &str) -> impl Iterator<Item = &str> {
    let comments = text.lines().map(str::trim_start).filter(|line| COMMENTS.iter().any(|sign| line.starts_with(sign)));
    comments.flat_map(|line| {
        let starts = line.match_indices(PAGES).map(|(at, _)| at);
        starts.filter_map(|at| {
            let rest = line.get(at..)?;
            let is_part = |c: char| c.is_alphanumeric() || "/._-#".contains(c);
            let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let link = rest.get(..end)?.trim_end_matches(['.', '#']);
            link.contains(".md").then_some(link)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::sources::Scratch;

    #[test]
    fn headings_become_anchors() {
        let page = "# The 45 rows\n\n## `Join`, and *after*\n```sh\n# no heading\n```\n#none\n## Stop\n### Stop\n## A_b-c: d/e\n";
        assert_eq!(headings(&prose(page)), ["the-45-rows", "join-and-after", "stop", "stop-1", "a_b-c-de"]);
    }

    #[test]
    fn links_are_resolved_from_their_page() {
        for (page, link, target) in [
            ("README.md", "docs/api.md", Some("docs/api.md")),
            ("docs/api.md", "tokens.md#grants", Some("docs/tokens.md#grants")),
            ("docs/api.md", "../fuzz/README.md", Some("fuzz/README.md")),
            ("docs/api.md", "#errors", Some("docs/api.md#errors")),
            ("docs/api.md", "../deploy/", Some("deploy")),
            ("docs/api.md", "https://example.org/docs/none.md", None),
            ("docs/api.md", "mailto:a@example.org", None),
        ] {
            assert_eq!(resolve(page, link).as_deref(), target, "{page} {link}");
        }
    }

    #[test]
    fn comments_name_pages() {
        let text = "//! Order (docs/protocol.md#order-of-messages).\nlet page = \"docs/none.md\";\n    // See docs/a.md, docs/b.md#c.\n\
                    # docs/images/x.png\n * docs/load.md; and\n";
        let found: Vec<_> = citations(text).collect();
        assert_eq!(found, ["docs/protocol.md#order-of-messages", "docs/a.md", "docs/b.md#c", "docs/load.md"]);
    }

    #[test]
    fn dead_links_are_found() {
        let tree = Scratch::with(&[
            ("README.md", "[a](docs/a.md) [b](docs/a.md#two) [c](docs/a.md#three) [d](docs/d.md) [e](#one)\n# One\n"),
            ("docs/a.md", "# Two\n[up](../README.md#one) [code](../x.rs) [none](#none)\n```sh\n[x](y)\n```\n"),
            ("x.rs", "//! See docs/a.md#two and docs/a.md#four and docs/z.md.\n"),
        ]);
        assert_eq!(
            check(&tree.0).expect("it can be read"),
            [
                "README.md: docs/a.md#three: docs/a.md has no such heading",
                "README.md: docs/d.md: docs/d.md is not there",
                "docs/a.md: #none: docs/a.md has no such heading",
                "x.rs: docs/a.md#four: docs/a.md has no such heading",
                "x.rs: docs/z.md: docs/z.md is not there",
            ]
        );
    }
}
