//! The official SDKs of the model providers: the judges of what we take their wire formats for.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::python::Environment;

/// Names the Python that has them to tests. Without it they report themselves as skipped.
pub(crate) const VARIABLE: &str = "CANON_PYTHON";

pub(crate) const ENVIRONMENT: Environment =
    Environment { name: "python", requirements: include_str!("../python/sdks.txt") };

/// The Python to test with: the one that the variable names already, or the one that was installed here before.
pub(crate) fn installed() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from).or_else(|| ENVIRONMENT.installed())
}

/// Installs them, unless they are there.
pub(crate) fn ensure() -> Result<PathBuf, Failure> {
    match std::env::var_os(VARIABLE) {
        Some(python) => Ok(PathBuf::from(python)),
        None => ENVIRONMENT.ensure(),
    }
}
