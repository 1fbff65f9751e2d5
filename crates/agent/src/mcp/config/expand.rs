//! `${NAME}` and `${NAME:-DEFAULT}` in values.

use canon_exec::process::is_secret_name;
use canon_runtime::secret::Secret;

use super::Variables;

/// Puts values in, and keeps those that look like secrets.
pub(super) struct Expander<'a> {
    variable: Variables<'a>,
    pub(super) secrets: Vec<Secret>,
}

impl<'a> Expander<'a> {
    pub(super) fn new(variable: Variables<'a>) -> Self {
        Self { variable, secrets: Vec::new() }
    }

    /// `text` with its variables; what a variable holds is not looked at again. Any other `$` stands
    /// for itself. An error names the variable.
    pub(super) fn expand(&mut self, text: &str) -> Result<String, String> {
        let Some(variable) = self.variable else { return Ok(text.to_owned()) };
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, behind) =
                after.split_once('}').ok_or_else(|| "a `${` has no `}`".to_owned())?;
            expanded.push_str(before);
            expanded.push_str(&self.value(inside, variable)?);
            rest = behind;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn value(
        &mut self,
        inside: &str,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<String, String> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name {
            return Err(format!("`${{{name}}}` does not name a variable"));
        }
        let found = variable(name).filter(|value| !value.is_empty());
        if let Some(value) = &found
            && is_secret_name(name)
        {
            self.secrets.push(Secret::new(value.clone()));
        }
        found.or_else(|| default.map(str::to_owned)).ok_or_else(|| {
            format!("the variable {name} is not set; set it, or write ${{{name}:-DEFAULT}}")
        })
    }
}
