//! The stage functions of journeys.rs: methods and generic functions. Nothing in them knows of a profiler.

use std::hint::black_box;
use std::marker::PhantomData;

use crate::flow::{self, Batch, Block, Buffer, Held, Node, Row, Seat};
use crate::harness;

/// A call within each stage, as real ones have: so stage functions have frames. `by` is another number in each, since the compiler
/// makes one function of those that do the same.
#[inline(never)]
pub fn tally(counter: &mut u64, by: u64) {
    *counter += by;
    black_box(counter);
}

/// S0
#[inline(never)]
pub fn emit(row: &mut Row, seat: &mut Seat) {
    tally(&mut seat.calls, 1);
    row.hops = 1;
    black_box(row);
}

/// What moves records between threads; `T` is what carries them.
pub struct Channel<T> {
    queue: *mut std::ffi::c_void,
    carries: PhantomData<T>,
}

impl<T> Channel<T> {
    pub fn of(queue: *mut std::ffi::c_void) -> Self {
        Self { queue, carries: PhantomData }
    }

    /// Q+
    #[inline(never)]
    pub fn put(&self, item: Held<T>) {
        tally(&mut 0, 2);
        item.put(self.queue);
        black_box(self);
    }

    /// Q-: books an item that came out.
    #[inline(never)]
    pub fn took(&self, item: &mut T, seat: &mut Seat) {
        tally(&mut seat.calls, 3);
        // An argument that nothing looks at is taken away, and the others move up.
        black_box(self.queue);
        black_box(item);
    }
}

impl Channel<Node> {
    /// Q+: row to node; the row is freed before anybody can see the node.
    #[inline(never)]
    pub fn put_by(&self, mut node: Held<Node>, row: Held<Row>) {
        tally(&mut node.hops, 4);
        flow::flow_copy(&mut node.row, &row);
        Row::give(row);
        node.put(self.queue);
        black_box(self);
    }
}

/// Node to buffer; the node is freed.
#[inline(never)]
pub fn fill(buffer: &mut Buffer, mut node: Held<Node>) {
    tally(&mut node.hops, 5);
    flow::flow_copy(&mut buffer.row, &node.row);
    buffer.bytes = u64::from(node.row.table_len);
    Node::give(node);
    black_box(buffer);
}

pub mod tasks {
    //! Of work stealing.
    use super::{Held, Row, Seat, black_box, tally};

    #[inline(never)]
    pub fn push(seat: &mut Seat, row: Held<Row>) {
        tally(&mut seat.calls, 6);
        row.push(seat.number);
        black_box(seat);
    }

    #[inline(never)]
    pub fn pop(seat: &mut Seat, row: &mut Row) {
        tally(&mut seat.calls, 7);
        row.hops += 1;
        black_box(row);
    }

    #[inline(never)]
    pub fn steal(seat: &mut Seat, row: &mut Row, victim: u32) {
        tally(&mut seat.calls, 8);
        row.hops += u64::from(victim);
        black_box(row);
    }
}

pub mod scope {
    //! What a transform tells of the record that it is at; which one that is, some of them do not say.
    use super::{Row, Seat, black_box, tally};

    /// T-
    #[inline(never)]
    pub fn done(seat: &mut Seat) {
        tally(&mut seat.calls, 9);
        black_box(seat);
    }

    /// Something happens to the record.
    #[inline(never)]
    pub fn note(seat: &mut Seat) {
        tally(&mut seat.calls, 10);
        black_box(seat);
    }

    #[inline(never)]
    pub fn open(seat: &mut Seat, row: &mut Row) {
        tally(&mut seat.calls, 11);
        row.hops += 1;
        black_box(row);
    }

    #[inline(never)]
    pub fn close(seat: &mut Seat) {
        tally(&mut seat.calls, 12);
        black_box(seat);
    }

    /// T-: one of several outputs.
    #[inline(never)]
    pub fn fork(parent: &mut Row, child: &mut Row) {
        tally(&mut parent.hops, 13);
        child.hops = parent.hops;
        black_box(child);
    }
}

pub mod batches {
    //! Rows together.
    use super::{Batch, Row, Seat, black_box, flow, tally};

    #[inline(never)]
    pub fn add(batch: &mut Batch, row: &Row) {
        tally(&mut batch.sealed, 14);
        let next = batch.size as usize;
        if let Some(place) = batch.rows.get_mut(next) {
            flow::flow_copy(place, row);
            batch.size += 1;
        }
        black_box(batch);
    }

    #[inline(never)]
    pub fn merge(big: &mut Batch, small: &Batch) {
        tally(&mut big.sealed, 15);
        for row in small.rows.iter().take(small.size as usize) {
            let next = big.size as usize;
            if let Some(place) = big.rows.get_mut(next) {
                flow::flow_copy(place, row);
                big.size += 1;
            }
        }
        black_box(big);
    }

    #[inline(never)]
    pub fn seal(seat: &mut Seat, batch: &mut Batch) {
        tally(&mut seat.calls, 16);
        batch.sealed += 1;
        black_box(batch);
    }
}

pub mod sink {
    //! The ends.
    use super::{Block, Held, Row, Seat, black_box, flow, harness, tally};

    /// W!, for whatever is written.
    #[inline(never)]
    pub fn written<T>(seat: &mut Seat, what: &T) {
        tally(&mut seat.calls, 17);
        harness::write(&[0; 64]);
        black_box(what);
    }

    /// 0, or what is wrong.
    #[inline(never)]
    pub fn write(seat: &mut Seat, row: &Row) -> i32 {
        tally(&mut seat.calls, 18);
        let result = if flow::flow_fault(row) == flow::FAULT_RETURNED { 5 } else { 0 };
        black_box(row);
        black_box(result)
    }

    #[inline(never)]
    pub fn error(seat: &mut Seat, row: &mut Row) {
        tally(&mut seat.calls, 19);
        row.hops += 1;
        black_box(row);
    }

    /// The drop point. Records that were written go another way.
    #[inline(never)]
    pub fn free(mut row: Held<Row>) {
        tally(&mut row.hops, 20);
        let address = row.address();
        Row::give(row);
        black_box(address);
    }
}

pub mod pipe {
    //! Between processes.
    use super::{Row, Seat, black_box, flow, tally};

    #[inline(never)]
    pub fn put(seat: &mut Seat, row: &Row) {
        tally(&mut seat.calls, 21);
        flow::pipe_send(row);
        black_box(row);
    }

    #[inline(never)]
    pub fn took(seat: &mut Seat, row: &mut Row) {
        tally(&mut seat.calls, 22);
        row.hops += 1;
        black_box(row);
    }
}

/// T+: one function for each kind; what is done to the record until the end of its scope is the kind's.
#[inline(never)]
pub fn transform<K: Kind>(seat: &mut Seat, row: Held<Row>) -> Option<Held<Row>> {
    flow::flow_entered();
    tally(&mut seat.calls, 23);
    let rest = K::body(seat, row);
    black_box(seat);
    rest
}

/// What a transform does. The row comes back unless it was given away.
pub trait Kind {
    fn body(seat: &mut Seat, row: Held<Row>) -> Option<Held<Row>>;
}
