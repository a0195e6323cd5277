//! The body of an answer that goes on.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;

use super::Seat;

/// A client's events, until it is cut off or goes.
pub struct EventStream {
    receiver: mpsc::Receiver<Bytes>,
    _seat: Seat,
}

impl EventStream {
    pub(super) const fn new(receiver: mpsc::Receiver<Bytes>, seat: Seat) -> Self {
        Self { receiver, _seat: seat }
    }
}

impl Body for EventStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.receiver.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
