//! What a user says, with what the editor attached to it, as an input of a session.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canon_agent::Input;
use canon_llm::ImageData;
use canon_protocol::acp::content::{ContentBlock, ResourceContents};
use canon_protocol::jsonrpc::RpcError;

use super::invalid;

/// Pictures that providers take.
const PICTURES: [&str; 4] = ["image/png", "image/jpeg", "image/gif", "image/webp"];

/// The input; what cannot be given to a model is refused with its place.
pub(super) fn input(blocks: Vec<ContentBlock>) -> Result<Input, RpcError> {
    let mut said = Said::default();
    for (at, block) in blocks.into_iter().enumerate() {
        said.take(block).map_err(|why| invalid(format!("prompt[{at}]: {why}")))?;
    }
    let text = format!("{}{}", said.text.trim(), said.attached);
    if text.trim().is_empty() && said.images.is_empty() {
        return Err(invalid("prompt: holds nothing"));
    }
    Ok(said.images.into_iter().fold(Input::new(text), Input::with_image))
}

#[derive(Default)]
struct Said {
    text: String,
    /// Behind the text, which mentions it where the user did.
    attached: String,
    images: Vec<ImageData>,
    after_text: bool,
}

impl Said {
    fn take(&mut self, block: ContentBlock) -> Result<(), String> {
        let is_text = matches!(block, ContentBlock::Text { .. });
        match block {
            ContentBlock::Text { text } => {
                // Mentions stand in the middle of a sentence; two texts are two paragraphs.
                if self.after_text {
                    self.text.push_str("\n\n");
                }
                self.text.push_str(&text);
            }
            ContentBlock::Image { data, mime_type, .. } => self.picture(&data, mime_type)?,
            ContentBlock::ResourceLink { name, uri, .. } => self.mention(&name, &uri),
            ContentBlock::Resource { resource } => self.resource(resource)?,
            ContentBlock::Audio { .. } => {
                return Err("sound is not supported by this agent".to_owned());
            }
            ContentBlock::Unknown(block) => {
                let kind = block["type"].as_str().unwrap_or("none");
                return Err(format!("content of type {kind:?} cannot be read"));
            }
        }
        self.after_text = is_text;
        Ok(())
    }

    fn mention(&mut self, name: &str, uri: &str) {
        self.text.push_str(&format!("[{name}]({uri})"));
    }

    fn resource(&mut self, resource: ResourceContents) -> Result<(), String> {
        match resource {
            ResourceContents::Text { uri, text, .. } => {
                let name = uri.rsplit('/').find(|part| !part.is_empty()).unwrap_or(&uri).to_owned();
                self.mention(&name, &uri);
                self.attached.push_str(&format!("\n\n<context uri=\"{uri}\">\n{text}\n</context>"));
                Ok(())
            }
            ResourceContents::Blob { blob, mime_type: Some(mime_type), .. }
                if PICTURES.contains(&mime_type.as_str()) =>
            {
                self.picture(&blob, mime_type)
            }
            ResourceContents::Blob { uri, mime_type, .. } => Err(format!(
                "{uri}: a resource of type {} is neither text nor a picture",
                mime_type.as_deref().unwrap_or("unknown")
            )),
        }
    }

    fn picture(&mut self, data: &str, mime_type: String) -> Result<(), String> {
        if !PICTURES.contains(&mime_type.as_str()) {
            let known = PICTURES.join(", ");
            return Err(format!("a picture of type {mime_type:?} cannot be shown; {known} can"));
        }
        let data = STANDARD.decode(data).map_err(|error| format!("no base64: {error}"))?;
        self.images.push(ImageData {
            data: Some(data),
            media_type: Some(mime_type),
            ..ImageData::default()
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn said(blocks: Value) -> Result<Input, RpcError> {
        input(serde_json::from_value(blocks).unwrap())
    }

    #[test]
    fn mentions_stand_where_they_were_made_and_contents_behind() {
        let input = said(json!([
            { "type": "text", "text": "Look at " },
            { "type": "resource_link", "name": "a.rs", "uri": "file:///w/a.rs" },
            { "type": "text", "text": " and " },
            { "type": "resource", "resource": { "uri": "file:///w/b.rs", "text": "fn b() {}" } },
            { "type": "text", "text": ", please." },
            { "type": "text", "text": "Soon." },
        ]));
        let text = "Look at [a.rs](file:///w/a.rs) and [b.rs](file:///w/b.rs), please.\n\nSoon.\n\n\
                    <context uri=\"file:///w/b.rs\">\nfn b() {}\n</context>";
        assert_eq!(input.unwrap(), Input::new(text));
    }

    #[test]
    fn pictures_come_with_their_bytes() {
        let input = said(json!([
            { "type": "image", "data": "iVA=", "mimeType": "image/png" },
            { "type": "resource",
              "resource": { "uri": "x", "blob": "/9g=", "mimeType": "image/jpeg" } },
        ]));
        let images = input.unwrap().images;
        let bytes: Vec<_> = images.iter().map(|image| image.data.clone().unwrap()).collect();
        assert_eq!(bytes, [vec![0x89, b'P'], vec![0xff, 0xd8]]);
        assert_eq!(images[1].media_type.as_deref(), Some("image/jpeg"));
    }

    #[test]
    fn what_no_model_can_be_given_is_refused_with_its_place() {
        for (block, why) in [
            (json!({ "type": "audio", "data": "", "mimeType": "audio/wav" }), "sound"),
            (json!({ "type": "image", "data": "?", "mimeType": "image/png" }), "base64"),
            (json!({ "type": "image", "data": "", "mimeType": "image/tiff" }), "image/tiff"),
            (json!({ "type": "resource", "resource": { "uri": "x", "blob": "" } }), "neither"),
            (json!({ "type": "hologram" }), "hologram"),
        ] {
            let error = said(json!([{ "type": "text", "text": "a" }, block])).unwrap_err();
            assert!(error.message.starts_with("prompt[1]: "), "{error}");
            assert!(error.message.contains(why), "{error}");
        }
        assert!(said(json!([])).unwrap_err().message.contains("nothing"));
        assert!(said(json!([{ "type": "text", "text": " \n" }])).is_err());
    }
}
