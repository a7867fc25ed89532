//! How far from a reference an aggressor may trade: the collar of market orders, and price bands, which start a volatility
//! auction instead of an execution outside.

use super::Core;
use super::sink::{EventSink, Out};
use protocol::EventBody;
use protocol::types::{Firm, InstrumentId, Nanos, Price, TradingState};

/// Nanoseconds of a second.
pub(super) const SECOND: u64 = 1_000_000_000;

/// Distances in parts per million; 0 = none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bands {
    pub(super) static_ppm: u32,
    pub(super) dynamic_ppm: u32,
    pub(super) collar_ppm: u32,
    pub(super) auction_s: u32,
}

/// Prices around a reference; of a volatility auction: between which it may cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Collar {
    pub(super) reference: u32,
    pub(super) lower: u32,
    pub(super) upper: u32,
    /// What one extension adds on both sides.
    pub(super) step: u32,
    pub(super) extension: u32,
}

/// Parts per million of a price, rounded down.
fn share(price: u32, ppm: u32) -> u32 {
    u32::try_from(u64::from(price) * u64::from(ppm) / 1_000_000).unwrap_or(u32::MAX)
}

impl Collar {
    fn around(reference: u32, ppm: u32, tick: u32) -> Self {
        let distance = share(reference, ppm);
        Self {
            reference,
            lower: reference.saturating_sub(distance),
            upper: reference.saturating_add(distance),
            step: distance.max(tick),
            extension: 0,
        }
    }

    pub(super) fn holds(&self, price: u32) -> bool {
        self.lower <= price && price <= self.upper
    }
}

/// What an aggressor may not pass besides its own limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limits {
    is_buy: bool,
    /// Of a market order.
    collar: Option<u32>,
    bands: [Option<Collar>; 2],
}

impl Limits {
    /// The price is beyond the collar.
    pub(super) fn is_beyond_collar(&self, price: u32) -> bool {
        self.collar.is_some_and(|collar| if self.is_buy { price > collar } else { price < collar })
    }

    /// The band that an execution at this price would leave.
    pub(super) fn band_left_at(&self, price: u32) -> Option<Collar> {
        self.bands.iter().flatten().find(|band| !band.holds(price)).copied()
    }
}

impl Core {
    /// The limits of an order that begins to match.
    pub(super) fn limits(&self, instrument: InstrumentId, is_buy: bool, is_market: bool) -> Limits {
        let terms = self.instruments.terms(instrument);
        let Bands { static_ppm, dynamic_ppm, collar_ppm, .. } = terms.bands;
        if static_ppm == 0 && dynamic_ppm == 0 && collar_ppm == 0 {
            return Limits::default();
        }
        let tick = self.instruments.instrument(instrument).tick.get();
        let now = self.reference_now(instrument).0;
        let collar = (is_market && collar_ppm > 0 && now > 0).then(|| {
            let distance = share(now, collar_ppm);
            if is_buy {
                now.saturating_add(distance) / tick * tick
            } else {
                now.saturating_sub(distance).div_ceil(tick) * tick
            }
        });
        let band = |reference: u32, ppm: u32| (reference > 0 && ppm > 0).then(|| Collar::around(reference, ppm, tick));
        Limits { is_buy, collar, bands: [band(terms.reference.0, static_ppm), band(now, dynamic_ppm)] }
    }

    /// Starts a volatility auction when one is due.
    pub(super) fn pause(
        &mut self,
        instrument: InstrumentId,
        collar: Option<Collar>,
        out: &mut Out<'_, impl EventSink>,
    ) {
        let Some(collar) = collar else { return };
        let seconds = u64::from(self.instruments.terms(instrument).bands.auction_s);
        self.arrive(instrument, (TradingState::Paused, Firm(*b"LUDP")), out);
        tell_collar(instrument, &collar, out);
        self.set_until(instrument, Some(Nanos(out.ingress().0 + seconds * SECOND)));
        self.instruments.terms_mut(instrument).collar = Some(collar);
    }
}

/// Tells between which prices a volatility auction may cross.
pub(super) fn tell_collar(instrument: InstrumentId, collar: &Collar, out: &mut Out<'_, impl EventSink>) {
    out.push(EventBody::AuctionCollar {
        instrument,
        reference: Price(collar.reference),
        upper: Price(collar.upper),
        lower: Price(collar.lower),
        extension: collar.extension,
    });
}
