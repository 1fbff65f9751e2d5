//! The inputs of turns.

use std::path::Path;

use canon_agent::Input;
use canon_llm::ImageData;
use canon_protocol::codex::server::call::UserInput;
use canon_protocol::codex::server::outgoing::text_part;
use canon_protocol::jsonrpc::RpcError;
use serde_json::{Value, json};

use super::invalid;

/// Most bytes of a picture from a file.
const MAX_IMAGE: u64 = 20 * 1024 * 1024;

/// An input for the session, and its parts as the client is shown them.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) input: Input,
    pub(super) parts: Vec<Value>,
    /// What the client calls it.
    pub(super) client_id: Option<String>,
}

/// Reads an input. Files are read here, so that the conversation holds what was meant.
pub(super) async fn read(input: &[UserInput], cwd: &Path) -> Result<Given, RpcError> {
    let mut texts = Vec::new();
    let mut images = Vec::new();
    let mut parts = Vec::new();
    for part in input {
        match part {
            UserInput::Text(text) => {
                texts.push(text.clone());
                parts.push(text_part(text));
            }
            UserInput::Other(value) => {
                match value["type"].as_str() {
                    Some("image") => images.push(image(value)?),
                    Some("localImage") => images.push(local_image(value, cwd).await?),
                    // The model finds the file by its path, as it would in a text.
                    Some("mention" | "skill") => texts.push(mention(value)?),
                    _ => {
                        return Err(invalid(format!(
                            "input of type {} is not supported by this agent; send text, image, \
                             localImage, mention or skill",
                            value["type"]
                        )));
                    }
                }
                parts.push(value.clone());
            }
        }
    }
    let text = texts.join("\n\n");
    if text.trim().is_empty() && images.is_empty() {
        return Err(invalid("input holds neither text nor pictures"));
    }
    Ok(Given { input: Input { text, images }, parts, client_id: None })
}

fn string<'a>(part: &'a Value, name: &str) -> Result<&'a str, RpcError> {
    part[name].as_str().ok_or_else(|| {
        invalid(format!("input of type {}: `{name}` must be a string", part["type"]))
    })
}

fn mention(part: &Value) -> Result<String, RpcError> {
    Ok(format!("[{}]({})", string(part, "name")?, string(part, "path")?))
}

fn image(part: &Value) -> Result<ImageData, RpcError> {
    let mut image = of_url(string(part, "url")?).map_err(invalid)?;
    image.detail = part["detail"].as_str().map(str::to_owned);
    Ok(image)
}

/// A picture from a `data:` or `http(s):` URL.
pub(super) fn of_url(url: &str) -> Result<ImageData, String> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(ImageData { url: Some(url.to_owned()), ..ImageData::default() });
    }
    // A local path would be read by the model client, past every check.
    let data = url.strip_prefix("data:").ok_or("a picture's url must begin with data: or http")?;
    let (head, base64) = data.split_once(',').ok_or("a data: url needs a comma")?;
    let media_type = head.strip_suffix(";base64").ok_or("a data: url of a picture is base64")?;
    serde_json::from_value(json!({ "data": base64, "media_type": media_type }))
        .map_err(|error| format!("a data: url of a picture: {error}"))
}

async fn local_image(part: &Value, cwd: &Path) -> Result<ImageData, RpcError> {
    let path = cwd.join(string(part, "path")?);
    let bad = |why: String| invalid(format!("localImage {}: {why}", path.display()));
    let media_type = match path.extension().and_then(|name| name.to_str()) {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        _ => return Err(bad("is no .png, .jpg, .gif or .webp file".to_owned())),
    };
    let found = tokio::fs::metadata(&path).await.map_err(|error| bad(error.to_string()))?;
    if !found.is_file() || found.len() > MAX_IMAGE {
        return Err(bad(format!("is no file of up to {MAX_IMAGE} bytes")));
    }
    let data = tokio::fs::read(&path).await.map_err(|error| bad(error.to_string()))?;
    Ok(ImageData {
        data: Some(data),
        media_type: Some(media_type.to_owned()),
        detail: part["detail"].as_str().map(str::to_owned),
        ..ImageData::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(part: Value) -> Vec<UserInput> {
        vec![UserInput::Other(part)]
    }

    #[tokio::test]
    async fn pictures_and_mentions_are_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.png"), [1, 2]).unwrap();
        let input = [
            UserInput::Text("look".to_owned()),
            UserInput::Other(json!({"type": "image", "url": "data:image/gif;base64,AQID"})),
            UserInput::Other(
                json!({"type": "image", "url": "https://x.test/a.png", "detail": "low"}),
            ),
            UserInput::Other(json!({"type": "localImage", "path": "a.png"})),
            UserInput::Other(json!({"type": "mention", "name": "main", "path": "src/main.rs"})),
        ];
        let given = read(&input, dir.path()).await.unwrap();
        assert_eq!(given.input.text, "look\n\n[main](src/main.rs)");
        let [gif, remote, png] = &given.input.images[..] else { panic!("{given:?}") };
        assert_eq!(
            (gif.data.as_deref(), gif.media_type.as_deref()),
            (Some(&[1, 2, 3][..]), Some("image/gif"))
        );
        assert_eq!(
            (remote.url.as_deref(), remote.detail.as_deref()),
            (Some("https://x.test/a.png"), Some("low"))
        );
        assert_eq!(png.data.as_deref(), Some(&[1, 2][..]));
        assert_eq!(given.parts.len(), 5);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_refused_with_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        for (part, why) in [
            (json!({"type": "audio", "url": "data:audio/wav;base64,AQID"}), "audio"),
            (json!({"type": "image", "fileId": "f"}), "`url` must be a string"),
            (json!({"type": "image", "url": "/etc/passwd"}), "data: or http"),
            (json!({"type": "image", "url": "data:image/png,x"}), "base64"),
            (json!({"type": "image", "url": "data:image/png;base64,%%"}), "data: url"),
            (json!({"type": "localImage", "path": "none.png"}), "none.png"),
            (json!({"type": "localImage", "path": "/etc/passwd"}), "is no .png"),
            (json!({"type": "mention", "name": "x"}), "`path` must be a string"),
            (json!("text"), "type null"),
        ] {
            let error = read(&other(part.clone()), dir.path()).await.unwrap_err();
            assert!(error.message.contains(why), "{part}: {error}");
        }
        let empty = read(&[UserInput::Text(" ".to_owned())], dir.path()).await.unwrap_err();
        assert!(empty.message.contains("neither"), "{empty}");
    }
}
