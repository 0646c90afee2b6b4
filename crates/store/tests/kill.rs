//! A process that is killed at any moment loses nothing that it had appended.

mod databases;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use databases::Folder;
use tutti_store::{BYTES_MAX_DEFAULT, Journal};

/// Tells the child where its journal is.
const FOLDER: &str = "JOURNAL_OF_THE_CHILD";
/// Times that the child is killed.
const KILLS: usize = 20;

/// Appends numbered entries as fast as it can and says each number when it is in, until it is killed.
#[test]
#[ignore = "the child of the test below"]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let (journal, mut reader, recovered) =
        Journal::open(Path::new(&folder), BYTES_MAX_DEFAULT).expect("the journal opens");
    println!("recovered {}", recovered.entries);
    // As the writer does: now and then what is old is released.
    for number in next(&mut reader).. {
        journal.append(format!("{number} {}", "x".repeat(number % 997)).as_bytes()).expect("there is room");
        println!("in {number}");
        if number % 50 == 0 {
            let (entries, behind) = reader.read(40, 1 << 20).expect("read");
            reader.release(behind, entries.len()).expect("released");
        }
    }
}

/// The number after the last one in the journal.
fn next(reader: &mut tutti_store::Reader) -> usize {
    let (entries, _) = reader.read(usize::MAX, usize::MAX >> 8).expect("read");
    entries.last().map_or(0, |last| number(last) + 1)
}

fn number(entry: &[u8]) -> usize {
    let text = std::str::from_utf8(entry).expect("it is text");
    let (number, rest) = text.split_once(' ').expect("a number and a rest");
    let number = number.parse().expect("a number");
    assert_eq!(rest.len(), number % 997, "an entry is whole");
    number
}

#[test]
fn a_killed_process_loses_nothing() {
    let folder = Folder::new();
    let mut seed = fastrand::Rng::with_seed(11);
    let mut said = None;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "child", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        // Killed in the middle of its work, after a number of entries that differs each time.
        let enough = seed.usize(1..400);
        let mut count = 0;
        while count < enough {
            let line = lines.next().expect("it goes on").expect("a line");
            count += usize::from(line.contains("in "));
        }
        child.kill().expect("SIGKILL");
        let mut last = said;
        for line in lines.map_while(Result::ok) {
            last = line.strip_prefix("in ").and_then(|number| number.parse().ok()).or(last);
        }
        child.wait().expect("it ended");
        said = last;

        let (_journal, mut reader, recovered) =
            Journal::open(folder.path(), BYTES_MAX_DEFAULT).expect("the journal opens");
        assert_eq!(recovered.damaged, 0, "kill {kill}");
        let (entries, _) = reader.read(usize::MAX, usize::MAX >> 8).expect("read");
        assert_eq!(entries.len() as u64, recovered.entries);
        let numbers: Vec<usize> = entries.iter().map(|entry| number(entry)).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "kill {kill}: in order, without holes");
        assert!(numbers.last().copied() >= said, "kill {kill}: {said:?} was said to be in, {:?} is", numbers.last());
    }
}
