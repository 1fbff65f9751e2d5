//! What providers read alike in messages.

use std::borrow::Cow;

use crate::error::{ErrorKind, LlmError};
use crate::types::{ContentPart, Message, ToolResultData};

/// The results in a tool message. One without a part of that kind is a result itself: its text answers its
/// `tool_call_id`.
///
/// # Errors
/// [`ErrorKind::InvalidRequest`] for content beside results, and when nothing says which call is answered.
pub(super) fn answers<'a>(
    provider: &str,
    message: &'a Message,
) -> Result<Vec<Cow<'a, ToolResultData>>, LlmError> {
    let results: Vec<_> = message.tool_results().map(Cow::Borrowed).collect();
    for part in &message.content {
        match part {
            ContentPart::ToolResult { .. } => {}
            ContentPart::Text { text, .. } if results.is_empty() || text.trim().is_empty() => {}
            other => return Err(misplaced(provider, other, "tool")),
        }
    }
    if !results.is_empty() {
        return Ok(results);
    }
    let id = message.tool_call_id.as_deref().ok_or_else(|| {
        LlmError::new(
            ErrorKind::InvalidRequest,
            "a tool message has neither a tool result nor a tool_call_id",
        )
        .with_provider(provider)
    })?;
    Ok(vec![Cow::Owned(ToolResultData::new(id, message.text(), false))])
}

/// The refusal of a part that the provider has no place for.
pub(super) fn misplaced(provider: &str, part: &ContentPart, role: &str) -> LlmError {
    let message =
        format!("content of kind `{}` cannot be sent in a message of role `{role}`", part.kind());
    LlmError::new(ErrorKind::InvalidRequest, message).with_provider(provider)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Role;

    #[test]
    fn a_tool_message_holds_results_or_is_one_and_nothing_in_it_is_passed_over() {
        let result = || ContentPart::tool_result(ToolResultData::new("a", "done", false));
        let of = |content, id: Option<&str>| {
            let message = Message {
                tool_call_id: id.map(str::to_owned),
                ..Message::new(Role::Tool, content)
            };
            let answers = answers("p", &message)?;
            Ok::<_, LlmError>(
                answers
                    .iter()
                    .map(|answer| (answer.tool_call_id.clone(), answer.content_text()))
                    .collect::<Vec<_>>(),
            )
        };
        let pair = |id: &str, text: &str| (id.to_owned(), text.to_owned());
        assert_eq!(of(vec![result(), result()], None).unwrap().len(), 2);
        assert_eq!(of(vec![ContentPart::text("42")], Some("b")).unwrap(), [pair("b", "42")]);
        assert_eq!(of(vec![result(), ContentPart::text(" ")], None).unwrap(), [pair("a", "done")]);
        for refused in [
            of(vec![result(), ContentPart::text("and so on")], None),
            of(vec![ContentPart::thinking("hm")], Some("b")),
            of(vec![ContentPart::text("42")], None),
        ] {
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidRequest);
        }
    }
}
