//! JSON that is still being written: the best value of every prefix, in time linear in the whole.

use serde_json::{Map, Value};

/// How deep values may nest: as deep as `serde_json` reads them.
const MAX_DEPTH: usize = 127;

/// An incremental parser. Text goes in piece by piece; [`Self::value`] is what it says so far.
///
/// Strings, lists and objects grow. A number, a literal or a key is added once it is certain to be whole, so
/// that no value is ever taken back: 1 does not become 10. An escape or a surrogate pair that is cut waits for
/// its rest. When the text turns out to be no JSON, the value stays as it was.
#[derive(Debug, Clone, Default)]
pub struct PartialJson {
    root: Option<Value>,
    /// The lists and objects that are open, outermost first.
    path: Vec<Frame>,
    state: State,
    /// A key, number or literal so far.
    pending: String,
    growth: u64,
}

#[derive(Debug, Clone)]
enum Frame {
    List,
    /// With the key of the member that came last.
    Object(String),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// A value must come.
    #[default]
    Value,
    /// After `[`: a value or the end.
    FirstItem,
    /// After `{`: a key or the end.
    FirstKey,
    /// After a comma in an object.
    Key,
    Colon,
    /// After a value: a comma or an end.
    After,
    Text(Target, Escape),
    /// A number or a literal.
    Scalar,
    Complete,
    Broken,
}

/// Where the characters of a string go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Key,
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    /// After a backslash; with the first half of a pair, if there was one.
    Backslash(Option<u16>),
    /// Inside `\uXXXX`: digits so far and their value.
    Hex(Option<u16>, u8, u16),
    /// After the first half of a pair, whose second one must follow.
    Half(u16),
}

/// The text is no JSON.
struct Malformed;

impl PartialJson {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the text says so far.
    pub fn value(&self) -> Option<&Value> {
        self.root.as_ref()
    }

    /// The value itself.
    pub(super) fn into_value(self) -> Option<Value> {
        self.root
    }

    /// Whether the value is whole.
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Whether the text is no JSON; what follows is ignored.
    pub fn is_broken(&self) -> bool {
        self.state == State::Broken
    }

    /// A number that rises whenever the value changes.
    pub fn growth(&self) -> u64 {
        self.growth
    }

    /// Takes the next piece. Returns how many bytes of it were understood: all, unless it broke the parser.
    pub fn push(&mut self, text: &str) -> usize {
        self.push_while(text, |state| state != State::Broken)
    }

    /// [`Self::push`], but stops where the value is whole: what follows may be anything.
    pub(super) fn push_value(&mut self, text: &str) -> usize {
        self.push_while(text, |state| !matches!(state, State::Broken | State::Complete))
    }

    fn push_while(&mut self, text: &str, goes_on: impl Fn(State) -> bool) -> usize {
        let mut at = 0;
        while at < text.len() && goes_on(self.state) {
            match self.take(&text[at..]) {
                Ok(taken) => at += taken,
                Err(Malformed) => self.state = State::Broken,
            }
        }
        at
    }

    /// Says that no more text comes: a number at the root is whole only then.
    pub fn finish(&mut self) {
        if self.state == State::Scalar && self.path.is_empty() && self.end_scalar().is_err() {
            self.state = State::Broken;
        }
    }

    /// Takes something off the front of `text`, which is not empty.
    fn take(&mut self, text: &str) -> Result<usize, Malformed> {
        let byte = text.as_bytes()[0];
        match self.state {
            State::Text(target, escape) => return self.take_text(target, escape, text),
            State::Scalar => return self.take_scalar(text),
            _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => {}
            State::FirstItem if byte == b']' => self.close()?,
            State::Value | State::FirstItem => return self.begin(byte),
            State::FirstKey if byte == b'}' => self.close()?,
            State::FirstKey | State::Key if byte == b'"' => {
                self.pending.clear();
                self.state = State::Text(Target::Key, Escape::None);
            }
            State::Colon if byte == b':' => self.state = State::Value,
            State::After => match (byte, self.path.last()) {
                (b',', Some(Frame::List)) => self.state = State::Value,
                (b',', Some(Frame::Object(_))) => self.state = State::Key,
                (b']', Some(Frame::List)) | (b'}', Some(Frame::Object(_))) => self.close()?,
                _ => return Err(Malformed),
            },
            _ => return Err(Malformed),
        }
        Ok(1)
    }

    /// The first byte of a value; that of a number or literal is left for later.
    fn begin(&mut self, byte: u8) -> Result<usize, Malformed> {
        match byte {
            b'{' => {
                self.open(Value::Object(Map::new()), Frame::Object(String::new()), State::FirstKey)
            }
            b'[' => self.open(Value::Array(Vec::new()), Frame::List, State::FirstItem),
            b'"' => {
                self.put(Value::String(String::new()))?;
                self.state = State::Text(Target::Value, Escape::None);
                Ok(1)
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.pending.clear();
                self.state = State::Scalar;
                Ok(0)
            }
            _ => Err(Malformed),
        }
    }

    fn open(&mut self, empty: Value, frame: Frame, state: State) -> Result<usize, Malformed> {
        if self.path.len() >= MAX_DEPTH {
            return Err(Malformed);
        }
        self.put(empty)?;
        self.path.push(frame);
        self.state = state;
        Ok(1)
    }

