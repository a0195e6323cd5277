//! What one hit costs, by the instruction that carries the probe.
//!
//! Owns: the comparison of instructions: with a probe that does nothing, and with the product's own on a record that is not sampled.

use std::cell::RefCell;

use anyhow::Result;
use profiler_user::attach::bare_probes;
use profiler_user::plan::Site;

use crate::micro::{Micro, Op};
use crate::series::{Arm, Series, in_turns};
use crate::stain::{self, NEVER, Stain};
use crate::table::{Row, Table};

const ROUNDS: usize = 11;

/// See the module.
pub(crate) fn run() -> Result<Vec<Table>> {
    let (mut plain, returning, bare, stain) =
        (Micro::start(false)?, Micro::start(false)?, Micro::start(false)?, Micro::start(false)?);
    let (ops, _) = plain.ops()?;
    let offsets = ops.iter().map(|op| bare.offset(&op.function)).collect::<Result<Vec<_>>>()?;
    let _bare = bare_probes(bare.pid(), bare.path(), &offsets, false)?;
    let _returning = bare_probes(returning.pid(), returning.path(), &offsets, true)?;
    let _stain = Stain::attach(&stain, &sites(&stain, &ops)?, NEVER, None)?;
    let [plain, bare, returning, stain] = [plain, bare, returning, stain].map(RefCell::new);
    let mut arms = Vec::new();
    for op in &ops {
        for target in [&plain, &bare, &returning, &stain] {
            arms.push(Arm::new(&op.instruction, || target.borrow_mut().cost(&op.function)));
        }
    }
    let series = in_turns(ROUNDS, &mut arms)?;
    drop(arms);
    Ok(tables(&ops, &series))
}

/// A middle stage's site, moved to each of the instructions. One probe id does for all.
fn sites(micro: &Micro, ops: &[Op]) -> Result<Vec<Site>> {
    let planned = stain::plan(micro)?;
    let middle = planned.get(1).ok_or_else(|| anyhow::anyhow!("no plan"))?;
    ops.iter().map(|op| Ok(Site { offset: micro.offset(&op.function)?, ..middle.clone() })).collect()
}

fn tables(ops: &[Op], series: &[Series]) -> Vec<Table> {
    let mut tables = [
        ("nanoseconds of a hit of a probe that does nothing", "the first"),
        ("the same with a return trampoline instead of an instruction probe: entry and return", "the first"),
        ("stain at a middle stage, record not sampled, none in flight", "the bare probe"),
    ]
    .map(|(title, base)| Table { title: title.to_owned(), base, ..Table::default() });
    let mut first = None;
    for (op, measured) in ops.iter().zip(series.chunks(4)) {
        let [plain, bare, returning, stain] = measured else { continue };
        let (first_bare, first_returning) = *first.get_or_insert((bare.least(), returning.least()));
        let [bare_table, return_table, stain_table] = &mut tables;
        if bare_table.rows.is_empty() {
            bare_table.rows.push(Row::cost("(no probe)", plain, "ns"));
        }
        bare_table.rows.push(Row::cost(&op.instruction, bare, "ns").to(first_bare));
        return_table.rows.push(Row::cost(&op.instruction, returning, "ns").to(first_returning));
        stain_table.rows.push(Row::cost(&op.instruction, stain, "ns").to(bare.least()));
    }
    let [bare, ..] = &mut tables;
    bare.notes.push("calls and loop included".to_owned());
    bare.notes.push(
        "five-byte nops: this target uses no red zone; elsewhere the plan takes them only after its self-test".to_owned(),
    );
    tables.into()
}
