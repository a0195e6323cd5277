//! The table of keys in flight: which trace a key belongs to at the moment.
//!
//! A trace may have several keys. Each binding has a word of its own that never comes again, and whoever swaps that word for `ENDING` takes
//! the binding away: so an element that was freed and taken by another key is never mistaken.

use aya_ebpf::bindings::BPF_NOEXIST;
use profiler_common::limits::MAX_KEYS;
use profiler_common::{Binding, Config, Counter, Handle, Key, Outcome, SlotHeader};

use crate::count::count;
use crate::end;
use crate::maps::{BINDINGS, CONFIG, IN_FLIGHT, OPEN, SLOTS};
use crate::over::not_zero;
use crate::{atomic, marks, unseen};

/// Adds to a count in the header of a journey, wrapping; gives what it was.
macro_rules! add_to {
    ($journey:expr, $count:ident, $change:expr) => {{
        let header = $journey.header;
        // SAFETY: a field of a map value, 4-byte aligned by its layout.
        unsafe { $crate::atomic::fetch_add_u32(&raw mut (*header).$count, $change) }
    }};
}
pub(crate) use add_to;

/// A trace in flight.
#[derive(Clone, Copy)]
pub struct Journey {
    pub handle: Handle,
    pub header: *mut SlotHeader,
}

impl Journey {
    /// The journey of a handle, if it is still in flight.
    #[inline(always)]
    pub fn of(handle: u64) -> Option<Self> {
        let handle = Handle(handle);
        let header = SLOTS.get_ptr_mut(handle.slot())?;
        let journey = Self { handle, header };
        journey.is_alive().then_some(journey)
    }

    /// Whether it has not ended.
    #[inline(always)]
    pub fn is_alive(&self) -> bool {
        // SAFETY: a field of a map value, which changes once while it has this handle.
        unsafe { (&raw const (*self.header).life).read_volatile() == self.handle.0 }
    }

    /// One more way leads to the trace.
    #[inline(always)]
    pub fn hold(&self) {
        add_to!(self, live_keys, 1);
    }

    /// One way less leads to the trace. True when that was the last: it is for the caller, or the agent, to end it as superseded.
    #[inline(always)]
    pub fn let_go_quietly(&self) -> bool {
        add_to!(self, live_keys, u32::MAX) == 1
    }

    /// The same, and ends it.
    #[inline(always)]
    pub fn let_go(&self) {
        if self.let_go_quietly() {
            end::by_handle(self.handle.0, Outcome::Superseded.code());
        }
    }

    /// Whether this is still the record that began it: whether no record has passed unseen since that may have taken one of its keys over. If not, it ends here and
    /// now.
    #[inline(always)]
    pub fn is_sure(&self) -> bool {
        // SAFETY: a field of a map value.
        let foreign_keys = unsafe { (&raw const (*self.header).foreign_keys).read_volatile() };
        let sure = if foreign_keys == 0 {
            // SAFETY: a field of a map value, which does not change while the trace is in flight.
            unsafe { (*self.header).unseen == unseen::count(self.owner()) }
        } else {
            has_sure_keys(self.handle.0) != 0
        };
        if !sure {
            end::by_handle(self.handle.0, Outcome::SourceUnseen.code());
        }
        sure
    }

    /// The process of its first key, as keys have it.
    #[inline(always)]
    fn owner(&self) -> u32 {
        // SAFETY: fields of a map value, which do not change while the trace is in flight.
        unsafe { Key::new((*self.header).process, (*self.header).space, 0).process }
    }

    /// A key of another process than the first one's was given, or (`change` wraps) taken away.
    #[inline(always)]
    fn count_foreign(&self, key: Key, change: u32) {
        if key.process != self.owner() {
            add_to!(self, foreign_keys, change);
        }
    }
}