    fn close(&mut self) -> Result<(), Malformed> {
        self.path.pop().ok_or(Malformed)?;
        self.after_value();
        Ok(())
    }

    fn after_value(&mut self) {
        self.state = if self.path.is_empty() { State::Complete } else { State::After };
    }

    fn take_scalar(&mut self, text: &str) -> Result<usize, Malformed> {
        let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        let length = text.bytes().take_while(|b| is_part(b)).count();
        self.pending.push_str(&text[..length]);
        if length < text.len() {
            self.end_scalar()?;
        }
        Ok(length)
    }

    fn end_scalar(&mut self) -> Result<(), Malformed> {
        let value = serde_json::from_str(&self.pending).map_err(|_| Malformed)?;
        self.put(value)?;
        self.after_value();
        Ok(())
    }

    fn take_text(
        &mut self,
        target: Target,
        escape: Escape,
        text: &str,
    ) -> Result<usize, Malformed> {
        let byte = text.as_bytes()[0];
        let mut taken = 1;
        let next = match escape {
            Escape::None => {
                let special = |b: u8| b == b'"' || b == b'\\' || b < 0x20;
                match text.bytes().position(special) {
                    Some(0) if byte == b'"' => {
                        self.end_text(target);
                        return Ok(1);
                    }
                    Some(0) if byte == b'\\' => Escape::Backslash(None),
                    Some(0) => return Err(Malformed),
                    end => {
                        taken = end.unwrap_or(text.len());
                        self.add(target, &text[..taken])?;
                        Escape::None
                    }
                }
            }
            Escape::Half(high) if byte == b'\\' => Escape::Backslash(Some(high)),
            Escape::Half(_) => return Err(Malformed),
            Escape::Backslash(high) if byte == b'u' => Escape::Hex(high, 0, 0),
            Escape::Backslash(Some(_)) => return Err(Malformed),
            Escape::Backslash(None) => {
                self.add(target, unescaped(byte)?)?;
                Escape::None
            }
            Escape::Hex(high, digits, value) => {
                let digit = char::from(byte).to_digit(16).ok_or(Malformed)?;
                let value = (value << 4) | u16::try_from(digit).map_err(|_| Malformed)?;
                if digits < 3 {
                    Escape::Hex(high, digits + 1, value)
                } else {
                    self.add_unit(target, high, value)?
                }
            }
        };
        self.state = State::Text(target, next);
        Ok(taken)
    }

    /// A whole `\uXXXX`, after the first half of a pair if there was one.
    fn add_unit(
        &mut self,
        target: Target,
        high: Option<u16>,
        unit: u16,
    ) -> Result<Escape, Malformed> {
        if high.is_none() && (0xD800..0xDC00).contains(&unit) {
            return Ok(Escape::Half(unit));
        }
        let units = high.into_iter().chain([unit]);
        let mut chars = char::decode_utf16(units);
        let (Some(Ok(c)), None) = (chars.next(), chars.next()) else {
            return Err(Malformed);
        };
        self.add(target, c.encode_utf8(&mut [0; 4]))?;
        Ok(Escape::None)
    }

    fn end_text(&mut self, target: Target) {
        match (target, self.path.last_mut()) {
            (Target::Key, Some(Frame::Object(key))) => {
                std::mem::swap(key, &mut self.pending);
                self.state = State::Colon;
            }
            _ => self.after_value(),
        }
    }

    fn add(&mut self, target: Target, text: &str) -> Result<(), Malformed> {
        match target {
            Target::Key => self.pending.push_str(text),
            Target::Value => {
                let Some(Value::String(string)) = self.descend(self.path.len()) else {
                    return Err(Malformed);
                };
                string.push_str(text);
                self.growth += 1;
            }
        }
        Ok(())
    }

    /// Puts a new value where the path ends.
    fn put(&mut self, value: Value) -> Result<(), Malformed> {
        self.growth += 1;
        let Some(depth) = self.path.len().checked_sub(1) else {
            self.root = Some(value);
            return Ok(());
        };
        let key = match &self.path[depth] {
            Frame::Object(key) => key.clone(),
            Frame::List => String::new(),
        };
        match self.descend(depth) {
            Some(Value::Object(members)) => {
                members.insert(key, value);
            }
            Some(Value::Array(items)) => items.push(value),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// The value behind the first `depth` steps of the path.
    fn descend(&mut self, depth: usize) -> Option<&mut Value> {
        let root = self.root.as_mut()?;
        self.path[..depth].iter().try_fold(root, |value, frame| match (value, frame) {
            (Value::Array(items), Frame::List) => items.last_mut(),
            (Value::Object(members), Frame::Object(key)) => members.get_mut(key),
            _ => None,
        })
    }
}

fn unescaped(byte: u8) -> Result<&'static str, Malformed> {
    Ok(match byte {
        b'"' => "\"",
        b'\\' => "\\",
        b'/' => "/",
        b'b' => "\u{8}",
        b'f' => "\u{c}",
        b'n' => "\n",
        b'r' => "\r",
        b't' => "\t",
        _ => return Err(Malformed),
    })
}

#[cfg(test)]
mod tests;
