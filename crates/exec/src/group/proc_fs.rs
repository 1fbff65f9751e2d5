//! Reading the process table.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

use super::Pid;

/// One line of `/proc/PID/stat`, as far as it is needed.
struct Stat {
    state: char,
    parent: Pid,
    group: Pid,
    session: Pid,
    start_time: u64,
}

impl Stat {
    fn is_living(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// Parses after the last `)`: the name before it may hold anything.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let start_time = fields.nth(15)?.parse().ok()?;
    Some(Stat { state, parent, group, session, start_time })
}

fn stat_of(pid: Pid) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn all_pids() -> io::Result<Vec<Pid>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// Clock ticks after boot at which a process started. With its id it names a process for good:
/// ids are used again, pairs are not.
pub fn process_start_time(pid: Pid) -> Option<u64> {
    stat_of(pid).map(|stat| stat.start_time)
}

/// The process that a process is a child of now.
pub fn parent_of(pid: Pid) -> Option<Pid> {
    stat_of(pid).map(|stat| stat.parent)
}

/// Whether the very process that had this start time still runs (a zombie does not).
pub fn is_alive(pid: Pid, start_time: u64) -> bool {
    stat_of(pid).is_some_and(|stat| stat.start_time == start_time && stat.is_living())
}

/// Processes, this one excepted, that were started with `key=value` in their environment and that
/// this user may look at. Finds what a crashed predecessor left behind.
pub fn processes_with_env(key: &str, value: &str) -> Vec<Pid> {
    let wanted = format!("{key}={value}");
    let own = std::process::id();
    let others = all_pids().unwrap_or_default().into_iter().filter(|pid| *pid != own);
    others.filter(|pid| has_in_environment(*pid, &wanted)).collect()
}

fn has_in_environment(pid: Pid, entry: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
        environ.split(|byte| *byte == 0).any(|found| found == entry.as_bytes())
    })
}

/// Living processes that came from one command: in its group or session, descended from it, or
/// marked with `key=value`. Never this process.
pub(crate) fn related_processes(leader: Pid, key: &str, value: &str) -> Vec<Pid> {
    let wanted = format!("{key}={value}");
    let own = std::process::id();
    let mut related: HashSet<Pid> =
        descendants_of(leader).unwrap_or_default().into_iter().collect();
    for pid in all_pids().unwrap_or_default() {
        let Some(stat) = stat_of(pid).filter(Stat::is_living) else { continue };
        let belongs = stat.group == leader || stat.session == leader;
        if belongs || (!related.contains(&pid) && has_in_environment(pid, &wanted)) {
            related.insert(pid);
        }
    }
    related.remove(&own);
    related.into_iter().collect()
}

/// Living descendants, children before their own children. Zombies are passed through, not named.
pub(crate) fn descendants_of(root: Pid) -> io::Result<Vec<Pid>> {
    let mut children: HashMap<Pid, Vec<(Pid, bool)>> = HashMap::new();
    for pid in all_pids()? {
        if let Some(stat) = stat_of(pid) {
            children.entry(stat.parent).or_default().push((pid, stat.is_living()));
        }
    }
    let mut found = Vec::new();
    let mut queue = vec![root];
    while let Some(parent) = queue.pop() {
        // Taken out of the map, so that a torn reading with a cycle in it still ends.
        for (pid, alive) in children.remove(&parent).unwrap_or_default() {
            queue.push(pid);
            if alive {
                found.push(pid);
            }
        }
    }
    Ok(found)
}

/// Whether `/proc` shows the PID namespace that this process lives in.
pub(crate) fn own_proc_is_right() -> bool {
    fs::read_link("/proc/self")
        .is_ok_and(|link| link.to_str() == Some(std::process::id().to_string().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_confuse() {
        let text = "42 (a) b (c)) S 7 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.state, stat.parent, stat.start_time), ('S', 7, 987_654));
    }

    #[test]
    fn torn_lines_are_no_process() {
        assert!(parse_stat("").is_none());
        assert!(parse_stat("42 (x").is_none());
        assert!(parse_stat("42 (x) S 1 2").is_none());
    }

    #[test]
    fn this_process_is_alive_and_an_impostor_is_not() {
        let own = std::process::id();
        let start = process_start_time(own).unwrap();
        assert!(is_alive(own, start));
        assert!(!is_alive(own, start + 1));
    }
}