/// 1 if all keys that a trace has are as sure as when they were bound. Only of traces with keys of several owners: one of those that have a single owner knows it from
/// its header.
#[inline(never)]
fn has_sure_keys(handle: u64) -> u64 {
    let (Some(config), handle) = (CONFIG.get(0), Handle(handle)) else { return 0 };
    let mut doubtful = u64::from(config.zero);
    // Past the trace's own keys come those of the next slot, which bear another handle.
    for index in 0..MAX_KEYS {
        let Some(bound) = BINDINGS.get_ptr(place(config, handle, index)) else { break };
        // SAFETY: fields of a map value. The handle is written last, and taken off when the key is taken away.
        let (holder, process, unseen) =
            unsafe { ((&raw const (*bound).handle).read_volatile(), (*bound).key.process, (*bound).unseen) };
        let is_its_own = not_zero(holder ^ handle.0) ^ 1;
        doubtful |= is_its_own & not_zero(unseen ^ unseen::count(process));
    }
    doubtful ^ 1
}

/// A key's binding, as found.
struct Bound {
    journey: Journey,
    word: Binding,
    element: *mut u64,
}

/// Whether no trace is in flight.
#[inline(always)]
pub fn nothing_open() -> bool {
    // SAFETY: an element of an array map. A stage of a record in flight comes after its S0 in the target's own order, and
    // S0 raised the number before the target went on.
    OPEN.get_ptr(0).is_none_or(|open| unsafe { open.read_volatile() } == 0)
}

#[inline(always)]
fn place(config: &Config, handle: Handle, index: u32) -> u32 {
    handle.slot().wrapping_mul(config.max_keys).wrapping_add(index)
}

#[inline(always)]
fn look_up(config: &Config, key: Key) -> Option<Bound> {
    if nothing_open() || !marks::may_be_in_flight(key) {
        return None;
    }
    let element = IN_FLIGHT.get_ptr_mut(key)?;
    // SAFETY: an element of the hash map, 8-byte aligned. It may have been freed and taken by another key since the
    // look-up: the comparison of keys below tells.
    let word = Binding(unsafe { element.read_volatile() });
    if word == Binding::ENDING {
        return None;
    }
    let handle = word.handle();
    let bound = BINDINGS.get_ptr(place(config, handle, word.index()))?;
    let header = SLOTS.get_ptr_mut(handle.slot())?;
    // SAFETY: a slot whose handle was in flight during this run is not handed on before the run is over (grace period),
    // and neither its handle nor the key of a binding of it changes while it has this handle.
    let same = unsafe {
        let bound = &raw const (*bound).key;
        (*header).handle == handle.0
            && (*bound).value == key.value
            && (*bound).space == key.space
            && (*bound).process == key.process
    };
    same.then_some(Bound { journey: Journey { handle, header }, word, element })
}

/// The trace of a key that is in flight.
#[inline(always)]
pub fn find(config: &Config, key: Key) -> Option<Journey> {
    let bound = look_up(config, key)?;
    bound.journey.is_alive().then_some(bound.journey)
}

/// The same for a stage of the record, which ends the trace instead when it is not sure any more that this is the record.
#[inline(always)]
pub fn find_sure(config: &Config, key: Key) -> Option<Journey> {
    let journey = find(config, key)?;
    journey.is_sure().then_some(journey)
}

/// A record with this key is born: an older one that has it is dead, or has other keys by now. Takes the older binding away; a trace that
/// loses its last key ends as superseded.
#[inline(always)]
pub fn unbind(config: &Config, key: Key) {
    if let Some(bound) = look_up(config, key) {
        unbind_found(config, &bound, key);
    }
}

#[inline(always)]
fn unbind_found(config: &Config, bound: &Bound, key: Key) {
    // SAFETY: an element of the hash map, 8-byte aligned. If it was freed and taken by another key meanwhile it holds another word, since words are
    // never used twice, and the exchange fails.
    if !unsafe { atomic::compare_exchange(bound.element, bound.word.0, Binding::ENDING.0) } {
        return;
    }
    remove(key);
    // Before the trace is let go of: until then its slot is its own.
    if let Some(place) = BINDINGS.get_ptr_mut(place(config, bound.journey.handle, bound.word.index())) {
        // SAFETY: an aligned word of a map value. Having won the exchange, this program alone takes this binding away.
        unsafe { (&raw mut (*place).handle).write_volatile(0) };
    }
    bound.journey.count_foreign(key, u32::MAX);
    bound.journey.let_go();
}

