//! `server` (Symphony §13.7).

/// The HTTP surface; changes need a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// `None`: no server unless the command line asks for one. 0: any free port.
    pub port: Option<u16>,
    /// Address to bind; default `127.0.0.1`.
    pub host: String,
}
