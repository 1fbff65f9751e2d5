//! Media in messages: local files are read and put inline before a request is translated (unified-llm §3.5),
//! and bytes become base64.

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use tokio::io::AsyncReadExt as _;

use crate::error::{ErrorKind, LlmError};
use crate::types::{ContentPart, Request};

/// What a local file is read as.
#[derive(Debug)]
struct Kind {
    name: &'static str,
    /// Largest file that is read, in bytes; providers take no larger ones.
    limit: u64,
    /// Extensions in lower case, and their MIME types.
    types: &'static [(&'static str, &'static str)],
}

const MIB: u64 = 1024 * 1024;

const IMAGE: Kind = Kind {
    name: "image",
    limit: 20 * MIB,
    types: &[
        ("png", "image/png"),
        ("jpg", "image/jpeg"),
        ("jpeg", "image/jpeg"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
        ("heic", "image/heic"),
        ("heif", "image/heif"),
    ],
};

const AUDIO: Kind = Kind {
    name: "audio",
    limit: 25 * MIB,
    types: &[
        ("wav", "audio/wav"),
        ("mp3", "audio/mp3"),
        ("flac", "audio/flac"),
        ("ogg", "audio/ogg"),
        ("oga", "audio/ogg"),
        ("opus", "audio/ogg"),
        ("m4a", "audio/mp4"),
        ("aac", "audio/aac"),
        ("aif", "audio/aiff"),
        ("aiff", "audio/aiff"),
    ],
};

const DOCUMENT: Kind = Kind {
    name: "document",
    limit: 50 * MIB,
    types: &[
        ("pdf", "application/pdf"),
        ("txt", "text/plain"),
        ("log", "text/plain"),
        ("md", "text/markdown"),
        ("markdown", "text/markdown"),
        ("csv", "text/csv"),
        ("tsv", "text/tab-separated-values"),
        ("html", "text/html"),
        ("htm", "text/html"),
        ("xml", "text/xml"),
        ("json", "application/json"),
        ("yaml", "text/plain"),
        ("yml", "text/plain"),
        ("toml", "text/plain"),
        ("rtf", "application/rtf"),
        ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ],
};

/// The fields that images, sounds and documents have in common.
struct Media<'a> {
    kind: &'static Kind,
    url: &'a mut Option<String>,
    data: &'a mut Option<Vec<u8>>,
    media_type: &'a mut Option<String>,
    file_name: Option<&'a mut Option<String>>,
}

/// `request` with every image, sound and document that names a local path replaced by the file's bytes.
///
/// A path starts with `/`, `./` or `~/`. `../…` and `file:` URLs are neither paths nor URLs that a provider
/// could read, so they are refused.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] when a path leads to no regular file, or one that cannot be read, is empty,
/// too large, or of a type that is neither stated nor known by its extension.
pub async fn inline_local_files(request: &Request) -> Result<Cow<'_, Request>, LlmError> {
    let parts = request.messages.iter().flat_map(|message| &message.content);
    if !parts.filter_map(url).any(is_local) {
        return Ok(Cow::Borrowed(request));
    }
    let mut request = request.clone();
    for part in request.messages.iter_mut().flat_map(|message| &mut message.content) {
        if let Some(media) = media(part) {
            inline(media).await?;
        }
    }
    Ok(Cow::Owned(request))
}

fn url(part: &ContentPart) -> Option<&str> {
    match part {
        ContentPart::Image { image, .. } => image.url.as_deref(),
        ContentPart::Audio { audio, .. } => audio.url.as_deref(),
        ContentPart::Document { document, .. } => document.url.as_deref(),
        _ => None,
    }
}

fn media(part: &mut ContentPart) -> Option<Media<'_>> {
    Some(match part {
        ContentPart::Image { image, .. } => Media {
            kind: &IMAGE,
            url: &mut image.url,
            data: &mut image.data,
            media_type: &mut image.media_type,
            file_name: None,
        },
        ContentPart::Audio { audio, .. } => Media {
            kind: &AUDIO,
            url: &mut audio.url,
            data: &mut audio.data,
            media_type: &mut audio.media_type,
            file_name: None,
        },
        ContentPart::Document { document, .. } => Media {
            kind: &DOCUMENT,
            url: &mut document.url,
            data: &mut document.data,
            media_type: &mut document.media_type,
            file_name: Some(&mut document.file_name),
        },
        _ => return None,
    })
}

/// Whether this is a path, or something that only a local reader could make sense of.
fn is_local(url: &str) -> bool {
    let scheme = url.get(..5).unwrap_or_default();
    ["/", "./", "../", "~"].iter().any(|start| url.starts_with(start))
        || scheme.eq_ignore_ascii_case("file:")
}

