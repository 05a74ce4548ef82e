//! Which slots the source may write. Pure.

/// The slots that are not on lease.
#[derive(Debug)]
pub(super) struct FreeSlots {
    free: Vec<bool>,
    next: usize,
}

impl FreeSlots {
    pub(super) fn new(slots: u32) -> Self {
        Self {
            free: vec![true; slots as usize],
            next: 0,
        }
    }

    /// Takes the free slot that was written longest ago.
    pub(super) fn take(&mut self) -> Option<u32> {
        let count = self.free.len();
        let slot = (0..count)
            .map(|step| (self.next + step) % count)
            .find(|slot| self.free[*slot])?;
        self.free[slot] = false;
        self.next = (slot + 1) % count;
        Some(slot as u32)
    }

    /// Gives a slot back; numbers that make no sense change nothing.
    pub(super) fn release(&mut self, slot: u32) {
        if let Some(free) = self.free.get_mut(slot as usize) {
            *free = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leased_slot_is_not_given_twice() {
        let mut slots = FreeSlots::new(2);
        assert_eq!(slots.take(), Some(0));
        assert_eq!(slots.take(), Some(1));
        assert_eq!(slots.take(), None);
        slots.release(9);
        slots.release(1);
        assert_eq!(slots.take(), Some(1));
    }
}
