//! What a session and its subagents use up together, so that spawning is no way round a budget.
//!
//! Whoever decides about a model call sees what all others have spent and have reserved for the
//! calls that they have under way; nobody else decides meanwhile.

use std::collections::BTreeMap;
use std::ops::Add;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An amount.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Amount {
    pub(crate) tokens: u64,
    pub(crate) usd: f64,
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { tokens: self.tokens.saturating_add(other.tokens), usd: self.usd + other.usd }
    }
}

/// What one session has used up, and what the call that it has under way may use up.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Stake {
    pub(crate) spent: Amount,
    pub(crate) reserved: Amount,
}

/// The account as one session sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Others {
    /// Spent by all others that there ever were, or reserved.
    pub(crate) used: Amount,
    /// How many others may still make calls.
    pub(crate) open: u64,
}

#[derive(Debug, Default)]
struct Book {
    /// Spent by those that left.
    gone: Amount,
    members: BTreeMap<u64, Stake>,
    next: u64,
}

impl Book {
    fn join(&mut self) -> u64 {
        self.next += 1;
        self.members.insert(self.next, Stake::default());
        self.next
    }

    fn leave(&mut self, key: u64) {
        if let Some(stake) = self.members.remove(&key) {
            self.gone = self.gone + stake.spent;
        }
    }

    fn others(&self, key: u64) -> Others {
        let mut others = Others { used: self.gone, open: 0 };
        for (_, stake) in self.members.iter().filter(|(known, _)| **known != key) {
            others.used = others.used + stake.spent + stake.reserved;
            others.open += 1;
        }
        others
    }
}

/// One account; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account(Arc<Mutex<Book>>);

impl Account {
    /// One more session that draws from it.
    pub(crate) fn join(&self) -> Member {
        let key = self.lock().join();
        Member { account: self.clone(), key }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's part in an account. Dropped, it reserves nothing; what it spent stays spent.
#[derive(Debug)]
pub(crate) struct Member {
    account: Account,
    key: u64,
}

impl Member {
    /// The account itself.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Decides with the account as it stands, and enters the stake that comes of it.
    pub(crate) fn decide<T>(&self, decision: impl FnOnce(Others) -> (T, Stake)) -> T {
        let mut book = self.account.lock();
        let (result, stake) = decision(book.others(self.key));
        book.members.insert(self.key, stake);
        result
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.account.lock().leave(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(tokens: u64) -> Amount {
        Amount { tokens, usd: 0.5 }
    }

    #[test]
    fn what_others_spent_and_reserved_counts_for_each() {
        let account = Account::default();
        let (one, two) = (account.join(), account.join());
        one.decide(|others| {
            assert_eq!(others, Others { used: Amount::default(), open: 1 });
            ((), Stake { spent: amount(10), reserved: amount(5) })
        });
        two.decide(|others| {
            assert_eq!(others.used, Amount { tokens: 15, usd: 1.0 });
            ((), Stake { spent: amount(1), reserved: Amount::default() })
        });
        // What was reserved is free when its owner leaves; what was spent is not.
        drop(one);
        two.decide(|others| {
            assert_eq!(others, Others { used: amount(10), open: 0 });
            ((), Stake::default())
        });
    }
}
