//! Tools of servers that speak the Model Context Protocol (loop spec §8).
//!
//! Servers are the operator's: programs that run beside the agent, outside its sandbox and with the
//! rights of this process, or addresses. They are named in a file ([`McpConfig`]) that must not be the
//! agent's to write. What they say is not trusted: names, descriptions, schemas and results are
//! bounded and cleaned.

mod config;
mod connection;
mod handler;
mod losses;
mod offer;
mod output;
mod roll;
mod server;
mod servers;
mod tool;
mod transport;

pub use config::{Endpoint, McpConfig, McpConfigError, ServerConfig};
pub use servers::{McpError, McpServers};

/// Characters of untrusted text in a message, a log line or a description.
const MOST_WORDS: usize = 2000;

/// Untrusted text without characters that do not show or that steer a terminal, at most `most`
/// characters of it.
fn clean(text: &str, most: usize) -> String {
    let mut cleaned: String = text.chars().filter(|c| is_plain(*c)).take(most + 1).collect();
    if let Some((end, _)) = cleaned.char_indices().nth(most) {
        cleaned.truncate(end);
        cleaned.push('…');
    }
    cleaned
}

/// Neither a control character (but for line ends and tabs) nor one of those that hide or reorder
/// text: zero-width characters, bidirectional marks, tags, variation selectors above the first
/// sixteen.
fn is_plain(c: char) -> bool {
    let invisible = matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    (!c.is_control() || matches!(c, '\n' | '\t')) && !invisible
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn untrusted_text_is_bounded_and_shows_all_that_it_says() {
        assert_eq!(clean("a\u{1b}[31mb\tc\nd\u{202e}e\u{e0041}f\u{200b}g", 100), "a[31mb\tc\ndefg");
        assert_eq!(clean("äöü", 3), "äöü");
        assert_eq!(clean("äöüß", 3), "äöü…");
    }
}
