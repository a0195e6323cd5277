//! Small pieces of machine code, one for each way in which the kernel treats a probed instruction.
//!
//! Owns: the instructions and where they lie. Refuses: probing them, and other machines than x86-64, for which there are none yet.

/// Calls one piece of machine code; the result is 0 but for [`Specimen::RedZone`].
type Call = unsafe extern "C" fn() -> u64;

/// A piece of machine code that a probe is tried on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Specimen {
    /// A `push`: emulated everywhere.
    Emulated,
    /// A `test`: executed out of line.
    Stepped,
    /// A four-byte nop: emulated by newer kernels, stepped by older ones.
    LongNop,
    /// A five-byte nop, for its price.
    FiveByteNop,
    /// A five-byte nop in a function that keeps a pattern in its red zone, -8(%rsp) to -64(%rsp), and gives back how many of those
    /// eight words were damaged.
    RedZone,
    /// A function that starts with a `push`, for the return trampoline.
    Return,
}

impl Specimen {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Emulated, Self::Stepped, Self::LongNop, Self::FiveByteNop, Self::RedZone, Self::Return];

    /// Its word in the talk between agent and child.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            Self::Stepped => "stepped",
            Self::LongNop => "long_nop",
            Self::FiveByteNop => "five_byte_nop",
            Self::RedZone => "red_zone",
            Self::Return => "return",
        }
    }

    /// The specimen of a word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|specimen| specimen.name() == name)
    }

    /// Runs it once.
    #[must_use]
    pub fn call(self) -> u64 {
        // SAFETY: each specimen is a function of no arguments in the C calling convention that touches nothing but registers
        // which a call may change and its own red zone.
        machine::code(self).map_or(0, |(call, _)| unsafe { call() })
    }

    /// Where in this process its probe belongs; `None` on a machine without specimens.
    #[must_use]
    pub fn address(self) -> Option<u64> {
        machine::code(self).map(|(_, probe)| probe as u64)
    }
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::{Call, Specimen};

    // Aligned, so that no instruction lies across a page: the kernel leaves a five-byte nop that does as it is, and the
    // self-test would see nothing.
    core::arch::global_asm!(
        r#"
        .pushsection .text.stain_specimens, "ax", @progbits
        .globl stain_specimen_emulated, stain_specimen_stepped, stain_specimen_long_nop, stain_specimen_five_byte_nop
        .globl stain_specimen_red_zone, stain_specimen_red_zone_nop, stain_specimen_return
        .hidden stain_specimen_emulated, stain_specimen_stepped, stain_specimen_long_nop, stain_specimen_five_byte_nop
        .hidden stain_specimen_red_zone, stain_specimen_red_zone_nop, stain_specimen_return

        .balign 256
        stain_specimen_emulated:
            push %rbp
            pop %rbp
            xor %eax, %eax
            ret

        .balign 64
        stain_specimen_stepped:
            test %rdi, %rdi
            xor %eax, %eax
            ret

        .balign 64
        stain_specimen_long_nop:
            .byte 0x0f, 0x1f, 0x40, 0x00
            xor %eax, %eax
            ret

        .balign 64
        stain_specimen_five_byte_nop:
            .byte 0x0f, 0x1f, 0x44, 0x00, 0x00
            xor %eax, %eax
            ret

        .balign 64
        stain_specimen_return:
            push %rbp
            pop %rbp
            xor %eax, %eax
            ret

        .balign 256
        stain_specimen_red_zone:
            movabs $0x57a15afe57a15a00, %rdx
            .irp place, -8, -16, -24, -32, -40, -48, -56, -64
            mov %rdx, \place(%rsp)
            inc %rdx
            .endr
        .balign 64, 0x90
        stain_specimen_red_zone_nop:
            .byte 0x0f, 0x1f, 0x44, 0x00, 0x00
            movabs $0x57a15afe57a15a00, %rdx
            xor %eax, %eax
            .irp place, -8, -16, -24, -32, -40, -48, -56, -64
            xor %ecx, %ecx
            cmp %rdx, \place(%rsp)
            setne %cl
            add %rcx, %rax
            inc %rdx
            .endr
            ret
        .popsection
        "#,
        options(att_syntax)
    );

    unsafe extern "C" {
        fn stain_specimen_emulated() -> u64;
        fn stain_specimen_stepped() -> u64;
        fn stain_specimen_long_nop() -> u64;
        fn stain_specimen_five_byte_nop() -> u64;
        fn stain_specimen_red_zone() -> u64;
        /// Not a function: the nop inside of the one above. Only its address is used.
        fn stain_specimen_red_zone_nop() -> u64;
        fn stain_specimen_return() -> u64;
    }

    /// What to call, and which instruction takes the probe.
    pub(super) fn code(specimen: Specimen) -> Option<(Call, *const ())> {
        let call: Call = match specimen {
            Specimen::Emulated => stain_specimen_emulated,
            Specimen::Stepped => stain_specimen_stepped,
            Specimen::LongNop => stain_specimen_long_nop,
            Specimen::FiveByteNop => stain_specimen_five_byte_nop,
            Specimen::RedZone => {
                let nop: Call = stain_specimen_red_zone_nop;
                return Some((stain_specimen_red_zone, nop as *const ()));
            }
            Specimen::Return => stain_specimen_return,
        };
        Some((call, call as *const ()))
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    use super::{Call, Specimen};

    pub(super) fn code(_: Specimen) -> Option<(Call, *const ())> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Specimen;

    #[test]
    fn names_are_inverse() {
        for specimen in Specimen::ALL {
            assert_eq!(Specimen::from_name(specimen.name()), Some(specimen));
        }
        assert_eq!(Specimen::from_name("nothing"), None);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn each_starts_with_the_instruction_that_it_stands_for() {
        for (specimen, bytes) in [
            (Specimen::Emulated, &[0x55][..]),
            (Specimen::Stepped, &[0x48, 0x85, 0xff]),
            (Specimen::LongNop, &[0x0f, 0x1f, 0x40, 0x00]),
            (Specimen::FiveByteNop, &[0x0f, 0x1f, 0x44, 0x00, 0x00]),
            (Specimen::RedZone, &[0x0f, 0x1f, 0x44, 0x00, 0x00]),
            (Specimen::Return, &[0x55]),
        ] {
            let address = specimen.address().unwrap();
            // SAFETY: the specimen's own code, which is longer than these bytes.
            let code = unsafe { std::slice::from_raw_parts(address as *const u8, bytes.len()) };
            assert_eq!(code, bytes, "{specimen:?}");
            assert!(address % 4096 <= 4096 - 5, "{specimen:?} lies across two pages");
        }
    }

    #[test]
    fn without_a_probe_nothing_is_damaged() {
        for specimen in Specimen::ALL {
            assert_eq!(specimen.call(), 0, "{specimen:?}");
        }
    }
}
