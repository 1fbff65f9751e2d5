//! Taking the port, and serving on it.

use std::future::IntoFuture as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use canon_runtime::secret::Secret;
use tokio_util::sync::CancellationToken;

use super::access::{Access, TOKEN_VARIABLE};
use super::daemon::Daemon;
use super::listener::Limited;
use crate::error::Error;

/// What open connections get to finish their answers when the server ends.
const GRACE: Duration = Duration::from_secs(2);

/// A port that is ours, not yet served: connections to it wait.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    access: Access,
}

/// Takes `port` (0: any free one) on `host`, with the token of the environment. Beyond loopback
/// there has to be one.
pub fn bind(host: &str, port: u16) -> Result<Bound, Error> {
    bind_with(host, port, Access::token_of_environment())
}

/// The same with a given token.
pub fn bind_with(host: &str, port: u16, token: Option<Secret>) -> Result<Bound, Error> {
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| {
            Error::environment(format!("the HTTP server cannot use host {host:?}: {error}"))
                .hint("set server.host to 127.0.0.1, or to an address of this machine")
        })?
        .collect();
    let loopback = addresses.iter().all(|address| address.ip().is_loopback());
    if !loopback && token.is_none() {
        return Err(Error::environment(format!(
            "the HTTP server is to listen on {host}, beyond this machine, and {TOKEN_VARIABLE} is not set"
        ))
        .hint(format!("set {TOKEN_VARIABLE} to a long random secret that every request must bear"))
        .hint("or leave server.host at 127.0.0.1"));
    }
    let taken = TcpListener::bind(addresses.as_slice())
        .and_then(|listener| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        })
        .map_err(|error| refused(host, port, &error))?;
    let (listener, address) = taken;
    Ok(Bound { listener, address, access: Access { loopback, token } })
}

fn refused(host: &str, port: u16, error: &io::Error) -> Error {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => format!("port {port} on {host} is in use by another process"),
        io::ErrorKind::PermissionDenied => {
            format!("no permission to listen on port {port} of {host}")
        }
        io::ErrorKind::AddrNotAvailable => format!("{host} is not an address of this machine"),
        _ => format!("cannot listen on port {port} of {host}: {error}"),
    };
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "end that process, choose another port, or --port 0 for any free one"
        }
        io::ErrorKind::PermissionDenied => "choose a port above 1023, or --port 0 for any free one",
        io::ErrorKind::AddrNotAvailable => {
            "set server.host to 127.0.0.1, or to an address of this machine"
        }
        _ => "choose another port or server.host",
    };
    Error::environment(format!("the HTTP server cannot start: {what}")).hint(hint)
}

impl Bound {
    /// Where it listens, with the real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where this machine's own commands and browsers reach it, without a final slash.
    pub fn url(&self) -> String {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}")
    }

    /// Answers until `shutdown` is cancelled, then gives open connections two seconds.
    pub async fn serve(
        self,
        daemon: Arc<dyn Daemon>,
        shutdown: CancellationToken,
    ) -> io::Result<()> {
        let listener = Limited::new(tokio::net::TcpListener::from_std(self.listener)?);
        let router = super::router(daemon, self.access);
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(shutdown.clone().cancelled_owned())
            .into_future();
        let late = async {
            shutdown.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = serving => served,
            () = late => Ok(()),
        }
    }
}
