//! From a key expression to the recipe that the kernel program follows.

use profiler_common::limits::{MAX_COMPARISONS, MAX_STEPS, SAVED_ARGS};
use profiler_common::{Base, KeyRecipe, Step, Value};

use super::insn::RegSet;
use crate::spec::Expr;
use crate::symbol::Arch;

/// Where a function finds its arguments and leaves its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// C, C++ and Rust on x86-64.
    SystemV,
    /// Go 1.17 and later on x86-64.
    GoX86,
    /// C, C++, Rust and Go on aarch64.
    Aarch64,
}

impl Abi {
    /// The ABI of a file's functions.
    #[must_use]
    pub const fn of(arch: Arch, go: bool) -> Self {
        match (arch, go) {
            (Arch::X86_64, false) => Self::SystemV,
            (Arch::X86_64, true) => Self::GoX86,
            (Arch::Aarch64, _) => Self::Aarch64,
        }
    }

    const fn registers(self) -> [u8; SAVED_ARGS] {
        match self {
            Self::SystemV => [7, 6, 2, 1, 8, 9],
            Self::GoX86 => [0, 3, 1, 7, 6, 8],
            Self::Aarch64 => [0, 1, 2, 3, 4, 5],
        }
    }

    /// The register of an argument.
    #[must_use]
    pub fn argument(self, index: u8) -> Option<u8> {
        self.registers().get(usize::from(index)).copied()
    }
}

/// When the recipe is followed, seen from the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before anything has happened to the arguments, or at an instruction of the user's choice.
    Entry,
    /// At the return, with the arguments as the entry saved them.
    Return,
}

/// Why an expression has no recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// More steps than the kernel program follows.
    #[error("it needs more than {MAX_STEPS} steps; dereference less deeply")]
    TooDeep,
    /// An argument that is not in a register.
    #[error("arg{index} is not passed in a register here; use arg0 to arg{}", SAVED_ARGS - 1)]
    NoRegister {
        /// Its index.
        index: u8,
    },
    /// `ret` where the function has not returned.
    #[error("`ret` is only known at a return; write the point as `function%return`")]
    NotAtReturn,
    /// An offset beyond 32 bits.
    #[error("the offset {0} does not fit into 32 bits")]
    OffsetTooLarge(i64),
    /// `bytes(..)` within another expression.
    #[error("`bytes(..)` can only be the whole key, not a part of an expression or a task id")]
    NestedBytes,
    /// A width that is no integer's.
    #[error("a value has 1, 2, 4 or 8 bytes, not {0}")]
    Width(u8),
    /// More comparisons than the kernel program evaluates.
    #[error("it takes more than {MAX_COMPARISONS} comparisons; write a simpler one")]
    TooManyComparisons,
    /// The same for every record.
    #[error("a constant would identify every record; use an argument, a value behind one, or `thread`")]
    Constant,
}

/// What an expression uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Arguments, by index.
    pub arguments: u8,
    /// Memory.
    pub memory: bool,
}

impl Uses {
    /// What an expression uses.
    #[must_use]
    pub fn of(expr: &Expr) -> Self {
        match expr {
            Expr::Arg(index) => Self { arguments: 1 << (index & 7), memory: false },
            Expr::Ret | Expr::Thread | Expr::Constant(_) => Self::default(),
            Expr::Add(inner, _) | Expr::Cast { value: inner, .. } => Self::of(inner),
            Expr::Deref { address, .. } => Self { memory: true, ..Self::of(address) },
            Expr::Bytes { pointer, len } => Self { memory: true, ..Self::of(pointer).with(Self::of(len)) },
        }
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self { arguments: self.arguments | other.arguments, memory: self.memory || other.memory }
    }

    /// The registers of the arguments.
    #[must_use]
    pub fn registers(self, abi: Abi) -> RegSet {
        (0..8)
            .filter(|index| self.arguments >> index & 1 == 1)
            .filter_map(|index| abi.argument(index))
            .fold(RegSet::EMPTY, |set, number| set.with(RegSet::of(number)))
    }
}

/// The recipe of a record key.
pub fn key(expr: &Expr, abi: Abi, moment: Moment) -> Result<KeyRecipe, RecipeError> {
    let recipe = match expr {
        Expr::Bytes { pointer, len } => {
            KeyRecipe::bytes(value(pointer, abi, moment)?, value(len, abi, moment)?)
        }
        _ => KeyRecipe::value(value(expr, abi, moment)?),
    };
    let reads = recipe.kind == KeyRecipe::BYTES || reads(&recipe.value);
    if recipe.value.base == Base::Constant.code() && !reads {
        return Err(RecipeError::Constant);
    }
    Ok(recipe)
}

