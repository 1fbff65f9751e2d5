//! What stops the loop before the next model call (loop spec §2.8).

use super::{Machine, Phase};
use crate::account::{Amount, Stake};
use crate::events::{EventData, Limit};
use crate::pricing::{most_usd, output_tokens_for};

/// Providers take no smaller limit on a reply, and a smaller one would be of no use.
const LEAST_REPLY_TOKENS: u64 = 16;

/// What a reply may be at most where the catalogue does not say. Providers refuse a limit beyond
/// what the model can write, so none is sent that is as high as this.
const LONGEST_REPLY_TOKENS: u64 = 128_000;

impl Machine {
    /// The limit that forbids another model call, after telling the host of it.
    pub(super) fn limit_reached(&mut self) -> Option<Limit> {
        let (limit, reached, message) = self.find_limit()?;
        self.emit(EventData::TurnLimit { limit, reached, message });
        Some(limit)
    }

    fn find_limit(&self) -> Option<(Limit, Option<u64>, String)> {
        let config = &self.config;
        let rounds = config.max_tool_rounds_per_input;
        if rounds > 0 && self.rounds >= rounds {
            let message = format!("{rounds} rounds of tool calls for one input are the limit");
            return Some((Limit::ToolRounds, Some(self.rounds.into()), message));
        }
        if config.max_turns > 0 && self.turns >= config.max_turns {
            let message = format!("{} replies of the model are the limit", config.max_turns);
            return Some((Limit::Turns, Some(self.turns.into()), message));
        }
        let (used, input) = (self.used(), self.expected_input_tokens());
        if let Some(budget) = config.budget.max_tokens {
            let next = input.saturating_add(LEAST_REPLY_TOKENS);
            if used.tokens.saturating_add(next) > budget {
                let message = format!(
                    "{} of {budget} tokens are used, and the next model call would pass them",
                    used.tokens
                );
                return Some((Limit::Tokens, Some(used.tokens), message));
            }
        }
        if let (Some(budget), Some(price)) = (config.budget.max_cost_usd, &self.model.price) {
            let next = most_usd(price, input, LEAST_REPLY_TOKENS);
            // A price of nothing never passes a budget, not even one of nothing.
            // One that is no number allows nothing.
            if next > 0.0 && (budget.is_nan() || used.usd + next > budget) {
                let message = format!(
                    "{:.4} of {budget:.4} US dollars are spent, and the next model call could \
                     pass them",
                    used.usd
                );
                return Some((Limit::Cost, None, message));
            }
        }
        None
    }

    /// What all that draw from the budgets have used up, or reserved.
    fn used(&self) -> Amount {
        self.own() + self.others.used
    }

    /// What this session alone has used up, its subagents apart.
    fn own(&self) -> Amount {
        let counted = Amount { tokens: self.usage.total_tokens, usd: self.cost_usd };
        counted + self.unreported
    }

    /// This session's part in the account that it shares with others.
    pub(crate) fn stake(&self) -> Stake {
        let reserved = match &self.phase {
            Phase::Calling(call) => call.reserved,
            _ => Amount::default(),
        };
        Stake { spent: self.own(), reserved }
    }

    /// The most that the next call may use up.
    pub(super) fn reservation(&self) -> Amount {
        let budget = &self.config.budget;
        if budget.max_tokens.is_none() && budget.max_cost_usd.is_none() {
            return Amount::default();
        }
        let input = self.expected_input_tokens();
        let reply = self.reply_token_cap().unwrap_or_else(|| self.longest_reply());
        let usd = self.model.price.as_ref().map_or(0.0, |price| most_usd(price, input, reply));
        Amount { tokens: input.saturating_add(reply), usd }
    }

    /// Counts a call against the budgets of which nobody says what it used up, though `output`
    /// tokens of a reply came: one that never came to its end, where providers charge for what they
    /// read and wrote, or one from a server that gives no counts.
    pub(super) fn write_off(&mut self, output: u64) {
        let input = self.expected_input_tokens();
        let usd = self.model.price.as_ref().map_or(0.0, |price| most_usd(price, input, output));
        let lost = Amount { tokens: input.saturating_add(output), usd };
        self.unreported = self.unreported + lost;
    }

    fn longest_reply(&self) -> u64 {
        self.model.max_output.unwrap_or(LONGEST_REPLY_TOKENS)
    }

    /// The cap on the next reply's tokens: the host's, and what the budgets leave after the input.
    /// Who shares a budget gets an equal part of what is left, so that calls at the same time do
    /// not pass it together.
    pub(crate) fn reply_token_cap(&self) -> Option<u64> {
        let (used, input) = (self.used(), self.expected_input_tokens());
        let parts = self.others.open + 1;
        let budget = &self.config.budget;
        let of_tokens = budget
            .max_tokens
            .map(|budget| budget.saturating_sub(used.tokens).saturating_sub(input) / parts);
        let of_cost = match (budget.max_cost_usd, &self.model.price) {
            (Some(budget), Some(price)) => {
                let left = budget - used.usd - most_usd(price, input, 0);
                output_tokens_for(price, input, left / parts as f64)
            }
            _ => None,
        };
        let left = [of_tokens, of_cost].into_iter().flatten().min();
        let left = left
            .map(|tokens| tokens.max(LEAST_REPLY_TOKENS))
            .filter(|tokens| *tokens < self.longest_reply());
        [self.config.max_output_tokens, left].into_iter().flatten().min()
    }
}
