//! `server` (Symphony §13.7).

use std::net::IpAddr;

use super::section::Section;

/// The HTTP surface; changes need a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// `None`: no server unless the command line asks for one. 0: any free port.
    pub port: Option<u16>,
    /// Address to bind; default `127.0.0.1`.
    pub host: String,
}

impl ServerConfig {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let port = section.is_present().then(|| section.number("port", -1, 0, " from 0 to 65535"));
        let port = match port {
            Some(port) if port > i64::from(u16::MAX) => {
                section.error(
                    "port",
                    format!("found {port}, expected a whole number from 0 to 65535"),
                );
                None
            }
            port => port.and_then(|port| u16::try_from(port).ok()),
        };
        let host = section.text("host").unwrap_or_else(|| "127.0.0.1".to_owned());
        if host != "localhost" && host.parse::<IpAddr>().is_err() {
            section.error("host", format!("found {host:?}, expected an IP address or localhost"));
        }
        section.finish();
        Self { port, host }
    }
}
