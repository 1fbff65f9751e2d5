//! The form of the last message, from a file.

use std::path::Path;

use serde_json::Value;

use crate::bridge::shape::Shape;
use crate::cli::ask::prompt::text_of;
use crate::error::Error;

pub(super) fn read(path: &Path) -> Result<Shape, Error> {
    let wrong =
        |why: &dyn std::fmt::Display| Error::input(format!("--schema {}: {why}", path.display()));
    let text = text_of(path).map_err(|why| wrong(&why))?;
    let text: Value = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    Shape::new(text).map_err(|error| wrong(&error))
}
