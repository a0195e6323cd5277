//! What probes cost, and what of the cost can be measured.

use super::unknown;
use crate::calibrate::{Calibrated, RedZone};
use crate::doctor::{Check, Facts, Load, Status};
use crate::plan::{Class, Trap, expected_ns};
use crate::sink::units::{count, duration};

pub(super) fn prices(facts: &Facts) -> Check {
    let check = |status, found: String| Check::new("prices", "price of a hit", status, found);
    match &facts.calibrated {
        Ok(calibrated) => check(Status::Ok, measured(calibrated))
            .means("Of an instruction that the kernel emulates, of one that it executes out of line, and of a return. Sites are chosen by this."),
        Err(_) if facts.load == Load::Loaded => check(Status::Warn, format!("not measured; taken for {}", measured(&Calibrated::assumed())))
            .means(why(facts)),
        Err(_) => unknown("prices", "price of a hit"),
    }
}

fn measured(calibrated: &Calibrated) -> String {
    let price = |class, trap| duration(expected_ns(class, trap, &calibrated.costs), true);
    format!(
        "{} emulated, {} stepped, {} at a return",
        price(Class::Emulated, Trap::Instruction),
        price(Class::Stepped, Trap::Instruction),
        price(Class::Emulated, Trap::Return)
    )
}

fn why(facts: &Facts) -> String {
    match &facts.calibrated {
        Ok(_) => String::new(),
        Err(error) => format!("{error}."),
    }
}

pub(super) fn five_byte_nop(facts: &Facts) -> Check {
    let (id, name) = ("five_byte_nop", "five-byte nops");
    let check = |status, found: String| Check::new(id, name, status, found);
    let avoided = "This kernel's optimised probe writes over memory that the probed function may be using (its red zone). \
        No probe is put there; another instruction is taken. Other kernels do it right, so it is tried anew each time.";
    match facts.calibrated.as_ref().map(|calibrated| &calibrated.red_zone) {
        Ok(RedZone::Intact) => check(Status::Ok, "safe: the red zone survives".to_owned())
            .means("They may carry probes, and are the cheapest place for one."),
        Ok(RedZone::Damaged { calls, of, words }) => check(
            Status::Warn,
            format!(
                "not safe: {} words of the red zone were destroyed in {} of {} calls",
                count(*words),
                count(*calls),
                count(*of)
            ),
        )
        .means(avoided),
        Ok(RedZone::Silent(how)) => {
            check(Status::Warn, format!("not safe: a child process that tried one was lost: {how}"))
                .means(avoided)
        }
        Ok(RedZone::Unknown) | Err(_) if matches!(facts.load, Load::NoPermission(_)) => unknown(id, name),
        Ok(RedZone::Unknown) | Err(_) => check(Status::Warn, "not tried".to_owned())
            .means("They are taken for unsafe and carry no probes."),
    }
}

pub(super) fn perf_events(facts: &Facts) -> Check {
    let check = |status, found: &str| Check::new("perf_events", "perf events", status, found);
    if facts.perf.software {
        return check(Status::Ok, "work").means("They measure what the agent itself uses.");
    }
    check(Status::Warn, "none")
        .means("CPU time and context switches are taken from the kernel's own accounts instead.")
        .get("Allow perf_event_open(2): by CAP_PERFMON, or by sysctl kernel.perf_event_paranoid=1.")
}

pub(super) fn hardware_counters(facts: &Facts) -> Check {
    let check = |status, found: &str| Check::new("pmu", "hardware counters", status, found);
    if facts.perf.hardware {
        return check(Status::Ok, "cycles and instructions").means("They are shown with the cost.");
    }
    check(Status::Warn, "none").means(
        "Cycles and instructions are not shown; CPU time is. Virtual machines often have no such counters.",
    )
}
