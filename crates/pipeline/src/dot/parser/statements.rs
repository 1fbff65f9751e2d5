//! The graph and its statements.

use std::mem;

use super::{Fault, Parser, Stop, bare, is_identifier};
use crate::dot::ast::{Defaults, Document, Edge, End, Node, Statement, Subgraph, Target, Text};
use crate::dot::notes::Note;
use crate::dot::token::Kind;
use crate::limits::MAX_DEPTH;

/// What a statement begins with.
enum Head {
    Keyword(Target),
    End(End),
}

impl Parser<'_> {
    pub(super) fn document(&mut self) -> Document {
        let mut document = Document::default();
        let start = self.token.span;
        // What was read until reading had to stop is kept; the error is reported.
        let _ = self.graph(&mut document);
        document.span = start.to(self.before);
        document
    }

    fn graph(&mut self, document: &mut Document) -> Result<(), Stop> {
        self.graph_head(document)?;
        self.statements(&mut document.statements)?;
        if !matches!(self.token.kind, Kind::CloseBrace) {
            let _ = self.unexpected("`}` at the end of the graph", "put a `}` at the end");
            return Err(Stop);
        }
        self.advance();
        match &self.token.kind {
            Kind::End => Ok(()),
            Kind::Word(word)
                if ["digraph", "graph", "strict"].iter().any(|k| word.eq_ignore_ascii_case(k)) =>
            {
                let at = self.token.span;
                self.error(at, "a second graph begins here", "put each graph into its own file")
            }
            _ => {
                let _ = self.unexpected(
                    "nothing after the graph",
                    "remove it, or the `}` before it if that closes the graph too early",
                );
                Ok(())
            }
        }
    }

    /// `digraph NAME {`.
    fn graph_head(&mut self, document: &mut Document) -> Result<(), Stop> {
        if self.is_keyword("strict") {
            let at = self.token.span;
            self.error(
                at,
                "`strict` is not supported: two edges between the same nodes stay two",
                "remove `strict`",
            )?;
            self.advance();
        }
        if self.is_keyword("graph") {
            let at = self.token.span;
            self.error(at, "a pipeline is a directed graph", "write `digraph`, and `->` for `--`")?;
            self.advance();
        } else if !self.take_keyword("digraph") {
            let _ = self.unexpected("`digraph`", "begin the file with `digraph NAME {`");
            return Err(Stop);
        }
        match mem::replace(&mut self.token.kind, Kind::End) {
            Kind::Word(word) => {
                document.name = Some(bare(word, self.token.span));
                if !is_identifier(word) {
                    self.note(Note::UnusualId, self.token.span);
                }
                self.advance();
            }
            Kind::Quoted(text) => {
                document.name = Some(text);
                self.advance();
            }
            other => {
                self.token.kind = other;
                self.note(Note::NoName, self.before);
            }
        }
        if matches!(self.token.kind, Kind::OpenBrace) {
            self.advance();
            Ok(())
        } else {
            let _ = self.unexpected("`{`", "write `digraph NAME {`");
            Err(Stop)
        }
    }

    /// Statements up to a `}` or the end.
    pub(super) fn statements(&mut self, into: &mut Vec<Statement>) -> Result<(), Stop> {
        loop {
            match self.token.kind {
                Kind::CloseBrace | Kind::End => return Ok(()),
                Kind::Semicolon => {
                    self.advance();
                }
                _ => match self.statement() {
                    Ok(statement) => into.push(statement),
                    Err(Fault::Statement) => self.skip_statement()?,
                    Err(Fault::Stop) => return Err(Stop),
                },
            }
        }
    }

    /// Goes on to where a statement may begin: after a `;`, at a `}`, or at a line's first word.
    fn skip_statement(&mut self) -> Result<(), Stop> {
        let mut depth = 0usize;
        loop {
            match self.token.kind {
                Kind::End => return Ok(()),
                Kind::Unclosed(_) => {
                    let _ = self.unexpected("a statement", "");
                    return Err(Stop);
                }
                Kind::OpenBrace => depth += 1,
                Kind::CloseBrace if depth == 0 => return Ok(()),
                Kind::CloseBrace => depth -= 1,
                Kind::Semicolon if depth == 0 => {
                    self.advance();
                    return Ok(());
                }
                _ => {}
            }
            self.advance();
            let begins = matches!(self.token.kind, Kind::Word(_) | Kind::Quoted(_));
            if depth == 0 && begins && self.token.first {
                return Ok(());
            }
        }
    }

    fn statement(&mut self) -> Result<Statement, Fault> {
        let start = self.token.span;
        let first = match self.head()? {
            Head::End(end) => end,
            Head::Keyword(target) => {
                if !matches!(self.token.kind, Kind::OpenBracket) {
                    return Err(self.unexpected(
                        "`[` after `graph`, `node` or `edge`",
                        "write `node [key=value]`; a node cannot have such an id",
                    ));
                }
                let attributes = self.attribute_blocks()?;
                let span = start.to(self.before);
                return Ok(Statement::Defaults(Defaults { target, attributes, span }));
            }
        };
        match (&self.token.kind, first) {
            (Kind::Arrow | Kind::Line, first) => self.edge(first),
            (Kind::Equals, End::Node(key)) => Ok(Statement::Attribute(self.assigned(key)?)),
            (_, End::Node(id)) => {
                let id = self.node_id(id)?;
                let attributes = self.attribute_blocks()?;
                self.statement_end()?;
                let span = start.to(self.before);
                Ok(Statement::Node(Node { id, attributes, span }))
            }
            (_, End::Group(group)) => Ok(Statement::Subgraph(group)),
        }
    }

    /// A node that is followed by something that can neither continue nor begin a statement.
    fn statement_end(&mut self) -> Result<(), Fault> {
        match self.token.kind {
            Kind::Semicolon
            | Kind::CloseBrace
            | Kind::End
            | Kind::Word(_)
            | Kind::Quoted(_)
            | Kind::OpenBrace => Ok(()),
            Kind::Comma => Err(self.unexpected(
                "`[`, `->`, `;` or a new statement after a node",
                "write one statement a node, with `;` or a new line between them",
            )),
            _ => Err(self.unexpected(
                "`[`, `->`, `;` or a new statement after a node",
                "ids are made of letters, digits and `_`; put other text into `label`",
            )),
        }
    }

    fn head(&mut self) -> Result<Head, Fault> {
        for (keyword, target) in
            [("graph", Target::Graph), ("node", Target::Node), ("edge", Target::Edge)]
        {
            if self.take_keyword(keyword) {
                return Ok(Head::Keyword(target));
            }
        }
        self.end().map(Head::End)
    }

    /// One end of an edge, or the beginning of another statement. Ids are judged later: it may
    /// be the key of an attribute.
    fn end(&mut self) -> Result<End, Fault> {
        if self.is_keyword("subgraph") || matches!(self.token.kind, Kind::OpenBrace) {
            return self.subgraph().map(End::Group);
        }
        match mem::replace(&mut self.token.kind, Kind::End) {
            Kind::Word(word) => {
                let text = bare(word, self.token.span);
                self.advance();
                Ok(End::Node(text))
            }
            Kind::Quoted(text) => {
                self.advance();
                Ok(End::Node(text))
            }
            other => {
                self.token.kind = other;
                Err(self.unexpected(
                    "a node, an edge, an attribute or a subgraph",
                    "a statement begins with an id or a keyword",
                ))
            }
        }
    }

    /// Takes an id as a node's; the port after it is skipped.
    fn node_id(&mut self, id: Text) -> Result<Text, Fault> {
        if id.text.is_empty() {
            self.error(id.span, "the id of a node is empty", "give the node an id")?;
        } else if is_identifier(&id.text) {
            if id.quoted {
                self.note(Note::QuotedId, id.span);
            }
        } else if id.quoted || is_graphviz_id(&id.text) {
            self.note(Note::UnusualId, id.span);
        } else {
            self.wrong_id(&id)?;
        }
        for _ in 0..2 {
            if !matches!(self.token.kind, Kind::Colon) {
                break;
            }
            self.note(Note::Port, self.token.span);
            self.advance();
            if !matches!(self.token.kind, Kind::Word(_) | Kind::Quoted(_)) {
                return Err(self.unexpected("a port after `:`", "remove the `:`"));
            }
            self.advance();
        }
        Ok(id)
    }

    fn wrong_id(&mut self, id: &Text) -> Result<(), Stop> {
        let safe: String =
            id.text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        let safe =
            if safe.starts_with(|c: char| c.is_ascii_digit()) { format!("n{safe}") } else { safe };
        let message = format!(
            "`{}` is no id: ids begin with a letter or `_` and hold letters, digits and `_`",
            crate::dot::token::short(&id.text)
        );
        self.error(id.span, message, &format!("write `{}`", crate::dot::token::short(&safe)))
    }

    fn edge(&mut self, first: End) -> Result<Statement, Fault> {
        let start = first.span();
        let mut ends = vec![self.edge_end(first)?];
        while matches!(self.token.kind, Kind::Arrow | Kind::Line) {
            if matches!(self.token.kind, Kind::Line) {
                let at = self.token.span;
                self.error(at, "`--` is an edge without a direction", "write `->`")?;
            }
            self.advance();
            let end = self.end()?;
            ends.push(self.edge_end(end)?);
        }
        let attributes = self.attribute_blocks()?;
        self.statement_end()?;
        Ok(Statement::Edge(Edge { ends, attributes, span: start.to(self.before) }))
    }

    fn edge_end(&mut self, end: End) -> Result<End, Fault> {
        match end {
            End::Node(id) => self.node_id(id).map(End::Node),
            End::Group(group) => {
                self.note(Note::Group, group.span);
                Ok(End::Group(group))
            }
        }
    }

    fn subgraph(&mut self) -> Result<Subgraph, Fault> {
        let start = self.token.span;
        let mut subgraph = Subgraph::default();
        if self.take_keyword("subgraph") {
            match mem::replace(&mut self.token.kind, Kind::End) {
                Kind::Word(word) => {
                    subgraph.id = Some(bare(word, self.token.span));
                    self.advance();
                }
                Kind::Quoted(text) => {
                    subgraph.id = Some(text);
                    self.advance();
                }
                other => self.token.kind = other,
            }
        }
        if !matches!(self.token.kind, Kind::OpenBrace) {
            return Err(self.unexpected("`{` after `subgraph`", "write `subgraph NAME { … }`"));
        }
        if self.depth >= MAX_DEPTH {
            let message = format!("subgraphs nest at most {MAX_DEPTH} deep");
            self.error(self.token.span, message, "take some of the braces away")?;
            return Err(Fault::Stop);
        }
        self.advance();
        self.depth += 1;
        self.statements(&mut subgraph.statements)?;
        self.depth -= 1;
        if !matches!(self.token.kind, Kind::CloseBrace) {
            let _ = self.unexpected("`}` at the end of the subgraph", "put a `}` at its end");
            return Err(Fault::Stop);
        }
        self.advance();
        subgraph.span = start.to(self.before);
        Ok(subgraph)
    }
}

/// What Graphviz takes for an id without quotes: letters of any script, or a number.
fn is_graphviz_id(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let number = digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits.matches('.').count() <= 1
        && digits.contains(|c: char| c.is_ascii_digit());
    number || !(word.contains(['-', '.']) || word.starts_with(|c: char| c.is_ascii_digit()))
}
