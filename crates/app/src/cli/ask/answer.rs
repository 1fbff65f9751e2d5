//! The call itself, and its answer in the form that was asked for.

use std::process::ExitCode;

use canon_llm::{
    FinishReasonKind, Generate, GenerateResult, Response, StreamEvent, generate, generate_object,
    get_model_info, stream, stream_object,
};
use futures_util::StreamExt as _;
use serde_json::Value;

use super::failure::Failure;
use super::out::Out;
use crate::bridge::agent::Model;
use crate::cli::print;
use crate::error::Error;

/// What is printed.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) json: bool,
    pub(super) stream: bool,
    pub(super) schema: Option<Value>,
}

impl Form {
    /// Whether it is one event a line.
    pub(super) fn is_events(&self) -> bool {
        self.json && self.stream && self.schema.is_none()
    }
}

/// An answer that is being waited for.
pub(super) struct Answer<'a> {
    pub(super) form: &'a Form,
    pub(super) out: &'a Out,
    pub(super) quiet: bool,
}

impl Answer<'_> {
    /// Calls the model and prints what it answers.
    pub(super) async fn get(&self, options: Generate, model: &Model) -> Result<ExitCode, Failure> {
        let outcome = match (&self.form.schema, self.form.stream) {
            (None, false) => self.whole(options).await,
            (None, true) => self.streamed(options).await,
            (Some(schema), false) => self.object(options, schema.clone()).await,
            (Some(schema), true) => self.growing(options, schema.clone()).await,
        };
        let response = outcome.inspect_err(|failure| self.account_of_failure(failure, model))?;
        self.account(&response, model);
        let refused =
            |what: &str| Err(Error::work(format!("{}: {what}", response.provider)).into());
        match response.finish_reason.reason {
            FinishReasonKind::ContentFilter => {
                refused("the answer was blocked by a content filter")
            }
            FinishReasonKind::Error => refused("generation failed; what came of it is printed"),
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    async fn whole(&self, options: Generate) -> Result<Response, Failure> {
        let GenerateResult { response, .. } = generate(options).await?;
        if self.form.json {
            self.out.json(&response)?;
        } else {
            self.out.text(&response.text())?;
            self.out.end_line();
        }
        Ok(response)
    }

    async fn streamed(&self, options: Generate) -> Result<Response, Failure> {
        let mut events = stream(options);
        while let Some(event) = events.next().await {
            match event? {
                event if self.form.json => self.out.json(&event)?,
                StreamEvent::TextDelta { delta, .. } => self.out.text(&delta)?,
                _ => {}
            }
        }
        self.out.end_line();
        Ok(events.response().await?)
    }

    async fn object(&self, options: Generate, schema: Value) -> Result<Response, Failure> {
        let result = generate_object(options, schema).await?;
        let object = result.output.unwrap_or_default();
        if self.form.json {
            let mut response = serde_json::to_value(&result.response).unwrap_or_default();
            response["output"] = object;
            self.out.json(&response)?;
        } else if self.out.is_terminal() {
            self.out.pretty(&object)?;
        } else {
            self.out.json(&object)?;
        }
        Ok(result.response)
    }

    /// One line each time that the object has grown; the last is whole and fits the schema.
    async fn growing(&self, options: Generate, schema: Value) -> Result<Response, Failure> {
        let mut objects = stream_object(options, schema)?;
        let mut last = Value::Null;
        while let Some(partial) = objects.advance().await {
            let partial = partial?;
            if *partial != last {
                self.out.json(partial)?;
                last = partial.clone();
            }
        }
        let result = objects.result().await?;
        match result.output {
            Some(object) if object != last => self.out.json(&object)?,
            _ => {}
        }
        Ok(result.response)
    }

    /// What people want to know beside the answer.
    fn account(&self, response: &Response, model: &Model) {
        if self.quiet {
            return;
        }
        for warning in &response.warnings {
            print::note(format_args!("warning: {}", warning.message));
        }
        if response.finish_reason.reason == FinishReasonKind::Length {
            print::note("warning: the answer is cut off: the limit of tokens was reached");
        }
        let calls = response.tool_calls();
        if !calls.is_empty() && !self.form.json {
            let names: Vec<&str> = calls.iter().map(|call| call.name.as_str()).collect();
            let names = names.join(", ");
            print::note(format_args!("the model calls tools: {names}; --json shows the calls"));
        }
        print::note(usage(response, model));
    }

    /// An answer that was of no use was paid for all the same.
    fn account_of_failure(&self, failure: &Failure, model: &Model) {
        if let Failure::Model(error) = failure
            && let Some(step) = error.progress().and_then(|progress| progress.steps.last())
            && !self.quiet
        {
            print::note(usage(&step.response, model));
        }
    }
}

/// `openai/gpt-5.2: 1200 in (1000 from a cache), 80 out, $ 0.0014`.
fn usage(response: &Response, model: &Model) -> String {
    let usage = &response.usage;
    let mut line = format!("{}/{}: {} in", model.provider(), model.id(), usage.input_tokens);
    if let Some(cached) = usage.cache_read_tokens.filter(|cached| *cached > 0) {
        line.push_str(&format!(" ({cached} from a cache)"));
    }
    line.push_str(&format!(", {} out", usage.output_tokens));
    if let Some(reasoning) = usage.reasoning_tokens.filter(|reasoning| *reasoning > 0) {
        line.push_str(&format!(" ({reasoning} of reasoning)"));
    }
    let info = get_model_info(&response.model)
        .or_else(|| get_model_info(model.id()))
        .filter(|info| info.provider == response.provider);
    match info.and_then(|info| info.cost(usage)) {
        Some(cost) if cost < 0.01 => line.push_str(&format!(", $ {cost:.6}")),
        Some(cost) => line.push_str(&format!(", $ {cost:.4}")),
        None => {}
    }
    line
}
