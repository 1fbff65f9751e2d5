//! A request from the flags, files and standard input.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use canon_llm::{ContentPart, DocumentData, ImageData, Message, Request, Role};

use super::Args;
use crate::error::Error;

/// Most that is read of a file or of standard input, in bytes: more than any provider takes.
const MOST: u64 = 64 * 1024 * 1024;

/// What the flags ask for, without a model.
pub(super) fn request(args: &Args) -> Result<Request, Error> {
    if args.temperature.is_some_and(|x| !x.is_finite() || x < 0.0) {
        return Err(Error::input("--temperature: expected a number from 0"));
    }
    let mut parts = Vec::new();
    for path in &args.file {
        parts.push(document(path)?);
    }
    for image in &args.image {
        parts.push(ContentPart::image(picture(image)?));
    }
    let prompt = prompt(args.prompt.as_deref(), !parts.is_empty())?;
    if !prompt.trim().is_empty() {
        parts.push(ContentPart::text(prompt));
    } else if parts.is_empty() {
        return Err(Error::input("the prompt is empty")
            .hint("give it as an argument, or on standard input"));
    }
    let system = args.system.iter().map(Message::system);
    let messages = system.chain([Message::new(Role::User, parts)]).collect();
    let mut request = Request::new("", messages);
    request.max_tokens = args.max_tokens;
    request.temperature = args.temperature;
    request.reasoning_effort.clone_from(&args.reasoning_effort);
    Ok(request)
}

/// The argument, then what is piped in.
fn prompt(argument: Option<&str>, has_files: bool) -> Result<String, Error> {
    let stdin = io::stdin();
    let argument = match argument {
        Some("-") => return text_of_stdin(),
        None if !stdin.is_terminal() => return text_of_stdin(),
        None if has_files => return Ok(String::new()),
        None => {
            return Err(Error::input("nothing is asked")
                .hint("give a prompt as an argument, or pipe it in"));
        }
        Some(argument) => argument,
    };
    // Only what surely ends: a terminal, a socket or a device beside a prompt is nobody's input.
    let is_input = stdin
        .as_fd()
        .try_clone_to_owned()
        .and_then(|stdin| File::from(stdin).metadata())
        .is_ok_and(|stdin| stdin.file_type().is_fifo() || stdin.is_file());
    let piped = if is_input { text_of_stdin()? } else { String::new() };
    if piped.trim().is_empty() {
        return Ok(argument.to_owned());
    }
    Ok(format!("{argument}\n\n{piped}"))
}

pub(in crate::cli) fn text_of_stdin() -> Result<String, Error> {
    let text = bounded(io::stdin().lock()).and_then(text);
    text.map_err(|why| Error::input(format!("standard input: {why}")))
}

/// The text in a file.
pub(in crate::cli) fn text_of(path: &Path) -> Result<String, String> {
    read(path).and_then(text)
}

fn text(data: Vec<u8>) -> Result<String, String> {
    String::from_utf8(data).map_err(|error| format!("not UTF-8: {}", error.utf8_error()))
}

/// An image, by its URL or from a file.
pub(in crate::cli) fn picture(image: &str) -> Result<ImageData, Error> {
    if image.contains("://") {
        return Ok(ImageData { url: Some(image.to_owned()), ..ImageData::default() });
    }
    let wrong = |why: &str| Error::input(format!("--image {image}: {why}"));
    let data = read(Path::new(image)).map_err(|why| wrong(&why))?;
    let media_type =
        image_type(&data).ok_or_else(|| wrong("not a PNG, JPEG, GIF, WebP or HEIC image"))?;
    Ok(ImageData {
        data: Some(data),
        media_type: Some(media_type.to_owned()),
        ..ImageData::default()
    })
}

/// The type by what the bytes say; an extension may lie.
fn image_type(data: &[u8]) -> Option<&'static str> {
    let at = |from: usize, bytes: &[u8]| data.get(from..from + bytes.len()) == Some(bytes);
    let types = [
        (at(0, b"\x89PNG\r\n\x1a\n"), "image/png"),
        (at(0, b"\xff\xd8\xff"), "image/jpeg"),
        (at(0, b"GIF87a") || at(0, b"GIF89a"), "image/gif"),
        (at(0, b"RIFF") && at(8, b"WEBP"), "image/webp"),
        (at(4, b"ftypheic") || at(4, b"ftypheix"), "image/heic"),
        (at(4, b"ftypmif1"), "image/heif"),
    ];
    types.iter().find_map(|(is, name)| is.then_some(*name))
}

fn document(path: &Path) -> Result<ContentPart, Error> {
    let wrong = |why: String| Error::input(format!("--file {}: {why}", path.display()));
    let data = read(path).map_err(wrong)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "document".to_owned());
    if let Some(media_type) = document_type(path, &data) {
        return Ok(ContentPart::Document {
            document: DocumentData {
                data: Some(data),
                media_type: Some(media_type.to_owned()),
                file_name: Some(name),
                ..DocumentData::default()
            },
            provider_raw: None,
        });
    }
    match String::from_utf8(data) {
        Ok(text) if !text.contains('\0') => {
            Ok(ContentPart::text(format!("{name}:\n\n{}\n\n", text.trim_end())))
        }
        _ => Err(wrong("neither text nor a document of a known type".to_owned())),
    }
}

/// Documents that are no text. An office format is an archive, so that its name decides.
fn document_type(path: &Path, data: &[u8]) -> Option<&'static str> {
    if data.starts_with(b"%PDF-") {
        return Some("application/pdf");
    }
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    match extension.as_str() {
        "docx" => Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        "xlsx" => Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        "pptx" => Some("application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        "odt" => Some("application/vnd.oasis.opendocument.text"),
        "epub" => Some("application/epub+zip"),
        _ => None,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    if file.metadata().is_ok_and(|found| found.is_dir()) {
        return Err("is a directory".to_owned());
    }
    bounded(file)
}

/// Not by its stated length: a device has none and never ends.
fn bounded(from: impl Read) -> Result<Vec<u8>, String> {
    let mut data = Vec::new();
    from.take(MOST + 1).read_to_end(&mut data).map_err(|error| error.to_string())?;
    if data.len() as u64 > MOST { Err(format!("more than {MOST} bytes")) } else { Ok(data) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_known_by_its_bytes() {
        let cases: [(&[u8], _); 7] = [
            (b"\x89PNG\r\n\x1a\nrest", Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a", Some("image/gif")),
            (b"RIFF\0\0\0\0WEBPVP8 ", Some("image/webp")),
            (b"\0\0\0\x18ftypheic", Some("image/heic")),
            (b"RIFF\0\0\0\0WAVE", None),
            (b"", None),
        ];
        for (bytes, wanted) in cases {
            assert_eq!(image_type(bytes), wanted, "{bytes:?}");
        }
    }

    #[test]
    fn a_url_is_passed_on_and_a_file_is_read() {
        let url = picture("https://example.com/a.png").unwrap();
        assert_eq!((url.url.as_deref(), url.data), (Some("https://example.com/a.png"), None));
        let error = picture("nowhere.png").unwrap_err().to_string();
        assert!(error.contains("--image nowhere.png: No such file"), "{error}");
    }

    #[test]
    fn what_never_ends_is_not_read_for_ever() {
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err(), format!("more than {MOST} bytes"));
        assert_eq!(bounded(io::repeat(7).take(MOST)).unwrap().len() as u64, MOST);
        assert!(bounded(io::repeat(7).take(MOST + 1)).is_err());
        assert_eq!(text_of(Path::new("/")).unwrap_err(), "is a directory");
    }
}
