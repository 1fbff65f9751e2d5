//! Text on its way into Markdown: white space is joined, blocks are set apart.

/// Deeper lists are indented like this level.
const DEEPEST: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Writer {
    out: String,
    /// Line ends that stand before the next text.
    breaks: usize,
    /// A space stands before the next text.
    space: bool,
    /// What the next text of the line begins with, such as `- `.
    prefix: String,
    /// Open lists.
    lists: Vec<List>,
    /// Open `pre` elements.
    pre: usize,
}

#[derive(Debug)]
struct List {
    numbered: bool,
    items: usize,
}

impl Writer {
    pub(super) fn text(&mut self, text: &str) {
        if self.pre > 0 {
            self.flush();
            // Trailing white space matters there, not what a renderer would not show.
            self.out.push_str(text);
            return;
        }
        let mut words = text.split_whitespace();
        if text.starts_with(char::is_whitespace) {
            self.space = true;
        }
        let Some(first) = words.next() else { return };
        self.flush();
        self.out.push_str(first);
        for word in words {
            self.out.push(' ');
            self.out.push_str(word);
        }
        self.space = text.ends_with(char::is_whitespace);
    }

    /// The next text begins a paragraph.
    pub(super) fn block(&mut self) {
        self.at_least(2);
    }

    pub(super) fn line_break(&mut self) {
        self.at_least(1);
    }

    pub(super) fn rule(&mut self) {
        self.block();
        self.text("---");
        self.block();
    }

    pub(super) fn heading(&mut self, level: usize) {
        self.block();
        self.prefix = format!("{} ", "#".repeat(level));
    }

    pub(super) fn begin_list(&mut self, numbered: bool) {
        self.at_least(if self.lists.is_empty() { 2 } else { 1 });
        self.lists.push(List { numbered, items: 0 });
    }

    pub(super) fn end_list(&mut self) {
        self.prefix.clear();
        self.lists.pop();
        self.at_least(if self.lists.is_empty() { 2 } else { 1 });
    }

    pub(super) fn item(&mut self) {
        self.prefix.clear();
        let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(DEEPEST));
        let sign = match self.lists.last_mut() {
            Some(list) => {
                list.items += 1;
                if list.items > 1 {
                    self.breaks = self.breaks.min(1);
                }
                if list.numbered { format!("{}. ", list.items) } else { "- ".to_owned() }
            }
            None => "- ".to_owned(),
        };
        self.at_least(1);
        self.prefix = indent + &sign;
    }

    /// The end of what began with a sign; one without words after it goes.
    pub(super) fn end_prefixed(&mut self) {
        self.prefix.clear();
    }

    /// A cell of a table's row.
    pub(super) fn cell(&mut self) {
        if self.breaks == 0 && !self.out.is_empty() {
            self.out.push_str(" | ");
            self.space = false;
        }
    }

    /// A sign around words.
    pub(super) fn mark(&mut self, sign: &str) {
        if self.pre == 0 {
            self.flush();
            self.out.push_str(sign);
        }
    }

    pub(super) fn begin_link(&mut self) {
        if self.pre == 0 {
            self.flush();
            self.out.push('[');
        }
    }

    pub(super) fn end_link(&mut self, target: &str) {
        if self.pre > 0 {
            return;
        }
        if self.out.ends_with('[') {
            self.out.pop();
        } else {
            self.out.push_str(&format!("]({target})"));
        }
    }

    pub(super) fn begin_pre(&mut self) {
        self.pre += 1;
        if self.pre == 1 {
            self.block();
            self.out_block("```\n");
        }
    }

    pub(super) fn end_pre(&mut self) {
        if self.pre == 1 {
            if !self.out.ends_with('\n') {
                self.out.push('\n');
            }
            self.out.push_str("```");
            self.pre = 0;
            self.block();
        }
        self.pre = self.pre.saturating_sub(1);
    }

    /// The text, ended by a line end unless it is empty.
    pub(super) fn finish(mut self) -> String {
        while self.pre > 0 {
            self.pre = 1;
            self.end_pre();
        }
        self.out.truncate(self.out.trim_end().len());
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        self.out
    }

    fn out_block(&mut self, text: &str) {
        self.flush();
        self.out.push_str(text);
    }

    fn at_least(&mut self, breaks: usize) {
        // The words of an item begin beside its sign.
        if self.pre > 0 || !self.prefix.is_empty() {
            return;
        }
        self.breaks = self.breaks.max(breaks);
        self.space = false;
    }

    /// Writes what stands before the next text.
    fn flush(&mut self) {
        let (breaks, space) = (std::mem::take(&mut self.breaks), std::mem::take(&mut self.space));
        // The words of a link begin with it, whatever stands around them.
        if breaks > 0 && !self.out.is_empty() && !self.out.ends_with('[') {
            self.out.push_str(if breaks == 1 { "\n" } else { "\n\n" });
        } else if space
            && breaks == 0
            && !self.out.ends_with(['[', '\n', ' '])
            && !self.out.is_empty()
        {
            self.out.push(' ');
        }
        self.out.push_str(&std::mem::take(&mut self.prefix));
    }
}
