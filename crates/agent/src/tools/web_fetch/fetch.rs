//! One page over HTTP, redirects by hand.

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_trait::async_trait;
use canon_runtime::http::{HttpError, fixed_client};
use encoding_rs::{Encoding, UTF_8};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use reqwest::{Response, StatusCode, Url};

use super::policy::{FetchPolicy, Refusal};

const MOST_REDIRECTS: usize = 5;
/// Where a page may say its encoding.
const META_BYTES: usize = 1024;

/// From names to addresses.
#[async_trait]
pub trait Resolve: Send + Sync {
    /// All addresses of `host`.
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<IpAddr>>;
}

/// That of the operating system.
pub(super) struct SystemResolver;

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.map(|address| address.ip()).collect())
    }
}

/// A page that came.
#[derive(Debug)]
pub(super) struct Fetched {
    /// Where it was in the end.
    pub(super) url: Url,
    /// As the server said, without parameters.
    pub(super) media_type: String,
    pub(super) is_html: bool,
    pub(super) text: String,
    /// Bytes of the body that were read.
    pub(super) bytes: usize,
    /// There was more.
    pub(super) cut: bool,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("refused by the policy: {0}")]
    Refused(#[from] Refusal),
    #[error("a redirect to {url} was refused by the policy: {refusal}")]
    RedirectRefused { url: String, refusal: Refusal },
    #[error("`{host}` has no address: {source}")]
    Resolve { host: String, source: io::Error },
    #[error(transparent)]
    Client(#[from] HttpError),
    #[error("not reached: {0}")]
    Request(String),
    #[error("the server answered {status}{at}")]
    Status { status: StatusCode, at: String },
    #[error("a redirect without a usable address")]
    BadRedirect,
    #[error("more than {MOST_REDIRECTS} redirects")]
    TooManyRedirects,
    #[error("is {0}, and only texts are fetched")]
    NotText(String),
    #[error("came compressed ({0}), which was not asked for")]
    Compressed(String),
}

/// Fetches `url`. The caller limits the time.
pub(super) async fn fetch(
    policy: &FetchPolicy,
    resolver: &dyn Resolve,
    url: Url,
) -> Result<Fetched, FetchError> {
    let asked = url.clone();
    let mut url = url;
    for _ in 0..=MOST_REDIRECTS {
        let response = request(policy, resolver, &url).await.map_err(|error| match error {
            FetchError::Refused(refusal) if url != asked => {
                FetchError::RedirectRefused { url: url.to_string(), refusal }
            }
            other => other,
        })?;
        match redirect(&url, &response)? {
            Some(next) => url = next,
            None => return read(policy, url, response).await,
        }
    }
    Err(FetchError::TooManyRedirects)
}

/// Asks once. The host's addresses are looked up once, checked, and the connection goes to them.
async fn request(
    policy: &FetchPolicy,
    resolver: &dyn Resolve,
    url: &Url,
) -> Result<Response, FetchError> {
    let host = policy.check_url(url)?;
    let port = url.port_or_known_default().unwrap_or(0);
    let addresses = match host.trim_matches(['[', ']']).parse() {
        Ok(address) => vec![address],
        Err(_) => resolver
            .resolve(&host, port)
            .await
            .map_err(|source| FetchError::Resolve { host: host.clone(), source })?,
    };
    if addresses.is_empty() {
        let source = io::ErrorKind::NotFound.into();
        return Err(FetchError::Resolve { host, source });
    }
    policy.check_addresses(&host, addresses.iter().copied())?;
    let fixed = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
    let request = fixed_client(fixed)?
        .get(url.clone())
        .header(ACCEPT, "text/html, text/*;q=0.9, application/json;q=0.9, */*;q=0.1")
        .header(ACCEPT_ENCODING, "identity");
    request.send().await.map_err(|error| FetchError::Request(chain(error)))
}

/// Where the response sends us, if it does.
fn redirect(url: &Url, response: &Response) -> Result<Option<Url>, FetchError> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| url.join(location).ok());
    target.map(Some).ok_or(FetchError::BadRedirect)
}

