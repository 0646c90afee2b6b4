//! CPU time of a process, as Linux tells it in `/proc/<pid>/stat` (proc_pid_stat(5)).

use std::time::Duration;

/// Ticks a second: `USER_HZ`, which is 100 on every architecture that Linux runs on today.
const TICKS_PER_S: u64 = 100;

/// User and system time of a process since its start; of ourselves for `None`. `None` where it cannot be told.
pub(crate) fn cpu_time(pid: Option<u32>) -> Option<Duration> {
    let name = pid.map_or("self".to_owned(), |pid| pid.to_string());
    parse(&std::fs::read_to_string(format!("/proc/{name}/stat")).ok()?)
}

fn parse(stat: &str) -> Option<Duration> {
    // The name of the command is in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    // Fields 14 and 15; the first behind the name is field 3.
    let user: u64 = fields.nth(11)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS_PER_S))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 20 0 9 0 1";
        assert_eq!(parse(stat), Some(Duration::from_secs(3)));
        assert_eq!(parse("7 (a) S 1"), None);
        assert_eq!(parse(""), None);
    }
}