/// Makes the first key of a trace findable: from then on it may be stamped and ended on any CPU. False when that cannot be done.
#[inline(always)]
pub fn publish(config: &Config, journey: &Journey, key: Key) -> bool {
    put(config, journey, key, 0)
}

/// Puts the key in flight as the trace's `index`-th, which is given once. False when it is just being taken away on another CPU, or the table is full.
#[inline(always)]
fn put(config: &Config, journey: &Journey, key: Key, index: u32) -> bool {
    let Some(bound) = BINDINGS.get_ptr_mut(place(config, journey.handle, index)) else { return false };
    // SAFETY: the place is this binding's alone: no index is given twice. The handle last.
    unsafe {
        (*bound).key = key;
        (*bound).unseen = unseen::count(key.process);
        (&raw mut (*bound).handle).write_volatile(journey.handle.0);
    }
    let word = Binding::new(journey.handle, index);
    marks::add(key);
    if IN_FLIGHT.insert(key, word.0, u64::from(BPF_NOEXIST)).is_err() {
        marks::take_off(key);
        // SAFETY: as above.
        unsafe { (&raw mut (*bound).handle).write_volatile(0) };
        return false;
    }
    // Whoever ended the trace meanwhile may not have seen this binding.
    if !journey.is_alive() {
        take_away(key, word);
    }
    true
}

/// Binds one more key to a trace, unless it has it already; an older binding of the key is taken away, also when there is no trace. The program of its
/// own stack for it: few hits come here.
#[inline(never)]
pub fn bind(handle: u64, key: &Key) -> u64 {
    let Some(config) = CONFIG.get(0) else { return 0 };
    let key = *key;
    if let Some(bound) = look_up(config, key) {
        if bound.journey.handle.0 == handle {
            return 0;
        }
        unbind_found(config, &bound, key);
    }
    let Some(journey) = Journey::of(handle).filter(|_| handle != 0) else { return 0 };
    let index = add_to!(journey, keys, 1);
    if index >= config.max_keys || index >= MAX_KEYS {
        return not_bound(&journey, Counter::KeysFull);
    }
    journey.hold();
    journey.count_foreign(key, 1);
    if !put(config, &journey, key, index) {
        journey.count_foreign(key, u32::MAX);
        journey.let_go();
        return not_bound(&journey, Counter::KeysRefused);
    }
    0
}

#[inline(always)]
fn not_bound(journey: &Journey, counter: Counter) -> u64 {
    add_to!(journey, keys_dropped, 1);
    count(counter);
    0
}

/// Takes one binding away, if it is still there.
#[inline(always)]
fn take_away(key: Key, word: Binding) {
    let Some(element) = IN_FLIGHT.get_ptr_mut(key) else { return };
    // SAFETY: an element of the hash map, 8-byte aligned; see `unbind_found`.
    if unsafe { atomic::compare_exchange(element, word.0, Binding::ENDING.0) } {
        remove(key);
    }
}

/// Removes the element of a key whose word the caller has just swapped for `ENDING`: nobody puts the key back while it reads so, so that this removes
/// that very element.
#[inline(always)]
fn remove(key: Key) {
    let _ = IN_FLIGHT.remove(key);
    marks::take_off(key);
}

/// Takes all bindings of a trace that has ended away.
#[inline(never)]
pub fn release(handle: u64) -> u64 {
    let handle = Handle(handle);
    let (Some(config), Some(header)) = (CONFIG.get(0), SLOTS.get_ptr_mut(handle.slot())) else { return 0 };
    // SAFETY: a field of a map value. Read after the trace was ended: whoever binds a key later looks whether it was.
    let keys = unsafe { (&raw const (*header).keys).read_volatile() };
    for index in 0..MAX_KEYS {
        if index >= keys || index >= config.max_keys {
            break;
        }
        let Some(bound) = BINDINGS.get_ptr(place(config, handle, index)) else { break };
        // SAFETY: a field of a map value that does not change while the slot has this handle.
        let key = unsafe { (*bound).key };
        take_away(key, Binding::new(handle, index));
    }
    0
}
