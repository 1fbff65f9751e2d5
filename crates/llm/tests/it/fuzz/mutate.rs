//! Other inputs from known ones: bytes at random, and JSON at random where there is some.

use serde_json::{Value, json};

/// xorshift64*: all that is asked of it is that a seed gives the same again.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Less than `limit`, or 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        // The high bits are the good ones.
        ((self.next() >> 11) % (limit.max(1) as u64)) as usize
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const LONGEST: usize = 64 * 1024;

/// What formats are sensitive to.
const SPICE: &[&str] = &[
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    ":",
    "data:",
    "data: ",
    "event: ",
    "id: ",
    "retry: 9",
    "\u{feff}",
    "\0",
    "\"",
    "\\",
    "\\u",
    "\\ud83d",
    "\\u0000",
    "{",
    "}",
    "[",
    "]",
    ",",
    "null",
    "true",
    "-",
    "-0",
    "0.1",
    "1e999",
    "18446744073709551616",
    "data: [DONE]\n\n",
    "data: {}\n\n",
    "data: null\n\n",
    "[[[[[[[[",
    "{\"a\":",
    "event: error\n",
    "\u{1f600}",
    "\u{fffd}",
];

/// One of the corpus, changed in one to four places.
pub(super) fn mutated(corpus: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = dice.of(corpus).clone();
    for _ in 0..=dice.below(4) {
        if dice.below(2) == 0 || !json_somewhere(&mut bytes, dice) {
            change(&mut bytes, corpus, dice);
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let most = 1 << dice.below(9);
    let to = (at + 1 + dice.below(most)).min(bytes.len());
    match dice.below(6) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 if at < bytes.len() => bytes[at] = dice.below(256) as u8,
        2 => drop(bytes.drain(at.min(to)..to)),
        3 => {
            let again = bytes[at.min(to)..to].to_vec();
            bytes.splice(at..at, again);
        }
        4 => {
            let other = dice.of(corpus);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[dice.below(other.len())..]);
        }
        _ => {
            let what = dice.of(SPICE).bytes();
            bytes.splice(at..at, what);
        }
    }
}

/// Changes the whole input, or the data of one event, as JSON; false when there is none.
fn json_somewhere(bytes: &mut Vec<u8>, dice: &mut Dice) -> bool {
    if let Ok(mut value) = serde_json::from_slice::<Value>(bytes) {
        twist(&mut value, dice);
        *bytes = value.to_string().into_bytes();
        return true;
    }
    let mut lines: Vec<Vec<u8>> =
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if lines.is_empty() {
        return false;
    }
    let from = dice.below(lines.len());
    for step in 0..lines.len().min(4) {
        let at = (from + step) % lines.len();
        let data = lines[at].strip_prefix(b"data: ");
        if let Some(Ok(mut value)) = data.map(serde_json::from_slice::<Value>) {
            twist(&mut value, dice);
            lines[at] = format!("data: {value}\n").into_bytes();
            *bytes = lines.concat();
            return true;
        }
    }
    false
}

fn twist(value: &mut Value, dice: &mut Dice) {
    // Down to somewhere.
    match value {
        Value::Object(fields) if !fields.is_empty() && dice.below(5) > 0 => {
            let at = dice.below(fields.len());
            let key = fields.keys().nth(at).unwrap().clone();
            match dice.below(12) {
                0 => drop(fields.remove(&key)),
                1 => {
                    let inner = fields.remove(&key).unwrap();
                    fields.insert(format!("{key}x"), inner);
                }
                _ => twist(&mut fields[&key], dice),
            }
        }
        Value::Array(items) if !items.is_empty() && dice.below(5) > 0 => {
            let at = dice.below(items.len());
            match dice.below(8) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                _ => twist(&mut items[at], dice),
            }
        }
        _ => *value = odd(value, dice),
    }
}

fn odd(value: &Value, dice: &mut Dice) -> Value {
    match dice.below(14) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(0),
        3 => json!(u64::MAX),
        4 => json!(i64::MIN),
        5 => json!(1e300),
        6 => json!(""),
        7 => json!([]),
        8 => json!({}),
        9 => json!([value]),
        10 => json!({ "type": value }),
        11 => json!(value.to_string()),
        12 => json!("{\"a\": [1, {\"b\": \"\\ud83d"),
        _ => json!(1),
    }
}
