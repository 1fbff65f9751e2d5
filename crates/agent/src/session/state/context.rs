//! The model's window: estimating what fills it, warning, and shortening old tool outputs once
//! when a provider refuses (loop spec §5.5).

use serde_json::Value;

use super::Machine;
use crate::events::WarningCode;
use crate::session::turn::Turn;
use crate::truncate::first_chars;

pub(super) const CHARS_PER_TOKEN: u64 = 4;

/// A warning is due beyond this share of the window.
const WARN_PERCENT: u64 = 80;

/// What is left of a shortened tool output.
const FIRST_LINES: usize = 10;
const FIRST_CHARS: usize = 800;
const LEAST_GAIN: usize = 100;

impl Machine {
    /// About how many tokens the next model call sends. What the provider counted last time is
    /// better than the estimate, which serves for what came since.
    pub(super) fn expected_input_tokens(&self) -> u64 {
        let estimate = tokens(self.history_chars + self.prefix_chars);
        match self.last_call {
            Some((counted, chars)) => {
                estimate.max(counted + tokens(self.history_chars.saturating_sub(chars)))
            }
            None => estimate,
        }
    }

    /// Warns once when the conversation fills more than 80 % of the window.
    pub(super) fn check_context_usage(&mut self) {
        let Some(window) = self.model.context_window.filter(|window| *window > 0) else { return };
        let used = self.expected_input_tokens();
        let over = used.saturating_mul(100) > window.saturating_mul(WARN_PERCENT);
        if over && !self.context_warned {
            let percent = used.saturating_mul(100) / window;
            self.warn(
                WarningCode::ContextUsage,
                format!("Context usage at ~{percent}% of context window"),
            );
        }
        self.context_warned = over;
    }

    /// Shortens tool outputs to their first lines, oldest first, until the history is half as
    /// long; the newest round only when nothing else can be shortened. Says whether that gained
    /// anything.
    pub(super) fn trim_context(&mut self) -> bool {
        let newest = self
            .history
            .iter()
            .rposition(|turn| matches!(turn, Turn::ToolResults { .. }))
            .unwrap_or(0);
        let goal = self.history_chars / 2;
        let (mut shortened, mut removed) = (0, 0);
        for pass in [0..newest, newest..self.history.len()] {
            for at in pass {
                if self.history_chars.saturating_sub(removed) <= goal {
                    break;
                }
                let (count, chars) = shorten_turn(&mut self.history[at]);
                shortened += count;
                removed += chars;
            }
            if shortened > 0 {
                break;
            }
        }
        if shortened == 0 {
            return false;
        }
        self.history_chars = self.history.iter().map(Turn::chars).sum();
        self.last_call = None;
        self.warn(
            WarningCode::ContextTrimmed,
            format!(
                "the provider refused the length of the conversation: the {shortened} oldest tool \
                 outputs were shortened to their first lines, {removed} characters in all"
            ),
        );
        true
    }
}

/// About how many tokens so many characters are.
pub(super) fn tokens(chars: usize) -> u64 {
    u64::try_from(chars).unwrap_or(u64::MAX).div_ceil(CHARS_PER_TOKEN)
}

/// How many results of a turn were shortened, and by how much.
fn shorten_turn(turn: &mut Turn) -> (usize, usize) {
    let Turn::ToolResults { results, .. } = turn else { return (0, 0) };
    let (mut count, mut removed) = (0, 0);
    for entry in results {
        let Value::String(text) = &entry.result.content else { continue };
        if let Some(short) = shortened(text) {
            removed += text.len() - short.len();
            count += 1;
            entry.result.content = Value::String(short);
        }
    }
    (count, removed)
}

fn shortened(text: &str) -> Option<String> {
    let lines = text.match_indices('\n').nth(FIRST_LINES - 1).map_or(text, |(end, _)| &text[..end]);
    let head = first_chars(lines, FIRST_CHARS);
    let removed = text[head.len()..].chars().count();
    let short = format!(
        "{head}\n[... {removed} characters of this old output were removed to fit the context \
         window ...]"
    );
    // The note costs something too: a gain of a few words is none.
    (short.len() + LEAST_GAIN < text.len()).then_some(short)
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn the_first_lines_are_kept() {
        let text: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let short = shortened(&text).unwrap();
        assert!(short.starts_with("line 0\n"));
        assert!(short.contains("line 9\n[... "));
        assert!(!short.contains("line 10"));
    }

    #[test]
    fn short_outputs_stay() {
        assert_eq!(shortened("exit 0\n"), None);
        assert!(shortened(&"x".repeat(5000)).unwrap().len() < 1000);
        // Shortening a second time gains nothing.
        assert_eq!(shortened(&shortened(&"x".repeat(5000)).unwrap()), None);
    }
}
