//! The pipelines of c/journeys.c in Rust: generic stage functions, and panics that leave transforms. What becomes of each record is
//! the same in all languages (common/flow.h). Compiled by the tests with rustc alone.

mod flow;
mod harness;
mod nested;
mod stages;

use flow::{BATCH_LIMIT, BATCH_ROWS, Batch, Block, Bodies, Buffer, Held, Node, Row, Seat};
use stages::{Channel, Kind, batches, pipe, scope, sink, tasks};

/// One stage call between its two clock readings. What names the record is read before it can change hands.
macro_rules! call {
    ($stage:expr, $row:expr, $object:expr, $call:expr) => {{
        let entry = $crate::flow::begin($stage, $row, $object);
        $call;
        entry.end();
    }};
}
pub(crate) use call;

fn put(seat: &mut Seat, row: Held<Row>) {
    call!(flow::PUT, &row, row.address(), Channel::of(seat.output).put(row));
}

/// Books a row that came out of the seat's queue.
fn take_booked(seat: &mut Seat, row: &mut Held<Row>) {
    let channel = Channel::of(seat.input);
    call!(flow::TAKE, row, row.address(), channel.took(&mut **row, seat));
}

fn take(seat: &mut Seat) -> Option<Held<Row>> {
    let mut row = Held::get(seat.input)?;
    take_booked(seat, &mut row);
    Some(row)
}

fn done(seat: &mut Seat, row: &Row) {
    call!(flow::DONE, row, std::ptr::from_ref(row).cast(), scope::done(seat));
}

fn note(seat: &mut Seat, row: &Row) {
    call!(flow::NOTE, row, std::ptr::from_ref(row).cast(), scope::note(seat));
}

fn write_row(seat: &mut Seat, row: Held<Row>) {
    call!(flow::WRITTEN, &row, row.address(), sink::written(seat, &*row));
    harness::count_written(row.from());
    Row::give(row);
}

/// A record that is over, and of which no stage function knows.
fn over<T: Block + AsRow>(fact: u32, object: Held<T>) {
    harness::count_dropped(object.row().from());
    flow::flow_fact(fact, object.row());
    T::give(object);
}

trait AsRow {
    fn row(&self) -> &Row;
}

impl AsRow for Row {
    fn row(&self) -> &Row {
        self
    }
}

impl AsRow for Node {
    fn row(&self) -> &Row {
        &self.row
    }
}

/// A transform's stage function, T+.
fn enter<K: Kind>(seat: &mut Seat, row: Held<Row>) -> Option<Held<Row>> {
    flow::enter(flow::ENTER, &row);
    stages::transform::<K>(seat, row)
}

// ---- sources and sinks ----

fn send_on(seat: &mut Seat, row: Held<Row>) {
    match harness::options().scenario {
        flow::SEND => {
            call!(flow::SENT, &row, row.address(), pipe::put(seat, &row));
            Row::give(row);
        }
        flow::HANDOVER => {
            let node = Node::take();
            call!(flow::NODE_PUT, &row, row.address(), Channel::of(seat.output).put_by(node, row));
        }
        _ => put(seat, row),
    }
}

fn emit(seat: &mut Seat, seq: u64) -> Held<Row> {
    let mut row = Held::<Row>::new(seat.number, seq);
    call!(flow::S0, &row, row.address(), stages::emit(&mut row, seat));
    harness::count_emitted(seat.number);
    row
}

extern "C" fn run_source(seat: &mut Seat) {
    harness::harness_source(seat.number);
    harness::harness_await_go();
    let mut seq = 1;
    while harness::harness_next(seq - 1) != 0 {
        let row = emit(seat, seq);
        send_on(seat, row);
        seq += 1;
    }
}

extern "C" fn run_sink(seat: &mut Seat) {
    while let Some(row) = Held::get(seat.input) {
        write_row(seat, row);
    }
}

extern "C" fn run_receiver(seat: &mut Seat) {
    harness::harness_await_go();
    while let Some(mut row) = Held::receive() {
        call!(flow::RECEIVED, &row, row.address(), pipe::took(seat, &mut row));
        write_row(seat, row);
    }
}

// ---- hand-over ----

extern "C" fn run_carrier(seat: &mut Seat) {
    while let Some(mut node) = Held::<Node>::get(seat.input) {
        let channel = Channel::of(seat.input);
        call!(flow::NODE_TAKE, &node.row, node.address(), channel.took(&mut *node, seat));
        if flow::flow_vanishes(&node.row) != 0 {
            over(flow::SILENT, node);
            continue;
        }
        let mut buffer = Buffer::take();
        call!(flow::BUFFER_FILL, &node.row, node.address(), stages::fill(&mut buffer, node));
        buffer.put(seat.output);
    }
}