/// Whether a value's recipe reads memory.
#[must_use]
pub fn reads(value: &Value) -> bool {
    value.step.iter().take(usize::from(value.steps)).any(|step| step.width > 0 && step.cast == 0)
}

/// The recipe of one value.
pub fn value(expr: &Expr, abi: Abi, moment: Moment) -> Result<Value, RecipeError> {
    match expr {
        Expr::Arg(index) => {
            let register = abi.argument(*index).ok_or(RecipeError::NoRegister { index: *index })?;
            Ok(Value::of(match moment {
                Moment::Entry => Base::Register(register),
                Moment::Return => Base::SavedArg(*index),
            }))
        }
        Expr::Ret if moment == Moment::Return => Ok(Value::of(Base::Register(0))),
        Expr::Ret => Err(RecipeError::NotAtReturn),
        Expr::Thread => Ok(Value::of(Base::Thread)),
        Expr::Constant(constant) => Ok(Value::constant(*constant)),
        Expr::Add(inner, offset) => add(value(inner, abi, moment)?, *offset),
        Expr::Deref { width, signed, address } => {
            if !matches!(width, 1 | 2 | 4 | 8) {
                return Err(RecipeError::Width(*width));
            }
            narrow(value(address, abi, moment)?, *width, *signed, false)
        }
        // All 64 bits of a value are the value.
        Expr::Cast { width: 8, value: inner, .. } => value(inner, abi, moment),
        Expr::Cast { width, signed, value: inner } => {
            if !matches!(width, 1 | 2 | 4) {
                return Err(RecipeError::Width(*width));
            }
            narrow(value(inner, abi, moment)?, *width, *signed, true)
        }
        Expr::Bytes { .. } => Err(RecipeError::NestedBytes),
    }
}

/// The step at the end of a value that only adds, if there is one.
fn last_addition(value: &mut Value) -> Option<&mut Step> {
    let last = usize::from(value.steps).checked_sub(1)?;
    value.step.get_mut(last).filter(|step| step.width == 0)
}

fn add(mut value: Value, offset: i64) -> Result<Value, RecipeError> {
    if value.base == Base::Constant.code() && value.steps == 0 {
        return Ok(Value::constant(value.constant.wrapping_add_signed(offset)));
    }
    let fits = |offset: i64| i32::try_from(offset).map_err(|_| RecipeError::OffsetTooLarge(offset));
    if offset == 0 {
        return Ok(value);
    }
    if let Some(step) = last_addition(&mut value) {
        step.offset = fits(i64::from(step.offset).saturating_add(offset))?;
        return Ok(value);
    }
    value.then(Step { offset: fits(offset)?, ..Step::default() }).ok_or(RecipeError::TooDeep)
}

/// Memory of this width at the value, or, for a cast, the value itself in this width.
fn narrow(mut value: Value, width: u8, signed: bool, cast: bool) -> Result<Value, RecipeError> {
    // A 64-bit value has nothing to extend.
    let signed = u8::from(signed && width < 8);
    if let Some(step) = last_addition(&mut value) {
        (step.width, step.signed, step.cast) = (width, signed, u16::from(cast));
        return Ok(value);
    }
    value.then(Step { width, signed, cast: u16::from(cast), ..Step::default() }).ok_or(RecipeError::TooDeep)
}

/// The recipe as a reader of the spec would write it, with registers named.
#[must_use]
pub fn describe_key(recipe: &KeyRecipe, arch: Arch) -> String {
    if recipe.kind == KeyRecipe::BYTES {
        format!("bytes({}, {})", describe(&recipe.value, arch), describe(&recipe.len, arch))
    } else {
        describe(&recipe.value, arch)
    }
}

/// The same for one value.
#[must_use]
pub fn describe(value: &Value, arch: Arch) -> String {
    let base = match Base::from_code(value.base) {
        Some(Base::Register(number)) => register_name(number, arch),
        Some(Base::SavedArg(index)) => format!("entry arg{index}"),
        Some(Base::Thread) => "thread".to_owned(),
        Some(Base::Constant) => format!("{:#x}", value.constant),
        None => "?".to_owned(),
    };
    value.step.iter().take(usize::from(value.steps)).fold(base, |inner, step| {
        let sum = match step.offset {
            0 => inner,
            offset => format!("{inner}{offset:+}"),
        };
        let sign = if step.signed == 1 { 'i' } else { 'u' };
        let compound = sum.contains(['+', '-', ' ']) && !sum.starts_with('*') || step.offset != 0;
        match (step.width, compound) {
            (0, _) => sum,
            (width, _) if step.cast != 0 => format!("({sign}{})({sum})", u32::from(width) * 8),
            (width, true) => format!("*({sign}{}*)({sum})", u32::from(width) * 8),
            (width, false) => format!("*({sign}{}*){sum}", u32::from(width) * 8),
        }
    })
}

