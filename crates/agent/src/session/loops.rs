//! Detection of repeating tool calls (loop spec §2.10).

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

/// The longest cycle that is looked for.
const LONGEST_PATTERN: usize = 3;

/// Remembers the last tool calls of a session and the patterns that were warned of.
#[derive(Debug, Clone)]
pub(crate) struct LoopDetector {
    window: usize,
    recent: VecDeque<u64>,
    warned: BTreeSet<Vec<u64>>,
}

/// A cycle that had not been warned of before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LoopFound {
    /// How many calls the cycle has: 1, 2 or 3.
    pub(crate) pattern: usize,
    /// How many of the last calls follow it.
    pub(crate) calls: usize,
}

impl LoopDetector {
    /// A detector over the last `window` calls.
    pub(crate) fn new(window: usize) -> Self {
        Self { window, recent: VecDeque::new(), warned: BTreeSet::new() }
    }

    /// Takes note of one call.
    pub(crate) fn record(&mut self, name: &str, arguments: &Value) {
        self.recent.push_back(signature(name, arguments));
        while self.recent.len() > self.window {
            self.recent.pop_front();
        }
    }

    /// Looks for a cycle of length 1, 2 or 3 over the last `window - window % length` calls, at
    /// least two repetitions of it. Each cycle is reported once, wherever in it the window begins.
    pub(crate) fn check(&mut self) -> Option<LoopFound> {
        for length in 1..=LONGEST_PATTERN {
            let calls = self.window - self.window % length;
            if calls < 2 * length || self.recent.len() < calls {
                continue;
            }
            let tail: Vec<u64> = self.recent.range(self.recent.len() - calls..).copied().collect();
            let pattern = &tail[..length];
            // A longer pattern of one call only is the shorter pattern, with its longer window.
            if length > 1 && pattern.iter().all(|call| *call == pattern[0]) {
                continue;
            }
            if tail.chunks(length).all(|chunk| chunk == pattern) {
                let fresh = self.warned.insert(rotated_to_least(pattern));
                return fresh.then_some(LoopFound { pattern: length, calls });
            }
        }
        None
    }
}

fn rotated_to_least(pattern: &[u64]) -> Vec<u64> {
    (0..pattern.len()).map(|at| [&pattern[at..], &pattern[..at]].concat()).min().unwrap_or_default()
}

/// Equal for calls of one tool with equal arguments, whatever the order of their keys.
fn signature(name: &str, arguments: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hash_value(arguments, &mut hasher);
    hasher.finish()
}

fn hash_value(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Object(members) => {
            let mut keys: Vec<&String> = members.keys().collect();
            keys.sort();
            (b'{', keys.len()).hash(hasher);
            for key in keys {
                key.hash(hasher);
                hash_value(&members[key], hasher);
            }
        }
        Value::Array(items) => {
            (b'[', items.len()).hash(hasher);
            for item in items {
                hash_value(item, hasher);
            }
        }
        scalar => scalar.to_string().hash(hasher),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn feed(detector: &mut LoopDetector, calls: &str) -> Vec<LoopFound> {
        let mut found = Vec::new();
        for call in calls.chars() {
            detector.record("shell", &json!({"command": call.to_string()}));
            found.extend(detector.check());
        }
        found
    }

    #[test]
    fn ruling_loop_patterns_of_one_two_and_three() {
        let mut detector = LoopDetector::new(10);
        assert_eq!(feed(&mut detector, "aaaaaaaaa"), []);
        assert_eq!(feed(&mut detector, "a"), [LoopFound { pattern: 1, calls: 10 }]);
        assert_eq!(feed(&mut detector, "bababababa"), [LoopFound { pattern: 2, calls: 10 }]);
        // Ten calls leave nine for a cycle of three.
        let mut detector = LoopDetector::new(10);
        assert_eq!(feed(&mut detector, "xabcabca"), []);
        assert_eq!(feed(&mut detector, "bc"), [LoopFound { pattern: 3, calls: 9 }]);
    }

    #[test]
    fn ruling_loop_warning_once_per_pattern() {
        let mut detector = LoopDetector::new(4);
        assert_eq!(feed(&mut detector, "aaaaaaaa").len(), 1);
        assert_eq!(feed(&mut detector, "xyxyxyxyxy").len(), 1);
        assert_eq!(feed(&mut detector, "yxyxyxyx").len(), 0);
        assert_eq!(feed(&mut detector, "zaaaa").len(), 0);
    }

    #[test]
    fn nine_equal_calls_are_no_cycle_of_three() {
        assert_eq!(feed(&mut LoopDetector::new(10), "baaaaaaaaa"), []);
    }

    #[test]
    fn different_arguments_are_no_loop() {
        assert_eq!(feed(&mut LoopDetector::new(6), "abcdefghijklmnop"), []);
    }

    #[test]
    fn tiny_windows_never_match_what_did_not_repeat() {
        for window in 0..2 {
            assert_eq!(feed(&mut LoopDetector::new(window), "aaaaaaa"), []);
        }
        assert_eq!(feed(&mut LoopDetector::new(3), "abcabcabc"), []);
    }

    #[test]
    fn key_order_does_not_matter() {
        let left: Value = serde_json::from_str(r#"{"a":1,"b":{"c":2,"d":3}}"#).unwrap();
        let right: Value = serde_json::from_str(r#"{"b":{"d":3,"c":2},"a":1}"#).unwrap();
        assert_eq!(signature("t", &left), signature("t", &right));
        assert_ne!(signature("t", &left), signature("u", &left));
    }
}
