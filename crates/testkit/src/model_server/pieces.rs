//! Cutting what is said into deltas.

/// Deltas that a text is cut into.
const PIECES: usize = 3;

/// A text in a few pieces, none of them empty.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let size = characters.len().div_ceil(PIECES).max(1);
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
}