async fn inline(media: Media<'_>) -> Result<(), LlmError> {
    let Media { kind, url, data, media_type, file_name } = media;
    let Some(named) = url.as_deref().filter(|url| is_local(url)) else {
        return Ok(());
    };
    let refuse = |reason: &str| refusal(kind, named, reason);
    if data.is_some() {
        return Err(refuse("it comes with `data` as well; give one of the two"));
    }
    let path = resolve(named, std::env::var_os("HOME")).map_err(refuse)?;
    let by_extension = media_type_of(kind, &path);
    if media_type.is_none() && by_extension.is_none() {
        let known: Vec<&str> = kind.types.iter().map(|(extension, _)| *extension).collect();
        let known = known.join(", ");
        return Err(refuse(&format!("its extension is none of {known}; name its `media_type`")));
    }
    let bytes = read(kind, named, &path).await?;
    media_type.get_or_insert_with(|| by_extension.unwrap_or_default().to_owned());
    if let Some(file_name) = file_name {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        *file_name = file_name.take().or(name);
    }
    *data = Some(bytes);
    *url = None;
    Ok(())
}

fn refusal(kind: &Kind, named: &str, reason: &str) -> LlmError {
    LlmError::new(ErrorKind::InvalidRequest, format!("{} {named}: {reason}", kind.name))
}

/// The path that is meant; `home` is the user's own directory.
fn resolve(named: &str, home: Option<OsString>) -> Result<PathBuf, &'static str> {
    let Some(below) = named.strip_prefix('~') else {
        return if named.starts_with('/') || named.starts_with("./") {
            Ok(PathBuf::from(named))
        } else {
            Err("local files are named by a path that starts with `/`, `./` or `~/`")
        };
    };
    let Some(below) = below.strip_prefix('/') else {
        return Err("only `~/` is known, not the directories of other users");
    };
    let home = home.filter(|home| !home.is_empty()).ok_or("HOME is not set")?;
    // Without leading slashes, which would make `below` a path from the root.
    Ok(PathBuf::from(home).join(below.trim_start_matches('/')))
}

fn media_type_of(kind: &Kind, path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let (_, media_type) = kind.types.iter().find(|(known, _)| *known == extension)?;
    Some(media_type)
}

/// The bytes of a regular file. Opening a FIFO would wait for its writer and a device may never end, so
/// what it is is asked first; it is asked again after opening, and no more than the limit is ever read.
async fn read(kind: &Kind, named: &str, path: &Path) -> Result<Vec<u8>, LlmError> {
    let refuse = |reason: &str| refusal(kind, named, reason);
    let unreadable = |error: std::io::Error| refuse(&error.to_string()).with_source(error);
    let too_large =
        |size: &str| refuse(&format!("{size} bytes, more than the limit of {}", kind.limit));
    let check = |metadata: std::fs::Metadata| {
        if !metadata.is_file() {
            Err(refuse("not a regular file"))
        } else if metadata.len() > kind.limit {
            Err(too_large(&metadata.len().to_string()))
        } else {
            Ok(metadata.len())
        }
    };
    check(tokio::fs::metadata(path).await.map_err(unreadable)?)?;
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let size = check(file.metadata().await.map_err(unreadable)?)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(1));
    file.take(kind.limit + 1).read_to_end(&mut bytes).await.map_err(unreadable)?;
    match bytes.len() as u64 {
        0 => Err(refuse("the file is empty")),
        more if more > kind.limit => Err(too_large("it has grown to more")),
        _ => Ok(bytes),
    }
}

/// `data` as base64.
pub(super) fn base64(data: &[u8]) -> String {
    STANDARD.encode(data)
}

/// `data` as a URL that holds it.
pub(super) fn data_url(media_type: &str, data: &[u8]) -> String {
    let mut url = String::with_capacity(media_type.len() + 13 + data.len().div_ceil(3) * 4);
    url.push_str("data:");
    url.push_str(media_type);
    url.push_str(";base64,");
    STANDARD.encode_string(data, &mut url);
    url
}

/// The MIME type and the bytes of a base64 data URL; `None` for any other URL.
pub(super) fn parse_data_url(url: &str) -> Option<(&str, Vec<u8>)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    let media_type = head.split(';').next().filter(|name| !name.is_empty())?;
    Some((media_type, STANDARD.decode(data).ok()?))
}

/// An object that takes its values as they are: `json!` would copy them, and these may be megabytes.
pub(super) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    Value::Object(fields.collect::<Map<String, Value>>())
}

#[cfg(test)]
mod tests;
