//! Transforms within transforms, in all the ways in which they can end.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::flow::{self, Block, Held, Row, Seat, nest};
use crate::stages::{self, Kind, scope, tally};
use crate::{call, done, harness, note, over, take_booked};

/// Leaves all transforms up to the next `caught`, without a word on the standard error.
fn leave() -> ! {
    resume_unwind(Box::new(()))
}

/// Whether it came to its own end.
fn caught(transform: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(transform)).is_ok()
}

#[inline(never)]
pub fn inner(seat: &mut Seat, row: &mut Row) {
    flow::flow_entered();
    tally(&mut seat.calls, 1);
    note(seat, row);
    let plan = flow::flow_nest(row);
    if plan >= nest::LEFT_HERE && row.step > 0 {
        leave();
    }
    if plan == nest::INNER || plan == nest::LEFT_RETRY {
        done(seat, row);
    }
    black_box(row);
}

#[inline(never)]
pub fn recurse(seat: &mut Seat, row: &mut Row, depth: u32) {
    flow::flow_entered();
    tally(&mut seat.calls, 1);
    if depth > 0 {
        flow::enter(flow::RECURSE, row);
        recurse(seat, row, depth - 1);
        note(seat, row);
    } else if flow::flow_nest(row) == nest::RECURSE {
        done(seat, row);
    }
    black_box(row);
}

fn call_inner(seat: &mut Seat, row: &mut Row) {
    flow::enter(flow::INNER, row);
    inner(seat, row);
}

/// Another row is worked on in the midst of this one, if there is one.
fn work_on_another(seat: &mut Seat) {
    if seat.depth > 1 {
        return;
    }
    let Some(mut other) = Held::get_now(seat.input) else { return };
    take_booked(seat, &mut other);
    if let Some(other) = work(seat, other) {
        other.put(seat.output);
    }
}

pub struct Outer;

impl Kind for Outer {
    fn body(seat: &mut Seat, mut row: Held<Row>) -> Option<Held<Row>> {
        note(seat, &row);
        let plan = flow::flow_nest(&row);
        match plan {
            nest::RECURSE | nest::RECURSE_SILENT => {
                flow::enter(flow::RECURSE, &row);
                let depth = flow::flow_depth(&row) - 1;
                recurse(seat, &mut row, depth);
            }
            nest::OTHER => work_on_another(seat),
            nest::LEFT_HERE => drop(caught(|| call_inner(seat, &mut row))),
            _ => call_inner(seat, &mut row),
        }
        note(seat, &row);
        if matches!(plan, nest::OWN | nest::OTHER | nest::LEFT_HERE) {
            done(seat, &row);
        }
        Some(row)
    }
}

/// False when the transform was left.
#[inline(never)]
fn try_outer(seat: &mut Seat, row: &mut Held<Row>) -> bool {
    seat.depth += 1;
    let depth = seat.depth;
    let whole = caught(|| {
        flow::enter(flow::ENTER, row);
        // It is given back, but not when the transform is left: then this is the only one that is left of it.
        drop(stages::transform::<Outer>(seat, row.again()));
    });
    seat.depth = depth - 1;
    whole
}

/// Deeper in the stack than any transform was entered: no row is worked on now.
#[inline(never)]
fn idle_note(seat: &mut Seat, depth: u32) {
    let room = black_box([0_u8; 256]);
    if depth > 0 {
        idle_note(seat, depth - 1);
    } else {
        scope::note(seat);
    }
    black_box(room);
}

/// The whole transform of a row, which comes back if it goes on.
#[inline(never)]
pub fn work(seat: &mut Seat, mut row: Held<Row>) -> Option<Held<Row>> {
    let plan = flow::flow_nest(&row);
    // How often it will be left.
    row.step = match plan {
        nest::LEFT_RETRY => flow::flow_depth(&row),
        _ => u32::from(plan >= nest::LEFT_HERE),
    };
    let whole = loop {
        let whole = try_outer(seat, &mut row);
        if whole || plan != nest::LEFT_RETRY {
            break whole;
        }
        row.step -= 1;
    };
    if seat.depth == 0 {
        idle_note(seat, 4);
    }
    if whole && plan != nest::SILENT && plan != nest::RECURSE_SILENT {
        return Some(row);
    }
    if plan == nest::LEFT_ERROR {
        harness::count_dropped(row.from());
        call!(flow::ERROR, &row, row.address(), stages::sink::error(seat, &mut row));
        Row::give(row);
    } else {
        over(if plan == nest::LEFT_VANISH { flow::SILENT } else { flow::FILTERED }, row);
    }
    None
}