extern "C" fn run_buffer_sink(seat: &mut Seat) {
    while let Some(buffer) = Held::<Buffer>::get(seat.input) {
        call!(flow::BUFFER_WRITTEN, &buffer.row, buffer.address(), sink::written(seat, &*buffer));
        harness::count_written(buffer.row.from());
        Buffer::give(buffer);
    }
}

// ---- filters ----

/// What happens within the scope, however that was opened. The row comes back unless it was dropped.
fn filtered(seat: &mut Seat, row: Held<Row>) -> Option<Held<Row>> {
    match flow::flow_filter(&row) {
        flow::PASS => done(seat, &row),
        flow::FREED => {
            harness::count_dropped(row.from());
            call!(flow::FREE, &row, row.address(), sink::free(row));
            return None;
        }
        _ => {}
    }
    Some(row)
}

struct Filter;

impl Kind for Filter {
    fn body(seat: &mut Seat, row: Held<Row>) -> Option<Held<Row>> {
        let row = filtered(seat, row)?;
        if flow::flow_filter(&row) != flow::PASS {
            return Some(row);
        }
        put(seat, row);
        None
    }
}

fn filter_by_hand(seat: &mut Seat, mut row: Held<Row>) -> Option<Held<Row>> {
    call!(flow::SCOPE_OPEN, &row, row.address(), scope::open(seat, &mut row));
    let Some(row) = filtered(seat, row) else {
        // A record that is gone has no more stages.
        scope::close(seat);
        return None;
    };
    call!(flow::SCOPE_CLOSE, &row, row.address(), scope::close(seat));
    if flow::flow_filter(&row) != flow::PASS {
        return Some(row);
    }
    put(seat, row);
    None
}

extern "C" fn run_filter(seat: &mut Seat) {
    while let Some(row) = take(seat) {
        let by_hand = flow::flow_by_hand(&row) != 0;
        let rest = if by_hand { filter_by_hand(seat, row) } else { enter::<Filter>(seat, row) };
        if let Some(row) = rest {
            over(flow::FILTERED, row);
        }
    }
}

// ---- splits ----

fn fork(row: &mut Row) -> Held<Row> {
    let mut child = Held::child(row);
    call!(flow::FORK, &child, child.address(), scope::fork(row, &mut child));
    child
}

struct Split;

impl Kind for Split {
    fn body(seat: &mut Seat, mut row: Held<Row>) -> Option<Held<Row>> {
        let plan = flow::flow_split(&row);
        for _ in 0..plan.children {
            let child = fork(&mut row);
            put(seat, child);
        }
        if plan.goes_on == 0 {
            return Some(row);
        }
        done(seat, &row);
        put(seat, row);
        None
    }
}

extern "C" fn run_split(seat: &mut Seat) {
    while let Some(row) = take(seat) {
        if let Some(row) = enter::<Split>(seat, row) {
            let children = flow::flow_split(&row).children;
            over(if children > 0 { flow::SPLIT_UP } else { flow::FILTERED }, row);
        }
    }
}

// ---- batches ----

fn write_batch(seat: &mut Seat, mut batch: Held<Batch>) {
    let before_ns = harness::truth_before();
    batches::seal(seat, &mut batch);
    flow::flow_members(flow::BATCH_SEAL, &batch, before_ns);
    let before_ns = harness::truth_before();
    sink::written(seat, &*batch);
    flow::flow_members(flow::BATCH_WRITTEN, &batch, before_ns);
    for row in batch.rows.iter().take(batch.size as usize) {
        harness::count_written(row.from());
    }
    batch.give();
}

/// Under the batcher's lock, so that the order of the calls is the order in the batch. The row is freed at once.
fn add(seat: &mut Seat, row: Held<Row>) {
    let full = Held::current(|batch| {
        let entry = flow::begin_add(&row, batch);
        batches::add(batch, &row);
        entry.end();
        Row::give(row);
    });
    match full {
        Some(batch) if batch.id % 2 == 0 => write_batch(seat, batch),
        Some(batch) => batch.put(seat.output),
        None => {}
    }
}

struct Group;

impl Kind for Group {
    fn body(seat: &mut Seat, mut row: Held<Row>) -> Option<Held<Row>> {
        for _ in 0..flow::flow_batch_children(&row) {
            let child = fork(&mut row);
            add(seat, child);
        }
        Some(row)
    }
}