async fn read(
    policy: &FetchPolicy,
    url: Url,
    mut response: Response,
) -> Result<Fetched, FetchError> {
    let status = response.status();
    if !status.is_success() {
        let at = format!(" at {url}");
        return Err(FetchError::Status { status, at });
    }
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    if let Some(encoding) = header(CONTENT_ENCODING).filter(|value| value != "identity") {
        return Err(FetchError::Compressed(encoding));
    }
    let content_type = header(CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !media_type.is_empty() && !is_text(&media_type) {
        return Err(FetchError::NotText(media_type));
    }
    let mut body = Vec::new();
    let mut cut = false;
    while let Some(chunk) =
        response.chunk().await.map_err(|error| FetchError::Request(chain(error)))?
    {
        let room = policy.size_limit - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            cut = true;
            break;
        }
    }
    let is_html = matches!(media_type.as_str(), "text/html" | "application/xhtml+xml");
    let text = decode(&body, &content_type, is_html);
    if text.contains('\0') {
        return Err(FetchError::NotText("no text by its content".to_owned()));
    }
    let media_type = if media_type.is_empty() { "no type".to_owned() } else { media_type };
    Ok(Fetched { url, media_type, is_html, text, bytes: body.len(), cut })
}

fn is_text(media_type: &str) -> bool {
    const OTHERS: [&str; 12] = [
        "application/json",
        "application/xml",
        "application/javascript",
        "application/x-javascript",
        "application/ecmascript",
        "application/yaml",
        "application/x-yaml",
        "application/toml",
        "application/x-sh",
        "application/x-ndjson",
        "application/graphql",
        "application/sql",
    ];
    media_type.starts_with("text/")
        || ["+json", "+xml", "+yaml"].iter().any(|suffix| media_type.ends_with(suffix))
            && !media_type.starts_with("image/")
        || OTHERS.contains(&media_type)
}

/// By the byte order mark, the header, or what a page says in its head; else UTF-8.
fn decode(body: &[u8], content_type: &str, is_html: bool) -> String {
    let named = charset(content_type).or_else(|| {
        let head = String::from_utf8_lossy(&body[..body.len().min(META_BYTES)]).into_owned();
        is_html.then(|| charset(&head)).flatten()
    });
    let encoding = named.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8);
    encoding.decode(body).0.into_owned()
}

/// The word after `charset=`.
fn charset(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let at = text.find("charset=")? + "charset=".len();
    let label: String = text[at..]
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_:.+".contains(*c))
        .collect();
    (!label.is_empty()).then_some(label)
}

/// An error with its causes; its own words leave them out.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_come_from_mark_header_or_page() {
        let latin = b"gr\xfcn";
        assert_eq!(decode(latin, "text/plain; charset=ISO-8859-1", false), "grün");
        assert_eq!(
            decode(b"<meta charset='windows-1252'>gr\xfcn", "text/html", true),
            "<meta charset='windows-1252'>grün"
        );
        assert_eq!(decode("\u{feff}grün".as_bytes(), "text/plain; charset=latin1", false), "grün");
        assert_eq!(decode("grün".as_bytes(), "text/plain; charset=\"none-such\"", false), "grün");
        assert_eq!(decode(latin, "text/plain", false), "gr\u{fffd}n");
    }

    #[test]
    fn texts_are_told_from_others_by_their_type() {
        for text in [
            "text/html",
            "text/x-rust",
            "application/json",
            "application/ld+json",
            "application/atom+xml",
        ] {
            assert!(is_text(text), "{text}");
        }
        for other in [
            "image/png",
            "image/svg+xml",
            "application/pdf",
            "application/octet-stream",
            "video/mp4",
        ] {
            assert!(!is_text(other), "{other}");
        }
    }
}
