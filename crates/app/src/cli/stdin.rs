//! Standard input of programs that serve whoever started them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::exec::told_to_end;

/// Standard input, which is at its end as well when the process is told to end (INT, TERM, HUP): so
/// the orderly end is one and the same.
pub(super) fn until_told() -> impl AsyncRead + Unpin + Send + 'static {
    Until { input: tokio::io::stdin(), end: Box::pin(told_to_end()), is_over: false }
}

struct Until<R> {
    input: R,
    end: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
}

impl<R: AsyncRead + Unpin> AsyncRead for Until<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_over = self.is_over || self.end.as_mut().poll(context).is_ready();
        if self.is_over {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.input).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_stream_ends_when_it_is_told_to() {
        let (mut writer, reader) = tokio::io::duplex(64);
        let (tell, told) = tokio::sync::oneshot::channel::<()>();
        let end = Box::pin(async move { drop(told.await) });
        let mut input = Until { input: reader, end, is_over: false };
        writer.write_all(b"line\n").await.unwrap();
        let mut line = [0; 5];
        input.read_exact(&mut line).await.unwrap();
        tell.send(()).unwrap();
        let mut rest = Vec::new();
        input.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
        // It is over for good, whatever comes.
        writer.write_all(b"late\n").await.unwrap();
        assert_eq!(input.read(&mut line).await.unwrap(), 0);
    }
}
