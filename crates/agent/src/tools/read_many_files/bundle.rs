//! Files on their way into one output, under one budget.

use std::path::Path;

use canon_exec::{ExecutionEnvironment, FileError};

use super::without_path;
use crate::tools::content::Content;
use crate::tools::{ToolImage, ToolOutput, resolve};
use crate::truncate::first_bytes;

/// Bytes of text in all.
const TEXT_BUDGET: usize = 80_000;
/// Bytes of pictures in all, and their number.
const IMAGE_BUDGET: usize = 20 * 1024 * 1024;
const MOST_IMAGES: usize = 10;
/// Larger files are named and not read.
const FILE_LIMIT: u64 = 20 * 1024 * 1024;
/// Names in the list of what was not read.
const MOST_NAMES: usize = 50;

/// What was read and what was not.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    text: String,
    images: Vec<ToolImage>,
    image_bytes: usize,
    read: usize,
    skipped: Vec<String>,
}

impl Bundle {
    /// Reads one file, as far as the budget goes.
    pub(super) async fn read(&mut self, env: &dyn ExecutionEnvironment, file: &Path) {
        let shown = file.display().to_string();
        if self.text.len() >= TEXT_BUDGET {
            return self.skip(&shown, "the budget of this call is used up");
        }
        let place = resolve(env, &file.to_string_lossy());
        match env.read_file(&place, FILE_LIMIT).await {
            Ok(bytes) => self.add(&shown, Content::of(bytes)),
            Err(FileError::TooLarge { size, .. }) => {
                self.skip(&shown, &format!("{size} bytes; read parts of it with read_file"));
            }
            Err(error) => self.skip(&shown, &without_path(&error.to_string(), &place)),
        }
    }

    /// Says that a file, or what should have been some, is not there.
    pub(super) fn skip(&mut self, path: &str, why: &str) {
        self.skipped.push(format!("{path}: {why}"));
    }

    fn add(&mut self, path: &str, content: Content) {
        match content {
            Content::Text(text) => self.add_text(path, &text),
            Content::Image(media_type, data) => self.add_image(path, media_type, data),
            Content::Other(why) => self.skip(path, why),
        }
    }

    fn add_text(&mut self, path: &str, text: &str) {
        self.read += 1;
        self.text.push_str(&format!("--- {path} ---\n"));
        let room = TEXT_BUDGET.saturating_sub(self.text.len());
        let shown = whole_lines(text, room);
        self.text.push_str(shown);
        if !shown.is_empty() && !shown.ends_with('\n') {
            self.text.push('\n');
        }
        if text.is_empty() {
            self.text.push_str("[The file is empty.]\n");
        } else if shown.len() < text.len() {
            let next = shown.lines().count() + 1;
            self.text.push_str(&format!(
                "[Cut: the budget of this call is used up. Read on with read_file, offset {next}.]\n"
            ));
        }
        self.text.push('\n');
    }

    fn add_image(&mut self, path: &str, media_type: &str, data: Vec<u8>) {
        if self.images.len() >= MOST_IMAGES || self.image_bytes + data.len() > IMAGE_BUDGET {
            return self.skip(path, "more images than one call shows; read it with read_file");
        }
        self.read += 1;
        self.image_bytes += data.len();
        self.text.push_str(&format!(
            "--- {path} ---\n[image {}: {media_type}, {} bytes]\n\n",
            self.images.len() + 1,
            data.len()
        ));
        self.images.push(ToolImage { data, media_type: media_type.to_owned() });
    }

    /// A failure only when there is nothing at all.
    pub(super) fn output(mut self) -> ToolOutput {
        if !self.skipped.is_empty() {
            self.text.push_str("[Not read:\n");
            for line in self.skipped.iter().take(MOST_NAMES) {
                self.text.push_str(&format!("- {line}\n"));
            }
            if let more @ 1.. = self.skipped.len().saturating_sub(MOST_NAMES) {
                self.text.push_str(&format!("- and {more} more\n"));
            }
            self.text.push_str("]\n");
        }
        ToolOutput {
            text: self.text,
            is_error: self.read == 0,
            images: self.images,
            ..ToolOutput::default()
        }
    }
}

/// The beginning of `text` up to `room` bytes: whole lines, unless the first one alone is longer.
fn whole_lines(text: &str, room: usize) -> &str {
    if text.len() <= room {
        return text;
    }
    let cut = first_bytes(text, room);
    cut.rfind('\n').map_or(cut, |end| &cut[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_fit_is_cut_at_a_line_and_the_rest_is_named() {
        let mut bundle = Bundle::default();
        bundle.add("a", Content::Text("x".repeat(TEXT_BUDGET - 20)));
        bundle.add("b", Content::Text("one\ntwo\n".repeat(100)));
        let text = bundle.output().text;
        let b = &text[text.find("--- b ---").unwrap()..];
        assert!(b.starts_with("--- b ---\n["), "{b}");
        assert!(b.contains("offset 1.]"), "{b}");
    }

    #[test]
    fn nothing_but_failures_is_an_error_and_many_are_counted() {
        let mut bundle = Bundle::default();
        (0..60).for_each(|n| bundle.skip(&format!("f{n}"), "is gone"));
        let output = bundle.output();
        assert!(output.is_error);
        assert!(output.text.ends_with("- f49: is gone\n- and 10 more\n]\n"), "{}", output.text);
    }

    #[test]
    fn pictures_have_a_bound_of_their_own() {
        let mut bundle = Bundle::default();
        (0..12).for_each(|n| bundle.add(&format!("p{n}"), Content::Image("image/png", vec![1])));
        let output = bundle.output();
        assert_eq!(output.images.len(), MOST_IMAGES);
        assert!(output.text.contains("- p11: more images"), "{}", output.text);
    }
}
