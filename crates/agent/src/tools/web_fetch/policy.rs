//! What may be fetched: hosts, schemes, ports, and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

/// What [`WebFetch`](super::WebFetch) may reach. Everything that is not named here is refused.
#[derive(Debug, Clone)]
pub struct FetchPolicy {
    /// Hosts, by name.
    pub hosts: Vec<HostPattern>,
    /// Whether `http://` is allowed beside `https://`.
    pub plain_http: bool,
    /// Ports; those of the two schemes by default.
    pub ports: Vec<u16>,
    /// Addresses that are allowed although they are not public, such as this machine's own in a
    /// test. Empty unless a host really means it: whatever listens there can be read by the model.
    pub private_addresses: Vec<IpAddr>,
    /// Wall-clock milliseconds for one call, redirects and all.
    pub time_limit_ms: u64,
    /// Bytes of a body that are read; what follows is left out with a note.
    pub size_limit: usize,
}

/// Which hosts a policy names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Every host with a public address: `*`.
    AllPublic,
    /// One host: `docs.rs`.
    Exact(String),
    /// The hosts below one, not itself: `*.example.org`.
    Below(String),
}

/// Why a text is no [`HostPattern`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no host: give a name such as docs.rs, *.example.org, or * for all public hosts")]
pub struct HostPatternError(String);

/// Why an address may not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("only {0} addresses may be fetched")]
    Scheme(&'static str),
    #[error("an address with a user name or a password in it is not fetched")]
    Credentials,
    #[error("the address names no host")]
    NoHost,
    #[error("port {0} is not allowed")]
    Port(u16),
    #[error("the host `{host}` is not allowed; allowed: {allowed}")]
    Host { host: String, allowed: String },
    #[error("`{host}` has the address {address}, which is not a public one")]
    Address { host: String, address: IpAddr },
}

impl FetchPolicy {
    /// `https` on its own port, public addresses, 30 s, 2 MiB.
    pub fn new(hosts: Vec<HostPattern>) -> Self {
        Self {
            hosts,
            plain_http: false,
            ports: vec![443],
            private_addresses: Vec::new(),
            time_limit_ms: 30_000,
            size_limit: 2 * 1024 * 1024,
        }
    }

    /// Whether the URL may be asked for, its addresses aside; its host, without a dot at the end.
    pub(super) fn check_url(&self, url: &Url) -> Result<String, Refusal> {
        match url.scheme() {
            "https" => {}
            "http" if self.plain_http => {}
            _ if self.plain_http => return Err(Refusal::Scheme("http and https")),
            _ => return Err(Refusal::Scheme("https")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let host = url.host_str().ok_or(Refusal::NoHost)?.trim_end_matches('.').to_owned();
        if host.is_empty() {
            return Err(Refusal::NoHost);
        }
        let port = url.port_or_known_default().unwrap_or(0);
        if !self.ports.contains(&port) {
            return Err(Refusal::Port(port));
        }
        if !self.hosts.iter().any(|pattern| pattern.allows(&host)) {
            let allowed: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
            return Err(Refusal::Host { host, allowed: allowed.join(", ") });
        }
        Ok(host)
    }

    /// Whether a connection may go to each of the addresses of `host`: one that may not is enough
    /// to refuse them all.
    pub(super) fn check_addresses(
        &self,
        host: &str,
        mut addresses: impl Iterator<Item = IpAddr>,
    ) -> Result<(), Refusal> {
        let allowed =
            |address: &IpAddr| is_public(*address) || self.private_addresses.contains(address);
        match addresses.find(|address| !allowed(address)) {
            Some(address) => Err(Refusal::Address { host: host.to_owned(), address }),
            None => Ok(()),
        }
    }
}

impl HostPattern {
    fn allows(&self, host: &str) -> bool {
        match self {
            Self::AllPublic => true,
            Self::Exact(name) => host.eq_ignore_ascii_case(name),
            Self::Below(name) => host
                .len()
                .checked_sub(name.len())
                .and_then(|at| host.split_at_checked(at))
                .is_some_and(|(front, back)| {
                    back.eq_ignore_ascii_case(name) && front.len() > 1 && front.ends_with('.')
                }),
        }
    }
}

impl std::str::FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        if text == "*" {
            return Ok(Self::AllPublic);
        }
        let invalid = || HostPatternError(text.to_owned());
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        // The same reading of names as that of an address (case, Unicode, numbers of every kind).
        let url = Url::parse(&format!("https://{name}/")).map_err(|_| invalid())?;
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let plain = url.port().is_none()
            && url.path() == "/"
            && url.username().is_empty()
            && url.query().is_none()
            && url.fragment().is_none();
        if host.is_empty() || !plain || name.contains(['/', '*', '@', '?', '#']) {
            return Err(invalid());
        }
        Ok(if below { Self::Below(host.to_owned()) } else { Self::Exact(host.to_owned()) })
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AllPublic => f.write_str("*"),
            Self::Exact(name) => f.write_str(name),
            Self::Below(name) => write!(f, "*.{name}"),
        }
    }
}

