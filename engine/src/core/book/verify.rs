//! Everything that must hold between two commands, checked the slow way: for tests and the soak run.

use super::ladder::{SideId, is_displayed};
use super::{Books, SMALL_AGAIN, SMALL_MAX};

impl Books {
    /// Checks one side and returns how many orders, levels it has.
    ///
    /// # Errors
    /// The first broken law, in words.
    pub(crate) fn verify_side(&self, side: SideId) -> Result<(u32, u32), String> {
        let at = self.side(side);
        let (best_key, best_level) = self.ladder.best(self.roots.at(side as usize), side);
        if at.is_small() != self.roots.at(side as usize).is_empty() {
            return Err(format!("side {side}: small and on pages, or neither"));
        }
        if !at.is_small() && (best_key, best_level) != (at.best_key(), at.best_level()) {
            return Err(format!("side {side}: best key {} is cached, the ladder has {best_key}", at.best_key()));
        }
        let (mut orders, mut levels, mut last) = (0, 0, u32::MAX);
        for (key, level) in self.levels(side) {
            if key >= last {
                return Err(format!("side {side}: key {key} after {last}"));
            }
            if self.ladder.level(side, key) != (!at.is_small()).then_some(level) {
                return Err(format!("side {side}: level {key} is linked, and not found"));
            }
            self.verify_fifo(side, key, level)?;
            orders += self.slab.node(level).orders();
            levels += 1;
            last = key;
        }
        if levels != at.levels
            || at.is_small() && levels as usize > SMALL_MAX
            || !at.is_small() && levels <= SMALL_AGAIN
        {
            return Err(format!("side {side}: {} levels are counted, found {levels}", at.levels));
        }
        for slot in self.parked(side) {
            if self.key_of_order(slot) != super::PARKED {
                return Err(format!("order {slot} waits beside the book, and is at key {}", self.key_of_order(slot)));
            }
            orders += 1;
        }
        let worst = self.worst(side);
        if worst != if levels == 0 { 0 } else { last } {
            return Err(format!("side {side}: worst key is {worst}, the last level has {last}"));
        }
        Ok((orders, levels))
    }

    fn verify_fifo(&self, side: SideId, key: u32, slot: u32) -> Result<(), String> {
        let level = self.slab.node(slot);
        if level.side() != side || level.key() != key {
            return Err(format!("level {slot}: says side {} key {}, found at {side} {key}", level.side(), level.key()));
        }
        let (mut count, mut total, mut prev) = (0, 0, slot);
        for order_slot in self.fifo(slot) {
            let order = self.slab.node(order_slot);
            if order.prev != prev || order.level != slot {
                return Err(format!("order {order_slot}: links back to {}, level {}", order.prev, order.level));
            }
            if order.leaves == 0 && !order.flags().special() {
                return Err(format!("order {order_slot}: rests with nothing open"));
            }
            if order.flags().shown() != is_displayed(key) {
                return Err(format!("order {order_slot}: displayed and hidden are mixed"));
            }
            count += 1;
            total += u64::from(order.leaves);
            prev = order_slot;
        }
        if count == 0 || level.prev != prev || level.orders() != count || level.total() != total {
            return Err(format!(
                "level {slot}: last {} count {} total {}, found {prev} {count} {total}",
                level.prev,
                level.orders(),
                level.total()
            ));
        }
        Ok(())
    }
}
