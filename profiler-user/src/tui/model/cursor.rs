//! What is chosen in a list that changes under the eyes: the thing itself, not its place.

/// A choice. `None`: the first of the list, whatever that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor<Id> {
    chosen: Option<Id>,
}

impl<Id> Default for Cursor<Id> {
    fn default() -> Self {
        Self { chosen: None }
    }
}

/// A way through a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// So many down; up if negative.
    By(isize),
    /// To the first.
    First,
    /// To the last.
    Last,
    /// To this place.
    To(usize),
}

impl<Id: Copy + PartialEq> Cursor<Id> {
    /// Where the chosen one stands; the first, if it has left the list.
    #[must_use]
    pub fn place(&self, list: &[Id]) -> usize {
        self.chosen.and_then(|chosen| list.iter().position(|id| *id == chosen)).unwrap_or(0)
    }

    /// The chosen one; `None` of an empty list.
    #[must_use]
    pub fn get(&self, list: &[Id]) -> Option<Id> {
        list.get(self.place(list)).copied()
    }

    /// Goes elsewhere, no further than the ends.
    pub fn go(&mut self, to: Move, list: &[Id]) {
        let last = list.len().saturating_sub(1);
        let place = match to {
            Move::By(by) => self.place(list).saturating_add_signed(by).min(last),
            Move::First => 0,
            Move::Last => last,
            Move::To(place) => place.min(last),
        };
        // At the top it stays on top, whatever comes in there.
        self.chosen = if place == 0 { None } else { list.get(place).copied() };
    }

    /// Chooses this one.
    pub fn choose(&mut self, id: Id) {
        self.chosen = Some(id);
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Move};

    #[test]
    fn follows_what_is_chosen_and_stays_on_top() {
        let mut cursor = Cursor::default();
        assert_eq!((cursor.get(&[5, 6, 7]), cursor.get(&[] as &[i32])), (Some(5), None));
        assert_eq!(cursor.get(&[4, 5, 6]), Some(4));
        cursor.go(Move::By(1), &[5, 6, 7]);
        assert_eq!((cursor.get(&[5, 6, 7]), cursor.place(&[9, 8, 5, 6])), (Some(6), 3));
        assert_eq!(cursor.get(&[9, 8]), Some(9));
        for (to, chosen) in [
            (Move::By(-5), 5),
            (Move::By(99), 7),
            (Move::First, 5),
            (Move::Last, 7),
            (Move::To(1), 6),
            (Move::To(9), 7),
        ] {
            cursor.go(to, &[5, 6, 7]);
            assert_eq!(cursor.get(&[5, 6, 7]), Some(chosen), "{to:?}");
        }
        cursor.choose(6);
        assert_eq!(cursor.get(&[5, 6, 7]), Some(6));
    }
}
