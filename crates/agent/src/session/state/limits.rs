//! What stops the loop before the next model call (loop spec §2.8).

use super::Machine;
use crate::events::{EventData, Limit};

/// Providers take no smaller limit on a reply, and a smaller one would be of no use.
const LEAST_REPLY_TOKENS: u64 = 16;

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
        if let Some(budget) = config.budget.max_tokens {
            let used = self.usage.total_tokens;
            let next = self.expected_input_tokens().saturating_add(LEAST_REPLY_TOKENS);
            if used.saturating_add(next) > budget {
                let message = format!(
                    "{used} of {budget} tokens are used, and the next model call would pass them"
                );
                return Some((Limit::Tokens, Some(used), message));
            }
        }
        if let (Some(budget), Some(price)) = (config.budget.max_cost_usd, self.model.price) {
            let next = price.least_usd(self.expected_input_tokens(), LEAST_REPLY_TOKENS);
            // A price of nothing never passes a budget, not even one of nothing.
            if next > 0.0 && self.cost_usd + next > budget {
                let message = format!(
                    "{:.4} of {budget:.4} US dollars are spent, and the next model call would \
                     pass them",
                    self.cost_usd
                );
                return Some((Limit::Cost, None, message));
            }
        }
        None
    }

    /// The cap on the next reply's tokens: the host's, and what the budgets leave after the input.
    pub(crate) fn reply_token_cap(&self) -> Option<u64> {
        let input = self.expected_input_tokens();
        let of_tokens = self
            .config
            .budget
            .max_tokens
            .map(|budget| budget.saturating_sub(self.usage.total_tokens).saturating_sub(input));
        let of_cost = match (self.config.budget.max_cost_usd, self.model.price) {
            (Some(budget), Some(price)) => {
                price.output_tokens_for(budget - self.cost_usd - price.least_usd(input, 0))
            }
            _ => None,
        };
        let left = [of_tokens, of_cost].into_iter().flatten().min();
        let left = left.map(|tokens| tokens.max(LEAST_REPLY_TOKENS));
        [self.config.max_output_tokens, left].into_iter().flatten().min()
    }
}
