//! What a host says to a model: text, and pictures.

use canon_llm::{ContentPart, ImageData, Message, Role};

/// One input or steering message. Text alone converts into it.
///
/// ```
/// use canon_agent::Input;
/// use canon_llm::ImageData;
///
/// let picture = ImageData { data: Some(vec![0x89]), ..ImageData::default() };
/// let input = Input::new("What is wrong with this page?").with_image(picture);
/// assert_eq!(input.images.len(), 1);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Input {
    /// The text; may be empty when there are images.
    pub text: String,
    /// Pictures, shown behind the text. Those with a `url` that is a local path are read by the
    /// model client at every call, so a host that wants to keep the conversation gives the bytes.
    pub images: Vec<ImageData>,
}

impl Input {
    /// Text alone.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), images: Vec::new() }
    }

    /// The same with one more picture.
    #[must_use]
    pub fn with_image(mut self, image: ImageData) -> Self {
        self.images.push(image);
        self
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&String> for Input {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// The user's message of a text and pictures.
pub(super) fn message(text: &str, images: &[ImageData]) -> Message {
    if images.is_empty() {
        return Message::user(text);
    }
    let text = (!text.is_empty()).then(|| ContentPart::text(text));
    let images = images.iter().cloned().map(ContentPart::image);
    Message::new(Role::User, text.into_iter().chain(images).collect())
}
