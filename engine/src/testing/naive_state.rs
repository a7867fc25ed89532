//! The naive model's state as bytes, by the document at the head of `core/snapshot.rs`.

use super::naive_book::{Instrument, NaiveVenue, Order, price, qty};
use protocol::types::{Channel, Owner, Side};

impl NaiveVenue {
    /// The state as bytes, by the document at the head of `core/snapshot.rs`.
    #[must_use]
    pub fn encode_state(&self) -> Vec<u8> {
        let mut bytes = vec![1];
        for number in [self.last_sequence.0, self.last_ingress.0, self.order_refs, self.matches] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.push(self.venue.is_some().into());
        let Some(venue) = self.venue else {
            return bytes;
        };
        bytes.extend(venue.session.0);
        bytes.extend(venue.orders_max.to_le_bytes());
        bytes.extend(venue.accounts_max.to_le_bytes());
        bytes.extend(venue.channels_max.to_le_bytes());
        bytes.extend(venue.instruments_max.to_le_bytes());
        bytes.extend(venue.orders_per_command_max.to_le_bytes());
        bytes.extend(count(self.accounts.len()));
        for (index, account) in (0..).zip(&self.accounts) {
            bytes.extend(account.name.0);
            bytes.extend(account.firm.0);
            bytes.extend(self.highest(Owner::from_bits(index << 8)).to_le_bytes());
            bytes.push(account.is_disabled.into());
        }
        let channels: Vec<_> = self.consumed.iter().filter(|(owner, _)| owner.channel() != Channel(0)).collect();
        bytes.extend(count(channels.len()));
        for (owner, highest) in channels {
            bytes.extend(owner.to_bits().to_le_bytes());
            bytes.extend(highest.to_le_bytes());
        }
        bytes.extend(count(self.instruments.len()));
        for instrument in &self.instruments {
            instrument.encode(&mut bytes);
        }
        for side in self.instruments.iter().flat_map(|instrument| [&instrument.bids, &instrument.asks]) {
            bytes.extend(count(side.len()));
            for order in side {
                order.encode(&mut bytes);
            }
        }
        bytes
    }
}

impl Instrument {
    fn encode(&self, bytes: &mut Vec<u8>) {
        let listed = &self.listed;
        bytes.extend(listed.symbol.0);
        bytes.push(listed.price_decimals);
        bytes.extend(listed.qty_decimals.to_le_bytes());
        bytes.extend(listed.tick.0.to_le_bytes());
        bytes.extend(listed.lot.0.to_le_bytes());
        bytes.extend(listed.max_qty.0.to_le_bytes());
        bytes.extend(listed.reference_price.0.to_le_bytes());
        bytes.push(self.state.letter());
        bytes.push(self.short_sale_test);
    }
}

impl Order {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(price(self.price).0.to_le_bytes());
        bytes.extend(self.owner.to_bits().to_le_bytes());
        bytes.extend(self.number.0.to_le_bytes());
        bytes.extend(qty(self.open).0.to_le_bytes());
        bytes.extend(qty(self.done).0.to_le_bytes());
        bytes.extend(self.tags.0.to_le_bytes());
        bytes.extend(self.order_ref.to_le_bytes());
        bytes.extend(self.group_id.to_le_bytes());
        bytes.extend(self.cl_ord_id.0);
        let side = match self.side {
            Side::Buy => 0,
            Side::Sell => 1,
            Side::SellShort => 2,
            Side::SellShortExempt => 3,
        };
        let shown = self.look() as u8;
        bytes.push(side + 4 * shown + 16 * u8::from(self.details) + 32 * u8::from(self.post_only));
        bytes.push(self.time_in_force.letter());
        bytes.push(self.capacity.letter());
        bytes.push(self.cross_type.letter());
        bytes.push(self.customer_type);
        bytes.push(self.cancel_on_disconnect);
        bytes.push(self.sweep.into());
    }
}

fn count(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}
