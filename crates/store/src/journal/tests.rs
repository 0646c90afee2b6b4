//! What a journal keeps: cut at any place, damaged at any place, full, in many files.

use super::*;

/// A folder of its own, gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("tutti-journal-{name}-{}-{}", std::process::id(), fastrand::u64(..)));
        fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn files(&self) -> Vec<String> {
        let names =
            fs::read_dir(&self.0).expect("the folder").filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("facts-")).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(folder: &Folder) -> (Journal, Reader, Recovered) {
    Journal::open(&folder.0, BYTES_MAX_DEFAULT).expect("the journal opens")
}

/// All entries that can be read, without releasing them.
fn read(reader: &mut Reader) -> Vec<Vec<u8>> {
    reader.read(usize::MAX, usize::MAX >> 8).expect("the journal is read").0
}

fn entry(number: usize) -> Vec<u8> {
    format!("entry {number} {}", "x".repeat(number % 13)).into_bytes()
}

#[test]
fn entries_come_in_order_until_they_are_released() {
    let folder = Folder::new("order");
    let (journal, mut reader, recovered) = open(&folder);
    assert_eq!((recovered.entries, recovered.cut_bytes, recovered.damaged), (0, 0, 0));
    for number in 0..10 {
        journal.append(&entry(number)).expect("there is room");
    }
    assert_eq!(journal.counts().depth, 10);
    let (first, behind) = reader.read(4, 1 << 20).expect("read");
    assert_eq!(first, (0..4).map(entry).collect::<Vec<_>>());
    assert_eq!(read(&mut reader).len(), 10, "nothing was released");
    reader.release(behind, 4).expect("released");
    assert_eq!(read(&mut reader), (4..10).map(entry).collect::<Vec<_>>());
    assert_eq!(journal.counts().depth, 6);
    // Another start reads what is in the file; that some of it was released is not known any more.
    drop((journal, reader));
    let (journal, mut reader, recovered) = open(&folder);
    assert_eq!(recovered.entries, 10);
    assert!(recovered.alive_ms.is_some_and(|at| at > 1_600_000_000_000), "{recovered:?}");
    journal.append(&entry(10)).expect("there is room");
    let (entries, end) = reader.read(usize::MAX, 1 << 20).expect("read");
    assert_eq!(entries, (0..11).map(entry).collect::<Vec<_>>());
    reader.release(end, 11).expect("released");
    assert_eq!(journal.counts().depth, 0);
    assert_eq!(folder.files().len(), 1, "the file of the start before is gone");
}

#[test]
fn a_journal_that_was_cut_anywhere_keeps_what_was_whole() {
    let source = Folder::new("cut-source");
    let (journal, reader, _) = open(&source);
    let mut ends = vec![MAGIC.len()];
    for number in 0..12 {
        journal.append(&entry(number)).expect("there is room");
        ends.push(ends[number] + HEAD_BYTES + entry(number).len());
    }
    drop((journal, reader));
    let name = source.files().remove(0);
    let content = fs::read(source.0.join(&name)).expect("the segment");
    assert_eq!(content.len(), ends[12]);
    for cut in 0..=content.len() {
        let folder = Folder::new("cut");
        fs::write(folder.0.join(&name), &content[..cut]).expect("a copy");
        let (journal, mut reader, recovered) = open(&folder);
        let whole = ends.iter().filter(|end| **end <= cut).count().saturating_sub(1);
        assert_eq!(recovered.entries as usize, whole, "cut at {cut}");
        assert_eq!(recovered.damaged, 0, "cut at {cut}");
        let behind = cut.saturating_sub(if cut < ends[0] { 0 } else { ends[whole] });
        assert_eq!(recovered.cut_bytes as usize, behind, "cut at {cut}");
        journal.append(b"after").expect("there is room");
        let must: Vec<_> = (0..whole).map(entry).chain([b"after".to_vec()]).collect();
        assert_eq!(read(&mut reader), must, "cut at {cut}");
    }
}

