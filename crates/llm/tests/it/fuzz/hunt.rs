//! The loop: mutate, run, keep what behaves in a new way, make small what fails.
//!
//! It is guided by behaviour, not by coverage, which needs a compiler that is not stable.

use std::collections::HashSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::mutate::{Dice, mutated};
use super::targets::{Target, directory};

/// How long to look.
#[derive(Debug, Clone, Copy)]
pub(super) enum Effort {
    Inputs(u64),
    Time(Duration),
}

pub(super) struct Report {
    pub(super) inputs: u64,
    pub(super) behaviours: usize,
}

/// An input that takes longer is a failure, in a build without optimisation.
const SLOW: Duration = Duration::from_secs(5);

/// An input that takes this long never ends.
const HANGS: Duration = Duration::from_secs(120);

/// Inputs of new behaviour that are kept beside the corpus.
const KEPT: usize = 4000;

pub(super) fn hunt(target: &Target, effort: Effort, seed: u64) -> Report {
    let mut seen = HashSet::new();
    let mut pool = target.corpus.clone();
    for input in &target.corpus {
        seen.insert(attempt(target, input));
    }
    let begun = Instant::now();
    let current = match effort {
        Effort::Inputs(_) => None,
        Effort::Time(_) => Some(Current::new(&target.name)),
    };
    let mut dice = Dice::new(seed);
    let mut inputs = 0;
    while match effort {
        Effort::Inputs(most) => inputs < most,
        Effort::Time(limit) => begun.elapsed() < limit,
    } {
        let input = mutated(&pool, &mut dice);
        // What ends the process, or never returns, leaves its input behind.
        if let Some(current) = &current {
            current.begin(&input);
        }
        if seen.insert(attempt(target, &input)) && pool.len() < target.corpus.len() + KEPT {
            pool.push(input);
        }
        inputs += 1;
    }
    Report { inputs, behaviours: seen.len() }
}

/// The input that runs, on disk, and a watch over it.
struct Current {
    file: PathBuf,
    begun: Arc<AtomicU64>,
}

impl Current {
    fn new(target: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join(target);
        let begun = Arc::new(AtomicU64::new(0));
        let (watched, shown) = (Arc::downgrade(&begun), file.clone());
        // Nobody would capture what is said here: the process ends.
        #[allow(clippy::print_stderr)]
        std::thread::spawn(move || {
            let mut last = 0;
            loop {
                std::thread::sleep(HANGS);
                let Some(begun) = watched.upgrade() else { return };
                let now = begun.load(Ordering::Relaxed);
                if std::mem::replace(&mut last, now) == now {
                    eprintln!("no end in {HANGS:?} for {}", shown.display());
                    std::process::abort();
                }
            }
        });
        Self { file, begun }
    }

    fn begin(&self, input: &[u8]) {
        fs::write(&self.file, input).unwrap();
        self.begun.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
    }
}

fn attempt(target: &Target, input: &[u8]) -> u64 {
    let begun = Instant::now();
    match outcome(target, input) {
        Ok(_) if begun.elapsed() > SLOW => {
            let file = keep(target, input);
            panic!("{} took {:?} for {}", target.name, begun.elapsed(), file.display());
        }
        Ok(behaviour) => behaviour,
        Err(message) => {
            let hook = std::panic::take_hook();
            std::panic::set_hook(Box::new(|_| {}));
            let small = smaller(target, input.to_vec());
            std::panic::set_hook(hook);
            let file = keep(target, &small);
            panic!("{} fails for {}: {message}", target.name, file.display());
        }
    }
}

fn outcome(target: &Target, input: &[u8]) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("it panicked").to_owned()
    })
}

/// Leaves out what the failure does not need: ever smaller pieces, as long as that helps, for a minute at most.
fn smaller(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let begun = Instant::now();
    let mut piece = input.len() / 2;
    while piece > 0 && begun.elapsed() < Duration::from_secs(60) {
        let mut at = 0;
        while at < input.len() {
            let mut less = input.clone();
            less.drain(at..(at + piece).min(input.len()));
            if outcome(target, &less).is_err() {
                input = less;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    input
}

/// Into the corpus, where it is a test from now on.
fn keep(target: &Target, input: &[u8]) -> PathBuf {
    let dir = directory(&target.name);
    fs::create_dir_all(&dir).unwrap();
    let name = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let file = dir.join(format!("found-{name:016x}"));
    fs::write(&file, input).unwrap();
    file
}
