//! Everything that must hold between two commands, checked the slow way: for tests and the soak run.

use super::Books;
use super::ladder::SideId;

impl Books {
    /// Checks one side and returns how many orders, levels it has.
    ///
    /// # Errors
    /// The first broken law, in words.
    pub(crate) fn verify_side(&self, side: SideId) -> Result<(u32, u32), String> {
        let at = self.side(side);
        let best = self.ladder.best(&at.root, side);
        if best != at.best_key {
            return Err(format!("side {side}: best key {} is cached, the ladder has {best}", at.best_key));
        }
        let (mut orders, mut levels, mut last) = (0, 0, u32::MAX);
        for (key, level) in self.levels(side) {
            if key >= last {
                return Err(format!("side {side}: key {key} after {last}"));
            }
            if levels == 1 && at.second_key != 0 && (at.second_key, at.second_level) != (key, level) {
                return Err(format!("side {side}: second key {} is cached, found {key}", at.second_key));
            }
            let found = self.slab.node(level).orders() + self.slab.node(level | 1).orders();
            if found == 0 {
                return Err(format!("side {side}: level {key} is empty"));
            }
            for half in [level, level | 1] {
                self.verify_fifo(side, key, half)?;
            }
            orders += found;
            levels += 1;
            last = key;
        }
        if levels < 2 && at.second_key != 0 {
            return Err(format!("side {side}: a second level is cached, there is none"));
        }
        Ok((orders, levels))
    }

    fn verify_fifo(&self, side: SideId, key: u32, sentinel: u32) -> Result<(), String> {
        let level = self.slab.node(sentinel);
        if level.side() != side || level.key() != key {
            return Err(format!(
                "level {sentinel}: says side {} key {}, found at {side} {key}",
                level.side(),
                level.key()
            ));
        }
        let (mut count, mut total, mut prev) = (0, 0, sentinel);
        for slot in self.fifo(sentinel) {
            let order = self.slab.node(slot);
            if order.prev != prev || order.level != sentinel {
                return Err(format!("order {slot}: links back to {}, level {}", order.prev, order.level));
            }
            if order.leaves == 0 {
                return Err(format!("order {slot}: rests with nothing open"));
            }
            if order.flags().shown() != (sentinel & 1 == 0) {
                return Err(format!("order {slot}: displayed and hidden are mixed"));
            }
            count += 1;
            total += u64::from(order.leaves);
            prev = slot;
        }
        if level.prev != prev || level.orders() != count || level.total() != total {
            return Err(format!(
                "level {sentinel}: last {} count {} total {}, found {prev} {count} {total}",
                level.prev,
                level.orders(),
                level.total()
            ));
        }
        Ok(())
    }
}
