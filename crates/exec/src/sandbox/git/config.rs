//! The harmless part of a git configuration: what is on a list, written anew. Whatever a reader of
//! the original might have seen in it, nothing else is in what is written.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// The harmless part, as git writes it, and whether anything was left out.
pub(super) fn harmless(text: &str) -> (String, bool) {
    let mut reader = Reader { rest: text.chars().peekable(), section: String::new(), sub: None };
    let (mut out, mut dropped) = (String::new(), false);
    let mut last = None;
    loop {
        match reader.next() {
            Next::End => return (out, dropped),
            // From here on nobody knows what it means.
            Next::Nonsense => return (out, true),
            Next::Entry { key, value } if allowed(&reader, &key, &value) => {
                let section = (reader.section.clone(), reader.sub.clone());
                if last.as_ref() != Some(&section) {
                    match &section.1 {
                        Some(sub) => {
                            let _infallible = writeln!(out, "[{} \"{}\"]", section.0, escaped(sub));
                        }
                        None => {
                            let _infallible = writeln!(out, "[{}]", section.0);
                        }
                    }
                    last = Some(section);
                }
                let _infallible = writeln!(out, "\t{key} = {}", quoted(&value));
            }
            Next::Entry { .. } => dropped = true,
        }
    }
}

fn allowed(at: &Reader<'_>, key: &str, value: &str) -> bool {
    let boolean = ["true", "false", "yes", "no", "on", "off", "1", "0"].contains(&value);
    let printable = !value.chars().any(char::is_control);
    let name = |value: &str| {
        value.chars().next().is_some_and(|first| first.is_alphanumeric() || "+*".contains(first))
            && value.chars().all(|c| c.is_alphanumeric() || "._/-+*:".contains(c))
    };
    let sub_is_name = at.sub.as_deref().is_some_and(name);
    match (at.section.as_str(), at.sub.is_some(), key) {
        ("core", false, "repositoryformatversion") => ["0", "1"].contains(&value),
        ("core", false, "bare") => value == "false",
        (
            "core",
            false,
            "filemode" | "logallrefupdates" | "ignorecase" | "symlinks" | "precomposeunicode",
        ) => boolean,
        ("core", false, "autocrlf") => boolean || value == "input",
        ("core", false, "eol") => ["lf", "crlf", "native"].contains(&value),
        ("extensions", false, "objectformat") => ["sha1", "sha256"].contains(&value),
        ("extensions", false, "refstorage") => ["files", "reftable"].contains(&value),
        ("user", false, "name" | "email") => printable,
        ("branch", true, "remote" | "merge") => sub_is_name && name(value),
        ("remote", true, "fetch") => sub_is_name && name(value),
        ("remote", true, "url") => sub_is_name && printable && is_network_url(value),
        _ => false,
    }
}

/// An address whose scheme has no program in it and whose host is no option of `ssh`.
fn is_network_url(value: &str) -> bool {
    ["https://", "http://", "ssh://"].iter().any(|scheme| {
        value.strip_prefix(scheme).is_some_and(|rest| {
            rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && !rest.contains("@-")
        })
    })
}

fn quoted(value: &str) -> String {
    let needed = value.starts_with(' ') || value.ends_with(' ') || value.contains(['#', ';']);
    if needed { format!("\"{}\"", escaped(value)) } else { escaped(value) }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
    section: String,
    sub: Option<String>,
}

enum Next {
    End,
    Nonsense,
    Entry { key: String, value: String },
}

