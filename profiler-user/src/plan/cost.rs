//! What one hit of a site is expected to cost.

use super::{Class, Trap};

/// Nanoseconds of one hit, by class. The defaults were measured on one virtual machine (x86-64, Linux 6.18); they are replaced by a
/// calibration on the machine at hand. The ratios hold elsewhere, the times do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// See [`Class::Emulated`].
    pub emulated_ns: u64,
    /// See [`Class::OptimisedNop`].
    pub optimised_nop_ns: u64,
    /// See [`Class::Stepped`].
    pub stepped_ns: u64,
    /// See [`Class::Trampoline`]: on top of what its carrier costs.
    pub trampoline_ns: u64,
}

impl Default for Costs {
    fn default() -> Self {
        Self { emulated_ns: 515, optimised_nop_ns: 360, stepped_ns: 10_800, trampoline_ns: 240 }
    }
}

/// Expected nanoseconds of one hit of a probe on an instruction of class `carrier`.
#[must_use]
pub const fn expected_ns(carrier: Class, trap: Trap, costs: &Costs) -> u64 {
    let entry = match carrier {
        Class::Emulated => costs.emulated_ns,
        Class::OptimisedNop => costs.optimised_nop_ns,
        Class::Stepped => costs.stepped_ns,
        Class::Trampoline | Class::Refused => 0,
    };
    match trap {
        Trap::Instruction => entry,
        Trap::Return => entry + costs.trampoline_ns,
    }
}

#[cfg(test)]
mod tests {
    use super::{Class, Costs, Trap, expected_ns};

    #[test]
    fn a_return_costs_its_entry_instruction_too() {
        let costs = Costs::default();
        assert_eq!(expected_ns(Class::Emulated, Trap::Instruction, &costs), 515);
        assert_eq!(expected_ns(Class::Emulated, Trap::Return, &costs), 755);
        assert_eq!(expected_ns(Class::Stepped, Trap::Return, &costs), 11_040);
    }
}