/// Whether an address belongs to the public internet, by the special-purpose registries of IANA;
/// and to no cloud's metadata service, of which one has a public-looking address.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, d] = address.octets();
    !matches!(
        (a, b, c, d),
        (0 | 10 | 127 | 224..=255, ..)
            | (100, 64..=127, ..)
            | (169, 254, ..)
            | (172, 16..=31, ..)
            | (192, 0, 0 | 2, _)
            | (192, 88, 99, _)
            | (192, 168, ..)
            | (198, 18 | 19, ..)
            | (198, 51, 100, _)
            | (203, 0, 113, _)
            | (168, 63, 129, 16)
    )
}

/// Global unicast without what embeds or stands for other addresses; NAT64 stands for the IPv4
/// address in it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    if [a, b, c, d, e, f] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let ([x, y], [z, w]) = (g.to_be_bytes(), h.to_be_bytes());
        return is_public_v4(Ipv4Addr::new(x, y, z, w));
    }
    let special = matches!((a, b), (0x2001, 0..=0x1ff | 0xdb8) | (0x2002, _) | (0x3fff, 0..=0xfff));
    a & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn hosts(names: &[&str]) -> Vec<HostPattern> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn only_named_hosts_schemes_and_ports_are_allowed() {
        let policy = FetchPolicy::new(hosts(&["docs.rs", "*.example.org"]));
        for good in [
            "https://docs.rs/x",
            "https://DOCS.rs./x",
            "https://a.example.org",
            "https://a.b.example.org:443/",
        ] {
            assert!(policy.check_url(&url(good)).is_ok(), "{good}");
        }
        for bad in [
            "http://docs.rs/",
            "https://docs.rs:8443/",
            "https://example.org/",
            "https://badexample.org/",
            "https://docs.rs.evil.net/",
            "https://docs.rs@evil.net/",
            "https://user:pass@docs.rs/",
            "file:///etc/passwd",
            "ftp://docs.rs/",
            "data:text/plain,docs.rs",
        ] {
            assert!(policy.check_url(&url(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn host_patterns_are_names_and_nothing_else() {
        for good in ["*", "docs.rs", "*.example.org", "[2001:db8::1]", "bücher.example", "a.b."] {
            assert!(good.parse::<HostPattern>().is_ok(), "{good}");
        }
        assert_eq!("Docs.RS".parse(), Ok(HostPattern::Exact("docs.rs".into())));
        for bad in
            ["", "*.", "**", "a.*", "https://docs.rs", "docs.rs/x", "docs.rs:80", "u@h", "a b"]
        {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_that_are_not_public_are_known() {
        let private = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "100.100.100.200",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in private {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        let public = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::8.8.8.8",
            "2001:4860:4860::8888",
        ];
        for text in public {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn one_private_address_among_public_ones_is_enough() {
        let mut policy = FetchPolicy::new(hosts(&["*"]));
        let mixed = ["8.8.8.8", "10.0.0.1"].map(|text| text.parse().unwrap());
        let refused = policy.check_addresses("h", mixed.into_iter()).unwrap_err();
        assert_eq!(refused.to_string(), "`h` has the address 10.0.0.1, which is not a public one");
        policy.private_addresses.push("10.0.0.1".parse().unwrap());
        assert!(policy.check_addresses("h", mixed.into_iter()).is_ok());
    }

    #[test]
    fn numbers_in_every_notation_are_addresses() {
        for text in
            ["https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/"]
        {
            assert_eq!(url(text).host_str(), Some("127.0.0.1"), "{text}");
        }
    }
}