impl Reader<'_> {
    fn next(&mut self) -> Next {
        loop {
            match self.rest.peek() {
                None => return Next::End,
                Some(c) if c.is_whitespace() => {
                    self.rest.next();
                }
                Some('#' | ';') => while self.rest.next().is_some_and(|c| c != '\n') {},
                Some('[') => {
                    self.rest.next();
                    if self.header().is_none() {
                        return Next::Nonsense;
                    }
                }
                Some(c) if c.is_ascii_alphabetic() => {
                    return self.entry().unwrap_or(Next::Nonsense);
                }
                Some(_) => return Next::Nonsense,
            }
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let mut out = String::new();
        while let Some(c) = self.rest.next_if(|c| wanted(*c)) {
            out.push(c);
        }
        out
    }

    fn header(&mut self) -> Option<()> {
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
        self.section = name.to_ascii_lowercase();
        self.sub = None;
        self.take_while(|c| c == ' ' || c == '\t');
        if self.rest.next_if_eq(&'"').is_some() {
            let mut sub = String::new();
            loop {
                match self.rest.next()? {
                    '"' => break,
                    '\n' => return None,
                    '\\' => sub.push(self.rest.next()?),
                    c => sub.push(c),
                }
            }
            self.sub = Some(sub);
        }
        self.rest.next_if_eq(&']').map(|_| ())
    }

    fn entry(&mut self) -> Option<Next> {
        let key = self.take_while(|c| c.is_ascii_alphanumeric() || c == '-').to_ascii_lowercase();
        self.take_while(|c| c == ' ' || c == '\t');
        let value = match self.rest.next() {
            None | Some('\n') => "true".to_owned(),
            Some('=') => self.value()?,
            Some(_) => return None,
        };
        Some(Next::Entry { key, value })
    }

    fn value(&mut self) -> Option<String> {
        self.take_while(|c| c == ' ' || c == '\t');
        // The length up to which blanks at the end belong to the value.
        let (mut out, mut kept, mut in_quotes) = (String::new(), 0, false);
        loop {
            match self.rest.next() {
                None | Some('\n') if in_quotes => return None,
                None | Some('\n') => break,
                Some('#' | ';') if !in_quotes => {
                    while self.rest.next().is_some_and(|c| c != '\n') {}
                    break;
                }
                Some('"') => in_quotes = !in_quotes,
                Some('\\') => {
                    match self.rest.next()? {
                        '\n' => continue,
                        'n' => out.push('\n'),
                        't' => out.push('\t'),
                        c @ ('"' | '\\') => out.push(c),
                        _ => return None,
                    }
                    kept = out.len();
                    continue;
                }
                Some(c) => out.push(c),
            }
            if in_quotes || !out.ends_with(char::is_whitespace) {
                kept = out.len();
            }
        }
        out.truncate(kept);
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_init_writes_stays_byte_for_byte() {
        let text = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n[user]\n\tname = A B\n";
        assert_eq!(harmless(text), (text.to_owned(), false));
    }

    #[test]
    fn programs_are_left_out_however_they_are_written() {
        for evil in [
            "[core]\n\tfsmonitor = touch x\n",
            "[CORE] FSMonitor=touch x\n",
            "[core]\n\tfilemode = true\\\n\n\tpager = x\n",
            "[include]\n\tpath = evil\n",
            "[core \"x\"]\n\teditor = x\n",
            "[alias]\n\tst = !x\n",
            "[filter \"x\"]\n\tclean = x\n",
            "[remote \"o\"]\n\turl = ext::sh -c x\n\tuploadpack = x\n\tvcs = x\n",
            "[remote \"o\"]\n\turl = ssh://-oProxyCommand=x/y\n",
            "[user]\n\tname = \"a\\n[core]\\nfsmonitor = x\"\n",
            "[branch \"a\\\"]\n[core]\n\tfsmonitor = x\n",
            "[core\n fsmonitor = x",
            "[extensions]\n\tpartialClone = o\n\tworktreeConfig = true\n",
        ] {
            let (left, dropped) = harmless(evil);
            assert!(dropped, "{evil}");
            for word in ["fsmonitor", "pager", "path", "x", "ext"] {
                assert!(!left.contains(word), "{evil}: {left}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_kept_is_kept_again(text in "([\\[\\]a-z =\"\\\\\n#;]|core|user|name|bare|false){0,60}") {
            let (once, _) = harmless(&text);
            proptest::prop_assert_eq!(harmless(&once), (once.clone(), false));
        }
    }
}
