//! What stands around a patch.

use super::parse::ParseError;

const BEGIN: &str = "*** Begin Patch";
pub(super) const END: &str = "*** End Patch";

/// The lines between the first and the last of the envelope, with the number of the first (from 1).
///
/// A patch without its last line is refused: a reply that broke off looks like that, and half of a
/// change must not be made.
pub(super) fn unwrap(text: &str) -> Result<(usize, Vec<&str>), ParseError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A `\r` at the end of a line belongs to the way in which the patch came, not to the line.
    let mut lines: Vec<&str> =
        text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    let Some(begin) = lines.iter().position(|line| line.trim() == BEGIN) else {
        return Err(ParseError::new(1, format!("a patch starts with the line `{BEGIN}`")));
    };
    let mut word = None;
    for (at, line) in lines[..begin].iter().enumerate() {
        match wrapping(line.trim()) {
            Some(Wrapping::Nothing) => {}
            Some(Wrapping::Heredoc(end)) => word = Some(end),
            None => {
                let what =
                    format!("only the patch is wanted, but `{line}` stands before `{BEGIN}`");
                return Err(ParseError::new(at + 1, what));
            }
        }
    }
    let is_outside =
        |line: &&str| line.trim().is_empty() || is_fence(line.trim()) || Some(line.trim()) == word;
    while lines.len() > begin + 1 && lines.last().is_some_and(is_outside) {
        lines.pop();
    }
    match lines.pop() {
        Some(last) if lines.len() > begin && last.trim() == END => {}
        _ => {
            let what = format!(
                "the patch ends without the line `{END}`, perhaps it was cut off; send the whole \
                 patch, or several smaller ones"
            );
            return Err(ParseError::new(lines.len() + 1, what));
        }
    }
    if let Some(early) = lines[begin..].iter().position(|line| line.trim_end() == END) {
        let what = format!(
            "something follows `{END}`; a call takes one patch, with all operations in one envelope"
        );
        return Err(ParseError::new(begin + early + 1, what));
    }
    Ok((begin + 2, lines.split_off(begin + 1)))
}

enum Wrapping<'a> {
    Nothing,
    /// The word that ends it.
    Heredoc(&'a str),
}

fn wrapping(line: &str) -> Option<Wrapping<'_>> {
    if line.is_empty() || is_fence(line) {
        return Some(Wrapping::Nothing);
    }
    let command = line.strip_prefix("apply_patch").or_else(|| line.strip_prefix("applypatch"));
    let rest = command.unwrap_or(line).trim_start();
    if rest.is_empty() {
        return Some(Wrapping::Nothing);
    }
    let word = rest.strip_prefix("<<")?.trim_start_matches('-').trim();
    let word = word.trim_matches(['\'', '"']);
    let is_word = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_word.then_some(Wrapping::Heredoc(word))
}

fn is_fence(line: &str) -> bool {
    let rest = line.trim_start_matches('`');
    line.len() - rest.len() >= 3
        && rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}
