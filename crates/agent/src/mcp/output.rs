//! What a server answered, as the output of a tool.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};
use serde_json::{Value, json};

use crate::tools::{ToolImage, ToolOutput};

/// Bytes that are kept of an answer's text; what the model sees is cut later.
const MOST_TEXT: usize = 1024 * 1024;
/// Images of one answer.
const MOST_IMAGES: usize = 16;
/// Bytes of an image.
const MOST_IMAGE: usize = 5 * 1024 * 1024;
/// The kinds of images that all providers take.
const IMAGES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// Text in order, images beside it, and a word for what can be neither.
pub(super) fn output(result: CallToolResult) -> ToolOutput {
    let mut parts: Vec<String> = Vec::new();
    let mut images: Vec<ToolImage> = Vec::new();
    for block in result.content {
        match block {
            ContentBlock::Text(text) => parts.push(text.text),
            ContentBlock::Image(image) => {
                match picture(&image.data, &image.mime_type, images.len()) {
                    Ok(image) => images.push(image),
                    Err(why) => parts.push(format!("[an image was left out: {why}]")),
                }
            }
            ContentBlock::Audio(audio) => {
                let bytes = audio.data.len() / 4 * 3;
                parts
                    .push(format!("[{}, about {bytes} bytes of sound, left out]", audio.mime_type));
            }
            ContentBlock::Resource(embedded) => {
                embedded_resource(embedded.resource, &mut parts, &mut images);
            }
            ContentBlock::ResourceLink(link) => {
                let kind = link.mime_type.map(|kind| format!(" ({kind})")).unwrap_or_default();
                parts.push(format!("[resource {}: {}{kind}]", link.name, link.uri));
            }
            _ => parts.push("[something of an unknown kind was left out]".to_owned()),
        }
    }
    // A server that gives both says the same in the text.
    let has_text = !parts.is_empty();
    let structured = result.structured_content.filter(|value| !value.is_null());
    if let (Some(value), false) = (&structured, has_text) {
        parts.push(value.to_string());
    }
    let mut output = ToolOutput {
        text: bounded(parts.join("\n\n")),
        is_error: result.is_error == Some(true),
        images,
        details: structured.map_or(Value::Null, |value| json!({ "structured": value })),
    };
    if output.text.is_empty() && output.images.is_empty() {
        let nothing =
            if output.is_error { "It failed without a word." } else { "Done; no output." };
        output.text = nothing.to_owned();
    }
    output
}

/// The beginning and the end of a flood.
fn bounded(text: String) -> String {
    if text.len() <= MOST_TEXT {
        return text;
    }
    let head = text.floor_char_boundary(MOST_TEXT / 2);
    let tail = text.ceil_char_boundary(text.len() - MOST_TEXT / 2);
    let (left_out, most) = (tail - head, MOST_TEXT);
    let word = format!("[... {left_out} bytes were left out: an answer has {most} at most ...]");
    format!("{}\n\n{word}\n\n{}", &text[..head], &text[tail..])
}

fn embedded_resource(
    resource: ResourceContents,
    parts: &mut Vec<String>,
    images: &mut Vec<ToolImage>,
) {
    match resource {
        ResourceContents::TextResourceContents { uri, text, .. } => {
            parts.push(format!("[resource {uri}]\n{text}"));
        }
        ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
            let kind = mime_type.unwrap_or_else(|| "unknown".to_owned());
            match picture(&blob, &kind, images.len()) {
                Ok(image) => {
                    parts.push(format!("[resource {uri}: an image]"));
                    images.push(image);
                }
                Err(why) => parts.push(format!("[resource {uri} was left out: {why}]")),
            }
        }
        _ => parts.push("[a resource of an unknown kind was left out]".to_owned()),
    }
}

