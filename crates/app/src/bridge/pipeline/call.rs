//! One plain call of a model: no tools, no session.

use async_trait::async_trait;
use canon_agent::{CataloguePricing, Pricing as _};
use canon_llm::{FinishReasonKind, Generate, Message, Request, generate};
use canon_pipeline::backend::{Backend, BackendError, BackendErrorKind, LlmCall, Reply};
use canon_pipeline::outcome::Usage;

use super::models::{Failure, SharedModels, Tries, left};
use crate::bridge::agent::Model;

/// Characters that make a token, roughly.
const CHARS_PER_TOKEN: u64 = 4;

/// Asks a model once for each stage.
pub struct Call {
    models: SharedModels,
}

impl Call {
    /// With these models.
    pub fn new(models: SharedModels) -> Self {
        Self { models }
    }

    async fn ask(
        call: &LlmCall<'_>,
        model: Model,
        used: Usage,
    ) -> Result<(String, Usage), Failure> {
        let most = most_tokens(call, &model, used)?;
        let mut request = Request::new(model.id(), vec![Message::user(call.prompt.as_str())]);
        request.provider = Some(model.provider().to_owned());
        request.reasoning_effort = Some(call.effort.to_owned()).filter(|effort| !effort.is_empty());
        request.max_tokens = most;
        let options = Generate::from_request(request)
            .client(model.client().clone())
            .abort_signal(call.stage.cancel.clone());
        match generate(options).await {
            Ok(result) => {
                let usage = usage(&model, &result.total_usage);
                let cut = match result.finish_reason.reason {
                    FinishReasonKind::Length => "the answer was cut off at the limit of tokens",
                    FinishReasonKind::ContentFilter => {
                        "a content filter of the provider withheld a part of the answer"
                    }
                    _ => return Ok((result.text, usage)),
                };
                Err(Failure::new(BackendErrorKind::Permanent, cut).used(usage))
            }
            Err(error) => {
                let used = error.progress().map(|progress| usage(&model, &progress.total_usage));
                Err(Failure::of_model(&error).used(used.unwrap_or_default()))
            }
        }
    }
}

#[async_trait]
impl Backend for Call {
    async fn run(&self, call: &LlmCall<'_>) -> Result<Reply, BackendError> {
        let mut tries = Tries::new(&self.models, call)?;
        loop {
            let model = tries.next()?;
            match Self::ask(call, model, tries.used()).await {
                Ok((text, usage)) => return Ok(tries.done(Reply::text(text), usage)),
                Err(failure) => tries.failed(failure)?,
            }
        }
    }
}

/// Tokens and their price, where it is known.
fn usage(model: &Model, usage: &canon_llm::Usage) -> Usage {
    let price = CataloguePricing.price(model.provider(), model.id());
    Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cost_usd: price.map_or(0.0, |price| price.cost_usd(usage)),
    }
}

/// The longest answer that keeps within what is left; none is the provider's own limit.
fn most_tokens(call: &LlmCall<'_>, model: &Model, used: Usage) -> Result<Option<u64>, Failure> {
    let (tokens, usd) = left(call, used);
    let input = call.prompt.len() as u64 / CHARS_PER_TOKEN;
    let spent = |what: &str| {
        let message = format!("what is left of the {what} does not reach for the prompt");
        Failure::new(BackendErrorKind::BudgetSpent, message)
    };
    let by_tokens = match tokens {
        Some(tokens) if tokens <= input => return Err(spent("tokens")),
        Some(tokens) => Some(tokens - input),
        None => None,
    };
    let Some(usd) = usd else { return Ok(by_tokens) };
    let (provider, id) = (model.provider(), model.id());
    let Some(price) = CataloguePricing.price(provider, id) else {
        let message = format!(
            "no price is known for model `{id}` of provider `{provider}`, so its cost cannot be \
             held to a budget; set a token budget instead"
        );
        return Err(Failure::new(BackendErrorKind::Permanent, message));
    };
    let cost = |input, output| price.cost_usd(&canon_llm::Usage::new(input, output));
    let rest = usd - cost(input, 0);
    if rest <= 0.0 {
        return Err(spent("US dollars"));
    }
    let each = cost(0, 1_000_000) / 1_000_000.0;
    let by_money = if each > 0.0 { Some((rest / each) as u64) } else { None };
    let most = [by_tokens, by_money].into_iter().flatten().min();
    match most {
        Some(0) => Err(spent("budget")),
        most => Ok(most),
    }
}
