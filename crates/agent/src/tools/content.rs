//! What a file's bytes are to a model: text, a picture, or something that other programs read.

/// A file's content.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Without a byte order mark.
    Text(String),
    /// An image that models take; its media type, such as `image/png`.
    Image(&'static str, Vec<u8>),
    /// Nothing to show; what it is, and what to do about it.
    Other(&'static str),
}

const BINARY: &str = "is a binary file; inspect it with the shell (file, xxd, strings)";
const PDF: &str = "is a PDF; extract its text with the shell (pdftotext FILE -)";
const UTF16: &str = "is text in UTF-16; convert it with the shell (iconv -f UTF-16 -t UTF-8 FILE)";
const BOM: char = '\u{feff}';

impl Content {
    /// Told by content, since names lie.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        if let Some(media_type) = image_type(&bytes) {
            return Self::Image(media_type, bytes);
        }
        match bytes.as_slice() {
            [b'%', b'P', b'D', b'F', b'-', ..] => return Self::Other(PDF),
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Self::Other(UTF16),
            _ => {}
        }
        match text(bytes) {
            Some(text) => Self::Text(text),
            None => Self::Other(BINARY),
        }
    }
}

fn image_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

/// The text, or `None` for a binary file: one with a NUL, or of which more than a tenth is no
/// UTF-8. What little is not UTF-8 (an old encoding) is shown as replacement characters.
pub(super) fn text(bytes: Vec<u8>) -> Option<String> {
    if bytes.contains(&0) {
        return None;
    }
    let mut text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let bytes = error.as_bytes();
            let invalid: usize = bytes.utf8_chunks().map(|chunk| chunk.invalid().len()).sum();
            if invalid * 10 > bytes.len() {
                return None;
            }
            String::from_utf8_lossy(bytes).into_owned()
        }
    };
    if text.starts_with(BOM) {
        text.drain(..BOM.len_utf8());
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_files_are_told_from_old_encodings() {
        assert_eq!(text(b"\x7fELF\0\0".to_vec()), None);
        assert_eq!(text(vec![0xfe; 40]), None);
        assert_eq!(text(b"gr\xfcn und blau".to_vec()).as_deref(), Some("gr\u{fffd}n und blau"));
        assert_eq!(text("\u{feff}a".into()).as_deref(), Some("a"));
    }

    #[test]
    fn images_and_documents_are_known_by_content() {
        let of = |bytes: &[u8]| Content::of(bytes.to_vec());
        assert!(matches!(of(b"\x89PNG\r\n\x1a\nrest"), Content::Image("image/png", _)));
        assert!(matches!(of(b"\xff\xd8\xff\xe0"), Content::Image("image/jpeg", _)));
        assert!(matches!(of(b"GIF89a.."), Content::Image("image/gif", _)));
        assert!(matches!(of(b"RIFF....WEBPVP8 "), Content::Image("image/webp", _)));
        assert_eq!(of(b"%PDF-1.7 ..."), Content::Other(PDF));
        assert_eq!(of(b"\xff\xfea\0"), Content::Other(UTF16));
        assert_eq!(of(b"a\0"), Content::Other(BINARY));
        assert_eq!(of(b"plain"), Content::Text("plain".into()));
    }
}