fn register_name(number: u8, arch: Arch) -> String {
    const X86: [&str; 8] = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
    match (arch, X86.get(usize::from(number))) {
        (Arch::X86_64, Some(name)) => (*name).to_owned(),
        (Arch::X86_64, None) => format!("r{number}"),
        (Arch::Aarch64, _) => format!("x{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Abi, Moment, RecipeError, describe_key, key};
    use crate::spec::Expr;
    use crate::symbol::Arch;

    fn add(inner: Expr, offset: i64) -> Expr {
        Expr::Add(Box::new(inner), offset)
    }

    fn deref(width: u8, signed: bool, address: Expr) -> Expr {
        Expr::Deref { width, signed, address: Box::new(address) }
    }

    fn cast(width: u8, signed: bool, value: Expr) -> Expr {
        Expr::Cast { width, signed, value: Box::new(value) }
    }

    fn bytes(pointer: Expr, len: Expr) -> Expr {
        Expr::Bytes { pointer: Box::new(pointer), len: Box::new(len) }
    }

    fn shown(expr: &Expr, abi: Abi, moment: Moment) -> Result<String, RecipeError> {
        let arch = if abi == Abi::Aarch64 { Arch::Aarch64 } else { Arch::X86_64 };
        key(expr, abi, moment).map(|recipe| describe_key(&recipe, arch))
    }

    #[test]
    fn expressions_become_recipes() {
        use Abi::{Aarch64, GoX86, SystemV};
        use Moment::{Entry, Return};
        let nested = deref(4, true, add(deref(8, false, add(Expr::Arg(1), 8)), -16));
        for (expr, abi, moment, expected) in [
            (Expr::Arg(0), SystemV, Entry, "rdi"),
            (Expr::Arg(5), SystemV, Entry, "r9"),
            (Expr::Arg(0), GoX86, Entry, "rax"),
            (Expr::Arg(5), Aarch64, Entry, "x5"),
            (Expr::Arg(2), SystemV, Return, "entry arg2"),
            (Expr::Ret, SystemV, Return, "rax"),
            (Expr::Thread, SystemV, Entry, "thread"),
            (add(add(Expr::Arg(0), 8), 16), SystemV, Entry, "rdi+24"),
            (add(Expr::Arg(0), 0), SystemV, Entry, "rdi"),
            (deref(8, false, Expr::Arg(1)), SystemV, Entry, "*(u64*)rsi"),
            (nested, SystemV, Entry, "*(i32*)(*(u64*)(rsi+8)-16)"),
            (deref(8, false, add(Expr::Constant(0x1000), 8)), SystemV, Entry, "*(u64*)0x1008"),
            (cast(4, true, add(Expr::Ret, 1)), SystemV, Return, "(i32)(rax+1)"),
            (deref(8, false, cast(2, false, Expr::Arg(0))), SystemV, Entry, "*(u64*)(u16)(rdi)"),
            (cast(8, true, Expr::Arg(0)), SystemV, Entry, "rdi"),
            (bytes(Expr::Arg(0), Expr::Arg(1)), SystemV, Entry, "bytes(rdi, rsi)"),
            (bytes(Expr::Arg(0), Expr::Constant(16)), SystemV, Entry, "bytes(rdi, 0x10)"),
        ] {
            assert_eq!(shown(&expr, abi, moment).as_deref(), Ok(expected), "{expr:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let deep = (0..9).fold(Expr::Arg(0), |inner, _| deref(8, false, inner));
        for (expr, error) in [
            (deep, RecipeError::TooDeep),
            (Expr::Arg(6), RecipeError::NoRegister { index: 6 }),
            (Expr::Ret, RecipeError::NotAtReturn),
            (add(Expr::Arg(0), 1 << 40), RecipeError::OffsetTooLarge(1 << 40)),
            (add(bytes(Expr::Arg(0), Expr::Constant(4)), 1), RecipeError::NestedBytes),
            (deref(3, false, Expr::Arg(0)), RecipeError::Width(3)),
            (cast(4, false, Expr::Constant(1)), RecipeError::Constant),
            (add(Expr::Constant(1), 1), RecipeError::Constant),
        ] {
            assert_eq!(shown(&expr, Abi::SystemV, Moment::Entry), Err(error), "{expr:?}");
        }
    }

    #[test]
    fn eight_dereferences_fit() {
        let expr = (0..8).fold(Expr::Arg(0), |inner, _| deref(8, false, add(inner, 8)));
        assert!(key(&expr, Abi::SystemV, Moment::Entry).is_ok());
    }
}
