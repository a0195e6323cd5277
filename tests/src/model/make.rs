//! Random scripts.
//!
//! Owns: which steps may follow each other. All of them may, but a thread cannot return from more calls than it is in, a record comes into a batch once, and
//! at the end all calls are returned from.

use super::step::flaw;
use super::{Code, Model, Refusal, Step};
use crate::dice::Dice;

/// How often each kind of step comes; a thread ends now and then in all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// All kinds, evenly.
    Even,
    /// Mostly scopes, calls and branches.
    Scopes,
    /// Mostly batches.
    Batches,
    /// Mostly keys that come and go.
    Keys,
}

impl Mix {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Even, Self::Scopes, Self::Batches, Self::Keys];

    fn weight(self, code: Code) -> u64 {
        let scopes = matches!(
            code,
            Code::Fork
                | Code::Open
                | Code::Close
                | Code::Call
                | Code::KeepCall
                | Code::Return
                | Code::Leave
                | Code::Note
                | Code::Done
        );
        let batches = matches!(code, Code::Add | Code::Merge | Code::Seal | Code::Flush);
        let keys = matches!(code, Code::Alias | Code::Node | Code::NodeWrite | Code::Take | Code::Put);
        let favoured = match self {
            Self::Even => false,
            Self::Scopes => scopes,
            Self::Batches => batches,
            Self::Keys => keys,
        };
        let base = match code {
            Code::Die | Code::Halt => return 1,
            Code::Emit => 12,
            Code::Add => 6,
            Code::Merge | Code::Flush | Code::Leave | Code::PlainCall => 1,
            Code::Write | Code::Free | Code::Error | Code::NodeWrite | Code::Seal => 1,
            Code::Return => 5,
            _ => 3,
        };
        if favoured { base * 40 } else { base * 10 }
    }
}

trait Codes {
    fn code(&mut self, mix: Mix) -> Code;
}

impl Codes for Dice {
    fn code(&mut self, mix: Mix) -> Code {
        let total: u64 = Code::ALL.iter().map(|code| mix.weight(*code)).sum();
        let mut left = self.below(total);
        for code in Code::ALL {
            match left.checked_sub(mix.weight(code)) {
                Some(less) => left = less,
                None => return code,
            }
        }
        Code::Emit
    }
}

/// Steps of one mix before it is the next one's turn.
const TURN_STEPS: usize = 1000;

/// Calls that one thread may be in: more than there is room for scopes.
const DEEPEST: usize = 11;

/// So many steps on as many threads as the model has, and the returns from all calls. The mixes take turns. The model has done them all.
pub fn script(seed: u64, length: usize, mixes: &[Mix], model: &mut Model) -> Vec<Step> {
    let mut dice = Dice(seed);
    let threads = model.threads.len() as u64;
    let mut thread = 0;
    let mut steps = Vec::with_capacity(length);
    let mut names = Names::default();
    while steps.len() < length {
        let turn = steps.len() / TURN_STEPS % mixes.len().max(1);
        let mix = mixes.get(turn).copied().unwrap_or(Mix::Even);
        // Mostly the same thread: a change costs the target a switch.
        if dice.below(4) == 0 {
            thread = dice.below(threads) as u32;
        }
        let (code, object, second) = (dice.code(mix), dice.below(10) as u32, dice.below(10) as u32);
        let step = odd(Step::new(thread, code, object, second), model, &mut dice);
        let step = Step { name: names.of(&step, model, &mut dice), ..step };
        if let Some(step) = possible(step, model, &mut dice) {
            names.note(&step);
            model.step(&step);
            steps.push(step);
        }
    }
    for thread in 0..threads as u32 {
        while !model.thread(thread).calls.is_empty() {
            let step = Step::new(thread, Code::Return, 0, 0);
            model.step(&step);
            steps.push(step);
        }
    }
    steps
}

/// Where keys decide: the names that rows were given lately.
#[derive(Default)]
struct Names(Vec<u32>);

impl Names {
    /// How many are remembered.
    const KEPT: usize = 16;

    /// What a row is named from a step on; 0: as before. A record that is new has a new name most of the time; now and then a row has one that another has, or had.
    fn of(&self, step: &Step, model: &Model, dice: &mut Dice) -> u32 {
        let is_new = matches!(step.code, Code::Emit | Code::Fork);
        if model.manner.by_key.is_none() || !step.code.is_of_row() || !is_new && dice.below(12) > 0 {
            return 0;
        }
        let sides = if is_new { 4 * Self::KEPT } else { Self::KEPT };
        match self.0.get(dice.below(sides as u64) as usize) {
            Some(known) => *known,
            // The number of the step, from 1.
            None if is_new => model.now as u32 + 1,
            None => 0,
        }
    }

    fn note(&mut self, step: &Step) {
        if step.name != 0 && !self.0.contains(&step.name) {
            self.0.insert(0, step.name);
            self.0.truncate(Self::KEPT);
        }
    }
}

/// The step with whatever value, and with what cannot be read now and then.
fn odd(step: Step, model: &Model, dice: &mut Dice) -> Step {
    let value = dice.below(8) as u32;
    let possible = model.manner.possible_flaws(step.code);
    if !model.manner.flaws || possible.is_empty() || dice.below(20) > 0 {
        return Step { value, ..step };
    }
    let flaws = possible.get(dice.below(possible.len() as u64) as usize).copied().unwrap_or(0);
    // Few of those after which no journey is sure.
    let is_far =
        dice.below(if matches!(step.code, Code::Emit | Code::Fork | Code::Alias) { 12 } else { 2 }) == 0;
    Step { value, flaws: flaws | if is_far { flaw::FAR } else { 0 }, ..step }
}

fn possible(step: Step, model: &mut Model, dice: &mut Dice) -> Option<Step> {
    let calls = model.thread(step.thread).calls.len();
    let is_possible = match step.code {
        Code::Call | Code::KeepCall | Code::PlainCall => calls < DEEPEST,
        Code::Return => calls > 0,
        Code::Leave => {
            let object = 1 + dice.below(calls.min(3) as u64) as u32;
            return (calls > 0).then_some(Step { object, ..step });
        }
        Code::Add => !model.was_in_batch(&step),
        Code::Merge => step.object != step.second && !model.have_met(&step),
        // Paused for a shorter time than not.
        Code::Halt => model.manner.refusal == Refusal::Paused && (model.is_paused || dice.below(2) == 0),
        _ => true,
    };
    is_possible.then_some(step)
}
