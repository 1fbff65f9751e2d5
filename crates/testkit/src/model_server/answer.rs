//! From a [`Reply`] to bytes, with every way of going wrong that a test asked for.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, header};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use serde_json::Value;

use super::gate::Waiter;
use super::issued::Issued;
use super::part::{Chunks, Fault};
use super::protocol::{Call, Protocol};
use super::reply::Reply;

/// What a body does next.
#[derive(Debug, Clone)]
enum Step {
    Write(Bytes),
    /// Waits until the event with this number may go.
    Wait(usize),
    Break,
    Hang,
}

/// An HTTP error in the words of a wire.
pub(super) fn error(wire: &dyn Protocol, fault: &Fault) -> Response<Body> {
    let mut fault = fault.clone();
    if fault.status == 0 {
        fault.status = wire.status_of(fault.code.as_deref().unwrap_or(""));
    }
    let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    whole_response(status, &wire.error(&fault))
}

/// The answer to request number `served` (from 1), or `None` for one that never comes.
pub(super) fn answer(
    wire: &dyn Protocol,
    reply: &Reply,
    call: &Call<'_>,
    served: usize,
    issued: &mut Issued,
) -> Option<Response<Body>> {
    if reply.hang_after_events == Some(0) {
        return None;
    }
    let streamed = wire.is_streamed(call);
    let refused = match (&reply.error, &reply.failed) {
        (Some(fault), _) => Some(fault),
        (None, Some(fault)) if !streamed && !wire.fails_whole() => Some(fault),
        _ => None,
    };
    let mut response = match refused {
        Some(fault) => error(wire, fault),
        None => {
            let whole = wire.whole(reply, call, served);
            wire.note(&whole, issued);
            if streamed {
                event_stream(reply, wire.events(reply, call, &whole))
            } else {
                body(StatusCode::OK, "application/json", plain(reply, whole.to_string()), reply)
            }
        }
    };
    for (name, value) in &reply.headers {
        if let (Ok(name), Ok(value)) =
            (name.parse::<header::HeaderName>(), value.parse::<header::HeaderValue>())
        {
            response.headers_mut().insert(name, value);
        }
    }
    Some(response)
}

fn whole_response(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// One piece, unless it is to wait or to break.
fn plain(reply: &Reply, text: String) -> Vec<Step> {
    let mut steps = Vec::new();
    if reply.gate.is_some() {
        steps.push(Step::Wait(0));
    }
    let kept = reply.break_after_bytes.unwrap_or(text.len()).min(text.len());
    steps.push(Step::Write(Bytes::copy_from_slice(&text.as_bytes()[..kept])));
    if reply.break_after_bytes.is_some() {
        steps.push(Step::Break);
    }
    steps
}

fn event_stream(reply: &Reply, mut events: Vec<String>) -> Response<Body> {
    if reply.tail.is_some() {
        events.pop();
    }
    if let Some(kept) = reply.break_after_events.or(reply.hang_after_events) {
        events.truncate(kept);
    }
    events.extend(reply.tail.clone());
    if let Some(mut kept) = reply.break_after_bytes {
        let mut bytes: Vec<Vec<u8>> = events.into_iter().map(String::into_bytes).collect();
        for event in &mut bytes {
            event.truncate(kept);
            kept -= event.len();
        }
        return body(StatusCode::OK, EVENT_STREAM, steps(reply, bytes), reply);
    }
    let events = events.into_iter().map(String::into_bytes).collect();
    body(StatusCode::OK, EVENT_STREAM, steps(reply, events), reply)
}

const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

fn steps(reply: &Reply, events: Vec<Vec<u8>>) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut sizes = Sizes::of(reply.chunks.as_ref());
    if reply.gate.is_some() {
        for (index, event) in events.iter().enumerate() {
            steps.push(Step::Wait(index));
            sizes.cut(event, &mut steps);
        }
    } else {
        sizes.cut(&events.concat(), &mut steps);
    }
    if reply.break_after_events.is_some() || reply.break_after_bytes.is_some() {
        steps.push(Step::Break);
    } else if reply.hang_after_events.is_some() {
        steps.push(Step::Hang);
    }
    steps
}

/// The sizes of the pieces to come.
enum Sizes<'a> {
    Whole,
    Of(usize),
    List(std::slice::Iter<'a, usize>),
}

impl<'a> Sizes<'a> {
    fn of(chunks: Option<&'a Chunks>) -> Self {
        match chunks {
            None => Self::Whole,
            Some(Chunks::Of(size)) => Self::Of((*size).max(1)),
            Some(Chunks::Sizes(sizes)) => Self::List(sizes.iter()),
        }
    }

    fn next(&mut self) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Of(size) => *size,
            Self::List(sizes) => sizes.next().map_or(usize::MAX, |size| (*size).max(1)),
        }
    }

    fn cut(&mut self, mut bytes: &[u8], steps: &mut Vec<Step>) {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.next().min(bytes.len()));
            steps.push(Step::Write(Bytes::copy_from_slice(piece)));
            bytes = rest;
        }
    }
}

fn body(status: StatusCode, kind: &'static str, steps: Vec<Step>, reply: &Reply) -> Response<Body> {
    let mut response = Response::new(Body::from_stream(play(steps, reply.gate.clone())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

fn play(steps: Vec<Step>, gate: Option<Waiter>) -> BoxStream<'static, io::Result<Bytes>> {
    let state = (steps.into_iter(), gate);
    stream::unfold(state, |(mut steps, mut gate)| async move {
        loop {
            match steps.next()? {
                Step::Write(bytes) => return Some((Ok(bytes), (steps, gate))),
                Step::Wait(event) => {
                    if let Some(gate) = &mut gate {
                        gate.pass(event).await;
                    }
                }
                Step::Hang => std::future::pending::<()>().await,
                Step::Break => {
                    // Yielding lets the server flush what came before; an error at once would swallow it.
                    for _ in 0..8 {
                        tokio::task::yield_now().await;
                    }
                    let error = io::Error::new(io::ErrorKind::ConnectionReset, "broken on purpose");
                    return Some((Err(error), (steps, gate)));
                }
            }
        }
    })
    .boxed()
}
