//! Pictures, sounds, films and documents as parts of a content: inline bytes, or a file by its URI.

use serde_json::{Value, json};

use super::super::media::{base64, object};
use super::invalid;
use crate::error::LlmError;

/// Something that is no text, by URL or inline.
pub(super) struct Media<'a> {
    /// For messages, e.g. `an image`.
    pub what: &'static str,
    pub url: Option<&'a str>,
    pub data: Option<&'a [u8]>,
    pub media_type: Option<&'a str>,
    /// MIME type of bytes that come without one.
    pub default_type: &'static str,
}

impl Media<'_> {
    /// `inlineData` for bytes and `data:` URLs, `fileData` for any other URL. The API can do without the
    /// MIME type of a file that it knows, so one that cannot be told is left out.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidRequest`] unless there is exactly one of URL and bytes.
    pub(super) fn part(&self) -> Result<Value, LlmError> {
        match (self.url, self.data) {
            (None, Some(data)) => {
                Ok(inline(self.media_type.unwrap_or(self.default_type), base64(data)))
            }
            (Some(url), None) => match url.strip_prefix("data:") {
                Some(rest) => self.data_url(rest),
                None => Ok(file(url, self.media_type.or_else(|| by_extension(url)))),
            },
            _ => Err(invalid(format!("{} needs exactly one of `url` and `data`", self.what))),
        }
    }

    fn data_url(&self, rest: &str) -> Result<Value, LlmError> {
        let (head, data) = rest
            .split_once(',')
            .and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data)))
            .ok_or_else(|| invalid(format!("the `data:` URL of {} is not in base64", self.what)))?;
        let stated = head.split(';').next().filter(|media_type| !media_type.is_empty());
        Ok(inline(self.media_type.or(stated).unwrap_or(self.default_type), data.to_owned()))
    }
}

/// Bytes that are in base64 already.
fn inline(media_type: &str, data: String) -> Value {
    let blob = object([("mimeType", media_type.into()), ("data", data.into())]);
    object([("inlineData", blob)])
}

fn file(uri: &str, media_type: Option<&str>) -> Value {
    match media_type {
        Some(media_type) => json!({ "fileData": { "mimeType": media_type, "fileUri": uri } }),
        None => json!({ "fileData": { "fileUri": uri } }),
    }
}

fn by_extension(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "xml" => "text/xml",
        "json" => "application/json",
        "wav" => "audio/wav",
        "mp3" => "audio/mp3",
        "aiff" => "audio/aiff",
        "aac" => "audio/aac",
        "ogg" => "audio/ogg",
        "flac" => "audio/flac",
        "m4a" => "audio/m4a",
        "mp4" => "video/mp4",
        "mpeg" | "mpg" => "video/mpeg",
        "mov" => "video/mov",
        "avi" => "video/avi",
        "flv" => "video/x-flv",
        "webm" => "video/webm",
        "wmv" => "video/wmv",
        "3gp" | "3gpp" => "video/3gpp",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image<'a>(url: Option<&'a str>, data: Option<&'a [u8]>) -> Media<'a> {
        Media { what: "an image", url, data, media_type: None, default_type: "image/png" }
    }

    #[test]
    fn bytes_are_inline_and_urls_are_files_with_the_type_of_their_extension() {
        let cases = [
            (
                image(None, Some(b"ab")),
                json!({ "inlineData": { "mimeType": "image/png", "data": "YWI=" } }),
            ),
            (
                image(Some("https://x.org/a.b/C.JPG?w=1.5#top"), None),
                json!({ "fileData": { "mimeType": "image/jpeg", "fileUri": "https://x.org/a.b/C.JPG?w=1.5#top" } }),
            ),
            (
                image(Some("https://x.org/v1.2/files"), None),
                json!({ "fileData": { "fileUri": "https://x.org/v1.2/files" } }),
            ),
            (
                image(Some("data:image/gif;charset=x;base64,QUJD"), None),
                json!({ "inlineData": { "mimeType": "image/gif", "data": "QUJD" } }),
            ),
            (
                image(Some("data:;base64,QUJD"), None),
                json!({ "inlineData": { "mimeType": "image/png", "data": "QUJD" } }),
            ),
            (
                Media { media_type: Some("video/mp4"), ..image(Some("gs://b/film"), None) },
                json!({ "fileData": { "mimeType": "video/mp4", "fileUri": "gs://b/film" } }),
            ),
        ];
        for (media, wanted) in cases {
            assert_eq!(media.part().unwrap(), wanted);
        }
    }

    #[test]
    fn what_is_no_medium_is_refused() {
        for media in [
            image(None, None),
            image(Some("https://x.org/a.png"), Some(b"ab")),
            image(Some("data:image/png,abc"), None),
            image(Some("data:"), None),
        ] {
            let error = media.part().unwrap_err();
            assert!(error.message().contains("an image"), "{error}");
        }
    }
}
