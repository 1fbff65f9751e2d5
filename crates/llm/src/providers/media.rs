//! Local files in messages: read and put inline before a request is translated (unified-llm §3.5).

use std::borrow::Cow;
use std::path::PathBuf;

use crate::error::{ErrorKind, LlmError};
use crate::types::{ContentPart, ImageData, Request};

/// Largest local image that is read, in bytes.
const MAX_IMAGE: u64 = 20 * 1024 * 1024;

/// `request` with every image that names a local path replaced by the file's bytes.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] when a file cannot be read, is too large or is of no known image type.
pub async fn inline_local_files(request: &Request) -> Result<Cow<'_, Request>, LlmError> {
    let is_local = |part: &ContentPart| match part {
        ContentPart::Image { image, .. } => local_path(image).is_some(),
        _ => false,
    };
    if !request.messages.iter().any(|message| message.content.iter().any(is_local)) {
        return Ok(Cow::Borrowed(request));
    }
    let mut request = request.clone();
    for message in &mut request.messages {
        for part in &mut message.content {
            if let ContentPart::Image { image, .. } = part
                && let Some(path) = local_path(image)
            {
                let (data, media_type) = read_image(&path).await?;
                image.url = None;
                image.data = Some(data);
                image.media_type.get_or_insert(media_type.to_owned());
            }
        }
    }
    Ok(Cow::Owned(request))
}

fn local_path(image: &ImageData) -> Option<PathBuf> {
    let url = image.url.as_deref()?;
    if let Some(rest) = url.strip_prefix("~/") {
        return Some(PathBuf::from(std::env::var_os("HOME")?).join(rest));
    }
    (url.starts_with('/') || url.starts_with("./")).then(|| PathBuf::from(url))
}

async fn read_image(path: &std::path::Path) -> Result<(Vec<u8>, &'static str), LlmError> {
    let refuse = |reason: String| {
        LlmError::new(ErrorKind::InvalidRequest, format!("image {}: {reason}", path.display()))
    };
    let extension =
        path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    let media_type = match extension.as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => return Err(refuse("not a png, jpeg, gif or webp file".to_owned())),
    };
    let unreadable = |error: std::io::Error| refuse(error.to_string()).with_source(error);
    let size = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
    if size > MAX_IMAGE {
        return Err(refuse(format!("{size} bytes, more than {MAX_IMAGE}")));
    }
    let data = tokio::fs::read(path).await.map_err(unreadable)?;
    Ok((data, media_type))
}
