use std::fs;

use super::*;
use crate::types::{AudioData, DocumentData, ImageData, Message, Role};

fn request(parts: Vec<ContentPart>) -> Request {
    Request::new("m", vec![Message::new(Role::User, parts)])
}

fn image(url: &str) -> ContentPart {
    ContentPart::image(ImageData { url: Some(url.to_owned()), ..ImageData::default() })
}

fn audio(url: &str) -> ContentPart {
    let audio = AudioData { url: Some(url.to_owned()), ..AudioData::default() };
    ContentPart::Audio { audio, provider_raw: None }
}

fn document(url: &str, media_type: Option<&str>) -> ContentPart {
    let document = DocumentData {
        url: Some(url.to_owned()),
        media_type: media_type.map(str::to_owned),
        ..DocumentData::default()
    };
    ContentPart::Document { document, provider_raw: None }
}

async fn refused(part: ContentPart) -> String {
    let error = inline_local_files(&request(vec![part])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    error.message().to_owned()
}

#[tokio::test]
async fn llm_8_3_local_files_of_every_kind_are_read_with_type_and_name() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let path = directory.path().join(name);
        fs::write(&path, name.as_bytes()).unwrap();
        path.display().to_string()
    };
    let parts = vec![
        ContentPart::text("x"),
        image(&place("a.HEIC")),
        audio(&place("b.mp3")),
        document(&place("c.md"), None),
        document(&place("d.odd"), Some("text/x-odd")),
        image("https://example.com/x.png"),
    ];
    let asked = request(parts);
    let read = inline_local_files(&asked).await.unwrap();
    let content = &read.messages[0].content;
    let ContentPart::Image { image: a, .. } = &content[1] else { panic!("{content:?}") };
    assert_eq!((a.url.as_deref(), a.media_type.as_deref()), (None, Some("image/heic")));
    assert_eq!(a.data.as_deref(), Some(&b"a.HEIC"[..]));
    let ContentPart::Audio { audio: b, .. } = &content[2] else { panic!("{content:?}") };
    assert_eq!(b.media_type.as_deref(), Some("audio/mp3"));
    for (at, name, media_type) in [(3, "c.md", "text/markdown"), (4, "d.odd", "text/x-odd")] {
        let ContentPart::Document { document, .. } = &content[at] else { panic!("{content:?}") };
        assert_eq!(document.file_name.as_deref(), Some(name));
        assert_eq!(document.media_type.as_deref(), Some(media_type));
        assert_eq!(document.data.as_deref(), Some(name.as_bytes()));
    }
    assert_eq!(content[5], asked.messages[0].content[5]);
}

#[tokio::test]
async fn a_request_without_local_files_is_not_copied() {
    let asked = request(vec![image("https://x/y.png"), image("data:image/png;base64,AQID")]);
    assert!(matches!(inline_local_files(&asked).await.unwrap(), Cow::Borrowed(_)));
}

#[test]
fn paths_are_absolute_relative_or_below_home() {
    let home = || Some(OsString::from("/home/me"));
    assert_eq!(resolve("/a/b.png", None), Ok(PathBuf::from("/a/b.png")));
    assert_eq!(resolve("./b.png", None), Ok(PathBuf::from("./b.png")));
    assert_eq!(resolve("~/b.png", home()), Ok(PathBuf::from("/home/me/b.png")));
    assert_eq!(resolve("~//etc/x.png", home()), Ok(PathBuf::from("/home/me/etc/x.png")));
    assert!(resolve("~/b.png", None).unwrap_err().contains("HOME"));
    assert!(resolve("~other/b.png", home()).unwrap_err().contains("other users"));
    assert!(resolve("~", home()).is_err());
    for refused in ["../b.png", "file:///b.png", "FILE:/b.png"] {
        assert!(is_local(refused) && resolve(refused, home()).is_err(), "{refused}");
    }
    for remote in ["https://x/y.png", "gs://b/o", "data:image/png;base64,", "é"] {
        assert!(!is_local(remote), "{remote}");
    }
}

#[tokio::test]
async fn what_is_no_readable_file_of_a_known_type_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    fs::create_dir(at("folder.png")).unwrap();
    fs::write(at("empty.png"), b"").unwrap();
    fs::write(at("notes.txt"), b"x").unwrap();
    let huge = fs::File::create(at("huge.wav")).unwrap();
    huge.set_len(AUDIO.limit + 1).unwrap();
    for (part, reason) in [
        (image(&at("none.png")), "none.png"),
        (image(&at("folder.png")), "not a regular file"),
        (image(&at("empty.png")), "empty"),
        (image(&at("notes.txt")), "png, jpg"),
        (image("/dev/zero"), "`media_type`"),
        (audio(&at("huge.wav")), "26214401 bytes, more than the limit of 26214400"),
        (document("/dev/zero", Some("text/plain")), "not a regular file"),
        (image("../x.png"), "`./`"),
        (audio("file:///x.wav"), "`./`"),
        (document("~nobody/x.pdf", None), "other users"),
    ] {
        let message = refused(part).await;
        assert!(message.contains(reason), "{message}");
    }
    let both = ContentPart::image(ImageData {
        url: Some(at("notes.txt")),
        data: Some(vec![1]),
        ..ImageData::default()
    });
    assert!(refused(both).await.contains("`data` as well"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_fifo_is_refused_and_not_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe.png");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let message = refused(image(&path.display().to_string())).await;
    assert!(message.contains("not a regular file"), "{message}");
    // A link to a file is one.
    fs::write(directory.path().join("x.png"), b"x").unwrap();
    let link = directory.path().join("link.png");
    std::os::unix::fs::symlink(directory.path().join("x.png"), &link).unwrap();
    let linked = request(vec![image(&link.display().to_string())]);
    inline_local_files(&linked).await.unwrap();
}

#[test]
fn data_urls_are_written_and_read() {
    let url = data_url("image/png", &[1, 2, 3]);
    assert_eq!(url, "data:image/png;base64,AQID");
    assert_eq!(parse_data_url(&url), Some(("image/png", vec![1, 2, 3])));
    for other in ["https://x/y", "data:image/png,plain", "data:;base64,AQID", "data:a/b;base64,?"] {
        assert_eq!(parse_data_url(other), None, "{other}");
    }
}
