//! Text for a shell elsewhere, such that nothing in it can be taken for anything but itself.

use std::fmt::Write as _;

/// What the other side is asked to run: it reads one line, which is the script, and leaves the rest
/// of standard input to that. It means the same to every login shell, `csh` and `fish` included.
pub(super) const BOOTSTRAP: &str =
    "exec sh -c 'IFS= read -r script && eval \"$(printf %b \"$script\")\"'";

/// One word of a POSIX shell.
pub(super) fn quote(word: &[u8]) -> Vec<u8> {
    let mut out = vec![b'\''];
    for byte in word {
        match byte {
            b'\'' => out.extend_from_slice(b"'\\''"),
            other => out.push(*other),
        }
    }
    out.push(b'\'');
    out
}

/// The line that [`BOOTSTRAP`] reads. Every byte that a shell, a terminal or a locale might care
/// about is an octal escape of `printf %b`.
pub(super) fn line(script: &[u8]) -> Vec<u8> {
    let mut out = String::with_capacity(script.len() * 2);
    for byte in script {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(*byte)),
            b' ' | b'-' | b'_' | b'.' | b'/' | b'=' | b':' | b',' | b'"' | b'$' | b'\'' => {
                out.push(char::from(*byte));
            }
            // Three digits always: what follows may be a digit. Writing to a string cannot fail.
            other => {
                let _infallible = write!(out, "\\0{other:03o}");
            }
        }
    }
    out.push('\n');
    out.into_bytes()
}

/// `set -- WORD…`, a line of its own.
pub(super) fn arguments<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = b"set --".to_vec();
    for word in words {
        out.push(b' ');
        out.extend(quote(word));
    }
    out.push(b'\n');
    out
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    fn through_a_shell(words: &[Vec<u8>]) -> Vec<u8> {
        let mut script = arguments(words.iter().map(Vec::as_slice));
        script.extend_from_slice(b"printf '%s\\000' \"$@\"; cat");
        let mut child = Command::new("sh")
            .args(["-c", BOOTSTRAP])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&line(&script)).unwrap();
        stdin.write_all(b"rest\nof it").unwrap();
        drop(stdin);
        child.wait_with_output().unwrap().stdout
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn every_word_arrives_as_it_is(words in prop::collection::vec(prop::collection::vec(1u8..=255, 0..40), 1..5)) {
            let mut wanted = Vec::new();
            for word in &words {
                wanted.extend_from_slice(word);
                wanted.push(0);
            }
            wanted.extend_from_slice(b"rest\nof it");
            prop_assert_eq!(through_a_shell(&words), wanted);
        }
    }

    #[test]
    fn what_shells_care_about_is_carried() {
        let hard =
            ["'; touch /x #", "$(id)`id`", "a\nb\\n\\0101", "!x", "--", "", "ä€\u{1F600}", "\\"];
        let words: Vec<Vec<u8>> = hard.iter().map(|word| word.as_bytes().to_vec()).collect();
        let said = through_a_shell(&words);
        let parts: Vec<&[u8]> = said.split(|byte| *byte == 0).collect();
        for (word, part) in hard.iter().zip(parts) {
            assert_eq!(word.as_bytes(), part);
        }
    }
}