extern "C" fn run_batcher(seat: &mut Seat) {
    if seat.number == 0 {
        return flow::batcher_timer(seat);
    }
    while let Some(row) = take(seat) {
        if flow::flow_batch_children(&row) == 0 {
            add(seat, row);
        } else if let Some(row) = enter::<Group>(seat, row) {
            over(flow::SPLIT_UP, row);
        }
    }
}

extern "C" fn run_writer(seat: &mut Seat) {
    let mut big: Option<Held<Batch>> = None;
    while let Some(batch) = Held::<Batch>::get(seat.input) {
        if flow::flow_merges(&batch) == 0 {
            write_batch(seat, batch);
            continue;
        }
        let mut to = big.take().unwrap_or_else(Held::<Batch>::new);
        let (before_ns, before) = (harness::truth_before(), to.size);
        batches::merge(&mut to, &batch);
        flow::flow_merged(&to, &batch, before, before_ns);
        batch.give();
        if to.size > BATCH_ROWS as u64 - BATCH_LIMIT {
            write_batch(seat, to);
        } else {
            big = Some(to);
        }
    }
    if let Some(big) = big {
        write_batch(seat, big);
    }
}

// ---- errors, nesting ----

/// The row to the sink, or to the error sink; whether it was written.
fn write_or_route(seat: &mut Seat, row: &mut Held<Row>) -> bool {
    let fault = flow::flow_fault(row);
    if fault == flow::FAULT_ROUTED {
        call!(flow::ERROR, row, row.address(), sink::error(seat, row));
        return false;
    }
    let stage = if fault == flow::FAULT_NOT { flow::WRITE_OK } else { flow::WRITE_FAILED };
    let entry = flow::begin(stage, row, row.address());
    let result = sink::write(seat, row);
    entry.end();
    result == 0
}

extern "C" fn run_fallible(seat: &mut Seat) {
    while let Some(mut row) = take(seat) {
        if write_or_route(seat, &mut row) {
            harness::count_written(row.from());
        } else {
            harness::count_dropped(row.from());
        }
        Row::give(row);
    }
}

extern "C" fn run_nested(seat: &mut Seat) {
    while let Some(row) = take(seat) {
        if let Some(row) = nested::work(seat, row) {
            row.put(seat.output);
        }
    }
}

// ---- work stealing ----

const STEPS: u32 = 3;

fn push(seat: &mut Seat, row: Held<Row>) {
    call!(flow::PUT, &row, row.address(), tasks::push(seat, row));
}

/// Within it the record is given on to whoever takes it next, before it is left.
struct Step;

impl Kind for Step {
    fn body(seat: &mut Seat, mut row: Held<Row>) -> Option<Held<Row>> {
        if flow::flow_filter(&row) != flow::PASS && row.step > 0 {
            return Some(row);
        }
        done(seat, &row);
        row.step += 1;
        if row.step == STEPS {
            return Some(row);
        }
        push(seat, row);
        None
    }
}

fn step(seat: &mut Seat, row: Held<Row>) {
    let Some(row) = enter::<Step>(seat, row) else { return };
    if row.step == STEPS {
        write_row(seat, row);
    } else {
        over(flow::FILTERED, row);
    }
    flow::deque_done();
}

fn take_and_step(seat: &mut Seat) {
    let mut whose = 0;
    let Some(mut row) = Held::next_task(seat.number, &mut whose) else { return };
    if whose == seat.number {
        call!(flow::TAKE, &row, row.address(), tasks::pop(seat, &mut row));
    } else {
        call!(flow::STEAL, &row, row.address(), tasks::steal(seat, &mut row, whose));
    }
    step(seat, row);
}

extern "C" fn run_thief(seat: &mut Seat) {
    harness::harness_source(seat.number);
    harness::harness_await_go();
    let mut seq = 1;
    while harness::harness_next(seq - 1) != 0 {
        if flow::deque_wants(seat.number) != 0 {
            flow::deque_begin();
            let row = emit(seat, seq);
            push(seat, row);
            seq += 1;
        }
        take_and_step(seat);
    }
    flow::deque_source_done();
    while flow::deque_busy() != 0 {
        take_and_step(seat);
    }
}

static BODIES: Bodies = Bodies {
    source: run_source,
    sink: run_sink,
    carrier: run_carrier,
    buffer_sink: run_buffer_sink,
    filter: run_filter,
    split: run_split,
    batcher: run_batcher,
    writer: run_writer,
    fallible: run_fallible,
    nested: run_nested,
    thief: run_thief,
    receiver: run_receiver,
};

fn main() {
    flow::run(&BODIES);
}