#[test]
fn damage_in_the_middle_costs_what_is_behind_it_and_is_kept() {
    let source = Folder::new("damage-source");
    let (journal, reader, _) = open(&source);
    for number in 0..6 {
        journal.append(&entry(number)).expect("there is room");
    }
    drop((journal, reader));
    let name = source.files().remove(0);
    let content = fs::read(source.0.join(&name)).expect("the segment");
    for at in 0..content.len() {
        let folder = Folder::new("damage");
        let mut damaged = content.clone();
        damaged[at] ^= 0x20;
        fs::write(folder.0.join(&name), &damaged).expect("a copy");
        let (journal, mut reader, recovered) = open(&folder);
        let (entries, end) = reader.read(usize::MAX, 1 << 20).expect("read");
        let must: Vec<_> = (0..6).map(entry).collect();
        assert!(must.starts_with(&entries) && entries.len() < 6, "damage at {at}: {entries:?}");
        assert_eq!(recovered.entries as usize, entries.len());
        assert!(recovered.damaged == 1 || recovered.cut_bytes > 0, "damage at {at} is said");
        reader.release(end, entries.len()).expect("released");
        assert_eq!(journal.counts().depth, 0);
        if recovered.damaged == 1 {
            assert!(folder.files().iter().any(|name| name.ends_with(".damaged")), "{:?}", folder.files());
        }
    }
}

#[test]
fn a_full_journal_refuses_and_counts() {
    let folder = Folder::new("full");
    let (journal, mut reader, _) = Journal::open(&folder.0, 4 << 20).expect("the journal opens");
    let long = vec![7; 1 << 20];
    for _ in 0..3 {
        journal.append(&long).expect("there is room");
    }
    assert!(matches!(journal.append(&long), Err(JournalError::Full { bytes_max }) if bytes_max == 4 << 20));
    assert!(matches!(journal.append(&vec![0; 9 << 20]), Err(JournalError::TooLong { .. })));
    assert_eq!((journal.counts().refused, journal.counts().depth), (2, 3));
    // An entry longer than what is asked for at a time comes alone.
    let (entries, behind) = reader.read(10, 1000).expect("read");
    assert_eq!(entries, vec![long.clone()]);
    reader.release(behind, 1).expect("released");
    let (entries, end) = reader.read(10, usize::MAX >> 8).expect("read");
    assert_eq!(entries.len(), 2);
    reader.release(end, 2).expect("released");
    journal.append(&long).expect("there is room again");
    assert_eq!(read(&mut reader), vec![long]);
}

#[test]
fn many_files_are_read_as_one() {
    let folder = Folder::new("many");
    let (journal, mut reader, _) = open(&folder);
    let mut seed = fastrand::Rng::with_seed(7);
    let mut written = std::collections::VecDeque::new();
    for number in 0..400 {
        let mut payload = vec![0; seed.usize(1..120_000)];
        seed.fill(&mut payload);
        journal.append(&payload).expect("there is room");
        written.push_back(payload);
        if number % 7 == 0 {
            let (entries, behind) = reader.read(seed.usize(1..9), seed.usize(1..400_000)).expect("read");
            for entry in &entries {
                assert!(written.pop_front().is_some_and(|first| first == *entry), "after {number}");
            }
            reader.release(behind, entries.len()).expect("released");
        }
    }
    assert!(
        folder.files().last().is_some_and(|name| name.as_str() > "facts-000000000002.journal"),
        "{:?}",
        folder.files()
    );
    assert!(written.iter().eq(read(&mut reader).iter()));
    assert_eq!(journal.counts().depth as usize, written.len());
    drop((journal, reader));
    let (_journal, mut reader, _) = open(&folder);
    let again = read(&mut reader);
    assert!(again.len() >= written.len() && written.iter().eq(again.iter().skip(again.len() - written.len())));
}