fn picture(data: &str, media_type: &str, before: usize) -> Result<ToolImage, String> {
    let media_type = media_type.trim().to_ascii_lowercase();
    if !IMAGES.contains(&media_type.as_str()) {
        return Err(format!("{media_type} is not a kind that can be shown"));
    }
    if before >= MOST_IMAGES {
        return Err(format!("an answer has {MOST_IMAGES} images at most"));
    }
    if data.len() / 4 * 3 > MOST_IMAGE {
        return Err(format!("it has more than {MOST_IMAGE} bytes"));
    }
    let data = STANDARD.decode(data).map_err(|error| format!("it is no Base64: {error}"))?;
    Ok(ToolImage { data, media_type })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(result: Value) -> ToolOutput {
        output(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn text_images_resources_and_links_are_told_in_order() {
        let output = of(json!({"content": [
            {"type": "text", "text": "one"},
            {"type": "image", "data": "aGk=", "mimeType": "image/PNG"},
            {"type": "resource", "resource": {"uri": "file:///a", "text": "inside"}},
            {"type": "resource", "resource": {"uri": "x:p", "mimeType": "image/gif", "blob": "aGk="}},
            {"type": "resource_link", "uri": "file:///b", "name": "b", "mimeType": "text/plain"},
            {"type": "audio", "data": "AAAA", "mimeType": "audio/wav"},
        ]}));
        assert_eq!(
            output.text,
            "one\n\n[resource file:///a]\ninside\n\n[resource x:p: an image]\n\n\
             [resource b: file:///b (text/plain)]\n\n[audio/wav, about 3 bytes of sound, left out]"
        );
        let kinds: Vec<_> = output.images.iter().map(|image| image.media_type.as_str()).collect();
        assert_eq!(kinds, ["image/png", "image/gif"]);
        assert_eq!(output.images[0].data, b"hi");
        assert!(!output.is_error);
    }

    #[test]
    fn a_failure_is_an_error_output() {
        let output = of(json!({"isError": true, "content": [{"type": "text", "text": "no"}]}));
        assert_eq!((output.text.as_str(), output.is_error), ("no", true));
        assert!(of(json!({"isError": true, "content": []})).text.contains("without a word"));
        assert!(of(json!({"content": []})).text.starts_with("Done"));
    }

    #[test]
    fn structured_content_is_text_only_where_there_is_none() {
        let value = json!({"n": 1});
        let alone = of(json!({"structuredContent": value}));
        assert_eq!((alone.text.as_str(), &alone.details["structured"]), ("{\"n\":1}", &value));
        let both = of(
            json!({"structuredContent": value, "content": [{"type": "text", "text": "n is 1"}]}),
        );
        assert_eq!((both.text.as_str(), &both.details["structured"]), ("n is 1", &value));
    }

    #[test]
    fn images_that_cannot_be_shown_are_left_out_with_a_word() {
        let big = "A".repeat(MOST_IMAGE * 2);
        let images = [("!", "image/png"), ("aGk=", "image/svg+xml"), (&big, "image/png")];
        let content: Vec<Value> = images
            .iter()
            .map(|(data, kind)| json!({"type": "image", "data": data, "mimeType": kind}))
            .collect();
        let output = of(json!({ "content": content }));
        assert!(output.images.is_empty());
        for part in ["no Base64", "image/svg+xml is not", "more than 5242880 bytes"] {
            assert!(output.text.contains(part), "{part}: {}", output.text);
        }
        let one = json!({"type": "image", "data": "aGk=", "mimeType": "image/png"});
        let output = of(json!({ "content": vec![one; MOST_IMAGES + 2] }));
        assert_eq!(output.images.len(), MOST_IMAGES);
        assert_eq!(output.text.matches("16 images at most").count(), 2);
    }

    #[test]
    fn a_flood_of_text_is_cut() {
        let text = "x".repeat(MOST_TEXT * 2);
        let output = of(json!({"content": [{"type": "text", "text": text}]}));
        assert!(output.text.len() < MOST_TEXT + 1000);
        assert!(output.text.contains("[... 1048576 bytes were left out"));
    }
}
