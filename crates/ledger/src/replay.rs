//! State from records.

use crate::{Ledger, Record, ReplayError};

impl Ledger {
    /// Folds the whole of `stream` into a state.
    ///
    /// # Errors
    /// The stream cannot be read to its end, or `fold` refuses a record; the error says which.
    pub fn replay<S, E>(
        &self,
        stream: &str,
        init: S,
        fold: impl FnMut(S, &Record) -> Result<S, E>,
    ) -> Result<S, ReplayError<E>> {
        self.replay_after(stream, 0, init, fold)
    }

    /// Folds the records of `stream` after number `upto_seq`, the one up to which a snapshot stands, into a state.
    ///
    /// # Errors
    /// As [`Ledger::replay`].
    pub fn replay_after<S, E>(
        &self,
        stream: &str,
        upto_seq: u64,
        init: S,
        mut fold: impl FnMut(S, &Record) -> Result<S, E>,
    ) -> Result<S, ReplayError<E>> {
        let mut state = init;
        for record in self.read(stream, upto_seq.saturating_add(1)) {
            let record = record?;
            state = fold(state, &record).map_err(|source| ReplayError::Fold {
                stream: record.stream.clone(),
                seq: record.seq,
                kind: record.kind.clone(),
                version: record.version,
                source,
            })?;
        }
        Ok(state)
    }
}
