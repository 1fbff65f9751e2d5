//! `user@host:port`, in the spellings that people use.

use std::fmt;
use std::str::FromStr;

/// Where to connect. The host may be an alias of the user's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

/// Why a destination cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{given}` is no destination for ssh: {why}; write user@host:port, with an IPv6 address in brackets"
)]
pub struct BadDestination {
    /// as given
    pub given: String,
    /// what is wrong with it
    pub why: &'static str,
}

impl Destination {
    /// Arguments of `ssh` up to and with the host, after which only the command comes.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if let Some(user) = &self.user {
            arguments.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            arguments.extend(["-p".to_owned(), port.to_string()]);
        }
        arguments.extend(["--".to_owned(), self.host.clone()]);
        arguments
    }
}

impl FromStr for Destination {
    type Err = BadDestination;

    fn from_str(given: &str) -> Result<Self, BadDestination> {
        let bad = |why| BadDestination { given: given.to_owned(), why };
        let text = given.strip_prefix("ssh://").unwrap_or(given);
        let text = text.strip_suffix('/').unwrap_or(text);
        let (user, rest) = match text.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, text),
        };
        let (host, port) = if let Some(inside) = rest.strip_prefix('[') {
            let (host, after) = inside.split_once(']').ok_or_else(|| bad("a bracket is open"))?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(bad("only a port may follow the bracket")),
            }
        } else if rest.matches(':').count() > 1 {
            (rest, None)
        } else {
            rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)))
        };
        let port = match port {
            Some(text) => match text.parse::<u16>() {
                Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Some(port)
                }
                _ => return Err(bad("the port is not a number from 1 to 65535")),
            },
            None => None,
        };
        if !is_plain(host, ".-_:%") {
            return Err(bad("the host is empty, begins with a dash, or holds a strange character"));
        }
        if user.is_some_and(|user| !is_plain(user, ".-_+@\\")) {
            return Err(bad("the user is empty, begins with a dash, or holds a strange character"));
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

/// Nothing that a shell, `ssh` or its configuration could take for something else.
fn is_plain(word: &str, also: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word.chars().all(|c| c.is_alphanumeric() || also.contains(c))
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match (self.host.contains(':'), self.port) {
            (true, Some(port)) => write!(f, "[{}]:{port}", self.host),
            (false, Some(port)) => write!(f, "{}:{port}", self.host),
            (_, None) => f.write_str(&self.host),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_spellings_are_understood() {
        for (given, shown, arguments) in [
            ("box", "box", "-- box"),
            ("me@box:2222", "me@box:2222", "-l me -p 2222 -- box"),
            ("ssh://me@box:22/", "me@box:22", "-l me -p 22 -- box"),
            ("::1", "::1", "-- ::1"),
            ("[::1]:22", "[::1]:22", "-p 22 -- ::1"),
            ("me@[fe80::1%eth0]", "me@fe80::1%eth0", "-l me -- fe80::1%eth0"),
            ("me@corp@box", "me@corp@box", "-l me@corp -- box"),
        ] {
            let destination: Destination = given.parse().unwrap();
            assert_eq!(destination.to_string(), shown);
            assert_eq!(destination.arguments().join(" "), arguments);
        }
    }

    #[test]
    fn what_could_be_something_else_is_refused() {
        for given in [
            "",
            "@box",
            "me@",
            "-oProxyCommand=x",
            "-x@box",
            "a b",
            "box:0",
            "box:70000",
            "box:+1",
            "[::1",
            "[::1]x",
            "$(id)",
            "box;id",
            "a\nb",
            "box:",
            "me@box/path",
        ] {
            assert!(given.parse::<Destination>().is_err(), "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_understood_is_said_the_same(given in "\\PC{0,20}") {
            if let Ok(destination) = given.parse::<Destination>() {
                prop_assert_eq!(destination.to_string().parse::<Destination>(), Ok(destination));
            }
        }
    }
}
