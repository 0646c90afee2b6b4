//! The table of rows in docs/compatibility.md: all 45 are there, each has a test or says why it has none, and every test
//! that the page names exists.

use std::path::Path;
use std::{fs, io};

const PAGE: &str = "docs/compatibility.md";
/// Rows of the protocol's list of traps.
const ROWS: usize = 45;
/// How a row without a test begins its last cell.
const REASON: &str = "None:";

/// A link to a test: `[path::name](target)`.
#[derive(Debug, PartialEq, Eq)]
struct Named<'a> {
    path: &'a str,
    test: &'a str,
    target: &'a str,
}

/// Reads the page and the files that it names.
pub(super) fn check(root: &Path) -> io::Result<Vec<String>> {
    let page = fs::read_to_string(root.join(PAGE))?;
    let mut findings = unproven(&page);
    for named in tests(&page) {
        let Named { path, test, target } = named;
        let text = fs::read_to_string(root.join(path)).unwrap_or_default();
        if target.strip_prefix("../") != Some(path) {
            findings.push(format!("{PAGE}: {path}::{test} leads to {target}"));
        } else if !holds(&text, test) {
            findings.push(format!("{PAGE}: no test {path}::{test}"));
        }
    }
    Ok(findings)
}

/// Rows that are missing, out of order, or without test and reason.
fn unproven(page: &str) -> Vec<String> {
    let rows: Vec<(usize, &str)> = page.lines().filter_map(numbered).collect();
    let mut findings: Vec<String> = rows
        .iter()
        .filter(|(_, proof)| tests(proof).is_empty() && !proof.starts_with(REASON))
        .map(|(number, _)| format!("{PAGE}: row {number} has neither a test nor a reason"))
        .collect();
    if !rows.iter().map(|(number, _)| *number).eq(1..=ROWS) {
        findings.push(format!("{PAGE}: the rows are not 1 to {ROWS}"));
    }
    findings
}

/// Number and last cell of a line `| 7 | … | … |`.
fn numbered(line: &str) -> Option<(usize, &str)> {
    let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
    let (number, cells) = cells.split_once(" | ")?;
    let (_, proof) = cells.split_once(" | ")?;
    Some((number.parse().ok()?, proof))
}

fn tests(text: &str) -> Vec<Named<'_>> {
    let links = text.split('[').skip(1).filter_map(|link| {
        let (name, rest) = link.split_once("](")?;
        let (path, test) = name.trim_matches('`').split_once("::")?;
        Some(Named { path, test, target: rest.split_once(')')?.0 })
    });
    links.collect()
}

/// Whether a file has a test of this name, in Rust, Python or JavaScript.
fn holds(text: &str, test: &str) -> bool {
    let mut attributed = false;
    for line in text.lines().map(str::trim_start) {
        let declared = line.strip_prefix("async ").unwrap_or(line);
        let named =
            |keyword: &str| declared.strip_prefix(keyword).is_some_and(|rest| rest.starts_with(&format!("{test}(")));
        let python = test.starts_with("test_") && named("def ");
        let script = line.starts_with(&format!("test('{test}'"));
        if python || script || (attributed && named("fn ")) {
            return true;
        }
        attributed =
            line.starts_with("#[test]") || line.starts_with("#[tokio::test") || (attributed && line.starts_with("#["));
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted() {
        let row = |number: usize| format!("| {number} | says | [`a.rs::b`](../a.rs) |\n");
        let page: String = (1..=ROWS).map(row).collect();
        assert_eq!(unproven(&page), Vec::<String>::new());
        let short = page.replace(&row(7), "");
        assert_eq!(unproven(&short), ["docs/compatibility.md: the rows are not 1 to 45"]);
        let bare = page.replace("| 7 | says | [`a.rs::b`](../a.rs) |", "| 7 | says | trust us |");
        assert_eq!(unproven(&bare), ["docs/compatibility.md: row 7 has neither a test nor a reason"]);
        let reasoned =
            page.replace("| 7 | says | [`a.rs::b`](../a.rs) |", "| 7 | says | None: there is no such thing |");
        assert_eq!(unproven(&reasoned), Vec::<String>::new());
    }

    #[test]
    fn tests_are_found() {
        let named = Named { path: "a/b.rs", test: "c", target: "../a/b.rs" };
        assert_eq!(tests("x [y](z) [`a/b.rs::c`](../a/b.rs), more"), [named]);
        for (text, found) in [
            ("#[test]\nfn c() {}", true),
            ("#[tokio::test(flavor = \"x\")]\n#[allow(deprecated)]\nasync fn c() {", true),
            ("    #[test]\n    fn c() {", true),
            ("fn c() {}", false),
            ("#[test]\nfn cc() {}", false),
            ("#[test]\nfn b() {}\nfn c() {}", false),
        ] {
            assert_eq!(holds(text, "c"), found, "{text}");
        }
        assert!(holds("async def test_c(pair):", "test_c") && holds("def test_c(pair):", "test_c"));
        assert!(!holds("async def other_c(pair):", "other_c"));
        assert!(holds("  test('it works', async () => {", "it works"));
    }
}
