//! Who is who: symbols to instruments on the hot path, login names to accounts on the cold one.

use protocol::{AccountId, AccountName, InstrumentId, Symbol};

/// Instruments by symbol and by index. A lookup by symbol is one multiplication and, mostly, one probe.
#[derive(Debug, Default)]
pub(crate) struct Instruments {
    /// Open addressing, a power of two of slots, at most half of them taken; index 0 marks a free one.
    slots: Vec<(u64, InstrumentId)>,
    /// By index; index 0 is unused.
    symbols: Vec<Symbol>,
    count: usize,
}

impl Instruments {
    /// Adds an instrument; one that is known keeps its place.
    pub(crate) fn insert(&mut self, instrument: InstrumentId, symbol: Symbol) {
        let index = usize::from(instrument.0);
        if self.symbols.len() <= index {
            self.symbols.resize(index + 1, Symbol::BLANK);
        }
        if let Some(slot) = self.symbols.get_mut(index) {
            *slot = symbol;
        }
        if self.by_symbol(symbol).is_none() {
            if (self.count + 1) * 2 > self.slots.len() {
                self.grow();
            }
            self.place(key(symbol), instrument);
        }
    }

    /// The instrument of this name.
    #[inline]
    pub(crate) fn by_symbol(&self, symbol: Symbol) -> Option<InstrumentId> {
        let wanted = key(symbol);
        let mut index = self.home(wanted)?;
        loop {
            match self.slots.get(index) {
                Some((_, InstrumentId(0))) | None => return None,
                Some((found, instrument)) if *found == wanted => return Some(*instrument),
                Some(_) => index = (index + 1) & (self.slots.len() - 1),
            }
        }
    }

    /// The name of an instrument; blank when it has none.
    #[inline]
    pub(crate) fn symbol(&self, instrument: InstrumentId) -> Symbol {
        self.symbols.get(usize::from(instrument.0)).copied().unwrap_or(Symbol::BLANK)
    }

    /// Where the search for a key starts; `None` while the table is empty.
    #[inline]
    fn home(&self, key: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        // Fibonacci hashing: the upper bits of the product depend on all bits of the key.
        let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        usize::try_from(hash).ok().map(|hash| hash & mask)
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![(0, InstrumentId(0)); slots]);
        self.count = 0;
        for (key, instrument) in old.into_iter().filter(|(_, instrument)| instrument.0 != 0) {
            self.place(key, instrument);
        }
    }

    fn place(&mut self, key: u64, instrument: InstrumentId) {
        let Some(mut index) = self.home(key) else { return };
        while self.slots.get(index).is_some_and(|(_, taken)| taken.0 != 0) {
            index = (index + 1) & (self.slots.len() - 1);
        }
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = (key, instrument);
            self.count += 1;
        }
    }
}

fn key(symbol: Symbol) -> u64 {
    u64::from_be_bytes(symbol.0)
}

/// A login name as it is compared: without padding, in capitals, padded on the right.
pub(crate) fn canonical_name(text: &[u8]) -> AccountName {
    let mut name = AccountName::BLANK;
    for (to, from) in name.0.iter_mut().zip(protocol::soupbin::trim(text)) {
        *to = from.to_ascii_uppercase();
    }
    name
}

/// Accounts by login name.
#[derive(Debug, Default)]
pub(crate) struct AccountNames {
    sorted: Vec<(AccountName, AccountId)>,
}

impl AccountNames {
    pub(crate) fn insert(&mut self, name: AccountName, account: AccountId) {
        let name = canonical_name(&name.0);
        let place = self.sorted.partition_point(|(known, _)| *known < name);
        self.sorted.insert(place, (name, account));
    }

    /// `name` must be canonical.
    pub(crate) fn find(&self, name: AccountName) -> Option<AccountId> {
        let place = self.sorted.binary_search_by(|(known, _)| known.cmp(&name)).ok()?;
        self.sorted.get(place).map(|(_, account)| *account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_symbol_is_found_and_no_other() {
        let mut instruments = Instruments::default();
        assert_eq!(instruments.by_symbol(Symbol(*b"AAPL    ")), None);
        let name = |n: u16| Symbol::from_text(&format!("S{n}")).unwrap();
        for n in 1..=5000 {
            instruments.insert(InstrumentId(n), name(n));
        }
        for n in 1..=5000 {
            assert_eq!(instruments.by_symbol(name(n)), Some(InstrumentId(n)));
            assert_eq!(instruments.symbol(InstrumentId(n)), name(n));
        }
        assert_eq!(instruments.by_symbol(name(5001)), None);
        assert_eq!(instruments.symbol(InstrumentId(5001)), Symbol::BLANK);
        assert_eq!(instruments.symbol(InstrumentId(0)), Symbol::BLANK);
    }

    #[test]
    fn a_symbol_listed_twice_keeps_its_first_instrument() {
        let mut instruments = Instruments::default();
        instruments.insert(InstrumentId(1), Symbol(*b"AAPL    "));
        instruments.insert(InstrumentId(1), Symbol(*b"AAPL    "));
        assert_eq!(instruments.by_symbol(Symbol(*b"AAPL    ")), Some(InstrumentId(1)));
        assert_eq!(instruments.count, 1);
    }

    #[test]
    fn names_are_found_whatever_their_case_and_padding() {
        let mut names = AccountNames::default();
        names.insert(AccountName(*b"DEMO02"), AccountId(1));
        names.insert(AccountName(*b"demo01"), AccountId(0));
        names.insert(AccountName(*b"BOT   "), AccountId(2));
        assert_eq!(names.find(canonical_name(b"Demo01")), Some(AccountId(0)));
        assert_eq!(names.find(canonical_name(b"DEMO02")), Some(AccountId(1)));
        assert_eq!(names.find(canonical_name(b"   bot")), Some(AccountId(2)));
        assert_eq!(names.find(canonical_name(b"bo")), None);
        assert_eq!(names.find(canonical_name(b"      ")), None);
    }
}
