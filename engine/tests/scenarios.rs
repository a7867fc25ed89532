//! The mistakes that matching engines most often make, and the rules of ouch50.md §6, each as a table of commands (`>`)
//! and what the venue must say.

#[cfg(test)]
mod common;

use common::{TICK, Venue};
use engine::core::Core;
use protocol::types::{Price, TradingState};
use std::fmt::Write;

#[test]
fn execution_is_priced_at_the_makers_price_not_at_the_aggressors_limit() {
    Venue::new().check(
        "> enter 1 sell 10@100
         accepted 1 live 10@100 shown
         > enter 2 buy 4@105
         accepted 2 live 4@105
         traded 1<2 4@100
         > enter 3 sell 3@90 ioc
         accepted 3 dead 3@90
         > enter 4 buy 5@101
         accepted 4 live 5@101
         traded 1<4 5@100",
    );
}

#[test]
fn fifo_survives_a_cancel_in_the_middle() {
    Venue::new().check(
        "> enter 1 buy 1@100
         accepted 1 live 1@100 shown
         > enter 2 buy 2@100
         accepted 2 live 2@100 shown
         > enter 3 buy 3@100
         accepted 3 live 3@100 shown
         > cancel 2 0
         canceled 2 2 leaves 0 U
         > enter 4 sell 5@100
         accepted 4 live 5@100
         traded 1<4 1@100
         traded 3<4 3@100
         rested ref=4 1@100 shown",
    );
}

#[test]
fn a_filled_maker_is_gone_from_the_index() {
    let mut venue = Venue::new();
    venue.check(
        "> enter 1 buy 5@100
         accepted 1 live 5@100 shown
         > enter 2 sell 5@100
         accepted 2 live 5@100
         traded 1<2 5@100
         > cancel 1 0
         > cancel 2 0
         > replace 1 3 5@101
         > modify 1 buy 1",
    );
    assert_eq!(venue.core.open_orders(), 0);
}

#[test]
fn best_price_is_right_after_the_last_order_of_a_level_is_cancelled() {
    let mut venue = Venue::new();
    for (number, price) in [(1, 100), (2, 98), (3, 99), (4, 60)] {
        venue.run(&format!("enter {number} buy 1@{price}"));
    }
    for (number, best) in [(1, Some(99)), (3, Some(98)), (2, Some(60)), (4, None)] {
        venue.run(&format!("cancel {number} 0"));
        assert_eq!(venue.best(), (best, None));
    }
    venue.check(
        "> enter 5 sell 1@60
         accepted 5 live 1@60 shown",
    );
}

#[test]
fn best_price_is_right_between_all_commands() {
    // Opens and empties the best level again and again, on both sides, and looks each time.
    let mut venue = Venue::new();
    venue.run("enter 1 buy 1@50");
    venue.run("enter 2 sell 1@150");
    let mut number = 3;
    for step in 0..40 {
        let (bid, ask) = (51 + step % 7 * 5, 149 - step % 5 * 7);
        venue.run(&format!("enter {number} buy 1@{bid}"));
        assert_eq!(venue.best(), (Some(bid), Some(150)));
        venue.run(&format!("enter {} sell 1@{ask}", number + 1));
        assert_eq!(venue.best(), (Some(bid), Some(ask)));
        venue.run(&format!("enter {} sell 1@{bid} ioc", number + 2));
        assert_eq!(venue.best(), (Some(50), Some(ask)));
        venue.run(&format!("cancel {} 0", number + 1));
        assert_eq!(venue.best(), (Some(50), Some(150)));
        number += 3;
    }
}

#[test]
fn a_replace_never_rests_through_its_limit_and_never_leaves_the_book_crossed() {
    let mut venue = Venue::new();
    venue.check(
        "> enter 1 sell 5@100
         accepted 1 live 5@100 shown
         > enter 2 sell 5@101
         accepted 2 live 5@101 shown
         > enter 3 buy 12@90
         accepted 3 live 12@90 shown
         > replace 3 4 12@101
         replaced 3>4 live 12@101 was-shown
         traded 1<4 5@100
         traded 2<4 5@101
         rested ref=4 2@101 shown",
    );
    assert_eq!(venue.best(), (Some(101), None));
}

#[test]
fn a_crossing_replace_trades_at_the_makers_price() {
    Venue::new().check(
        "> enter 1 buy 5@100
         accepted 1 live 5@100 shown
         > enter 2 sell 5@110
         accepted 2 live 5@110 shown
         > replace 2 3 5@95
         replaced 2>3 live 5@95 was-shown
         traded 1<3 5@100",
    );
}

#[test]
fn siblings_on_a_level_survive_a_replace() {
    let mut venue = Venue::new();
    for number in 1..=3 {
        venue.run(&format!("enter {number} buy {number}@100"));
    }
    venue.check(
        "> replace 2 4 2@100
         replaced 2>4 live 2@100 shown was-shown",
    );
    assert_eq!(venue.quantity_at(true, 100), (6, 0));
    venue.check(
        "> replace 1 5 1@99
         replaced 1>5 live 1@99 shown was-shown
         > enter 6 sell 6@99
         accepted 6 live 6@99
         traded 3<6 3@100
         traded 4<6 2@100
         traded 5<6 1@99",
    );
}

#[test]
fn the_remainder_of_an_ioc_does_not_rest() {
    let mut venue = Venue::new();
    venue.check(
        "> enter 1 sell 3@100
         accepted 1 live 3@100 shown
         > enter 2 buy 5@100 ioc
         accepted 2 live 5@100
         traded 1<2 3@100
         canceled 2 2 leaves 0 I
         > enter 3 buy 5@100 ioc
         accepted 3 dead 5@100
         > enter 4 buy 5@market
         accepted 4 dead 5@market",
    );
    assert_eq!(venue.core.open_orders(), 0);
}

#[test]
fn fok_counts_all_levels_within_its_limit() {
    Venue::new().check(
        "> enter 1 sell 3@100
         accepted 1 live 3@100 shown
         > enter 2 sell 3@101 hidden
         accepted 2 live 3@101
         > enter 3 sell 3@102
         accepted 3 live 3@102 shown
         > enter 4 buy 7@101 fok
         accepted 4 dead 7@101
         > enter 5 buy 7@102 fok
         accepted 5 live 7@102
         traded 1<5 3@100
         traded 2<5 3@101 hidden
         traded 3<5 1@102
         > enter 6 buy 3@market ioc min=3
         accepted 6 dead 3@market
         > enter 7 buy 3@market ioc min=2
         accepted 7 live 3@market
         traded 3<7 2@102
         canceled 7 1 leaves 0 I",
    );
}

#[test]
fn fok_knows_how_many_orders_one_command_may_touch() {
    let mut venue = Venue::with_bounds(100, 3);
    for number in 1..=5 {
        venue.run(&format!("enter {number} sell 1@100"));
    }
    venue.check(
        "> enter 6 buy 4@100 fok
         accepted 6 dead 4@100
         > enter 7 buy 3@100 fok
         accepted 7 live 3@100
         traded 1<7 1@100
         traded 2<7 1@100
         traded 3<7 1@100",
    );
}

#[test]
fn nothing_trades_or_rests_with_quantity_zero() {
    Venue::new().check(
        "> enter 1 buy 0@100
         rejected 1 QuantityZero
         > enter 2 buy 5@100
         accepted 2 live 5@100 shown
         > enter 3 sell 5@100
         accepted 3 live 5@100
         traded 2<3 5@100
         > enter 4 sell 1@100
         accepted 4 live 1@100 shown",
    );
}

#[test]
fn a_number_is_used_once_whether_its_order_lives_was_filled_or_was_cancelled() {
    Venue::new().check(
        "> enter 5 buy 5@100
         accepted 5 live 5@100 shown
         > enter 5 buy 6@100
         > enter 4 buy 6@100
         > cancel 5 0
         canceled 5 5 leaves 0 U
         > enter 5 buy 6@100
         > enter 6 buy 1@100
         accepted 6 live 1@100 shown
         > enter 7 sell 1@100
         accepted 7 live 1@100
         traded 6<7 1@100
         > enter 6 buy 1@100
         > enter 0 buy 1@100
         > query
         next 8
         > enter 5 buy 6@100 acct=1
         accepted 5 live 6@100 shown
         > enter 4000000000 buy 1@100
         accepted 4000000000 live 1@100 shown",
    );
}

#[test]
fn the_slab_is_used_again_to_the_last_slot() {
    let mut venue = Venue::with_bounds(3, 100);
    let mut number = 0;
    for _ in 0..5 {
        for _ in 0..3 {
            number += 1;
            venue.run(&format!("enter {number} buy 1@{}", 100 + number % 3));
        }
        number += 1;
        venue.check(&format!(
            "> enter {number} buy 1@100
             rejected {number} OrdersFull
             > enter {} sell 1@200 ioc
             accepted {} dead 1@200",
            number + 1,
            number + 1
        ));
        number += 2;
        // A replacement needs no slot of its own; fills and cancels give theirs back.
        venue.run(&format!("replace {} {number} 1@103", number - 3));
        assert_eq!(venue.core.open_orders(), 3);
        number += 1;
        venue.run(&format!("enter {number} sell 2@1 ioc"));
        number += 1;
        venue.run(&format!("mass {number}"));
        assert_eq!(venue.core.open_orders(), 0);
    }
}

#[test]
fn sweeps_five_thousand_orders_at_one_price() {
    let mut venue = Venue::new();
    venue.is_checked = false;
    for number in 1..=5_000 {
        venue.run(&format!("enter {number} sell 2@100"));
    }
    venue.is_checked = true;
    let events = venue.run("enter 6000 buy 9999@100");
    assert_eq!(events.len(), 1 + 5_000);
    assert_eq!(events[1], "traded 1<6000 2@100");
    assert_eq!(events[5_000], "traded 5000<6000 1@100");
    assert_eq!(venue.core.open_orders(), 1);
    assert_eq!(venue.quantity_at(false, 100), (1, 0));
}

#[test]
fn sweeps_five_thousand_levels() {
    let mut venue = Venue::new();
    venue.is_checked = false;
    for number in 1..=5_000 {
        venue.run(&format!("enter {number} buy 2@{}", 20_000 - 3 * number));
    }
    venue.is_checked = true;
    let events = venue.run("enter 6000 sell 10001@market");
    assert_eq!(events.len(), 1 + 5_000 + 1);
    assert_eq!(events[1], "traded 1<6000 2@19997");
    assert_eq!(events[5_000], "traded 5000<6000 2@5000");
    assert_eq!(events[5_001], "canceled 6000 1 leaves 0 I");
    assert_eq!(venue.best(), (None, None));
}

#[test]
fn a_sweep_beyond_the_bound_ends_with_collar() {
    let mut venue = Venue::with_bounds(100, 2);
    for number in 1..=3 {
        venue.run(&format!("enter {number} sell 1@100"));
    }
    venue.check(
        "> enter 4 buy 9@100
         accepted 4 live 9@100
         traded 1<4 1@100
         traded 2<4 1@100
         canceled 4 7 leaves 0 K
         > enter 5 buy 9@100
         accepted 5 live 9@100
         traded 3<5 1@100
         rested ref=5 8@100 shown",
    );
}

#[test]
fn prices_at_both_ends_of_the_domain() {
    let last = Price::LIMIT_MAX.0 / TICK;
    let mut venue = Venue::new();
    venue.check(&format!(
        "> enter 1 buy 1@1
         accepted 1 live 1@1 shown
         > enter 2 sell 1@{last}
         accepted 2 live 1@{last} shown
         > enter 3 sell 1@1
         accepted 3 live 1@1
         traded 1<3 1@1
         > enter 4 buy 1@{last}
         accepted 4 live 1@{last}
         traded 2<4 1@{last}
         > enter 5 buy 1@{last}
         accepted 5 live 1@{last} shown
         > enter 6 sell 2@1
         accepted 6 live 2@1
         traded 5<6 1@{last}
         rested ref=6 1@1 shown
         > enter 7 buy 1@0
         rejected 7 PriceOutOfRange",
    ));
    assert_eq!(venue.best(), (None, Some(1)));
}

#[test]
fn hidden_orders_trade_after_displayed_ones_at_their_price() {
    let mut venue = Venue::new();
    venue.check(
        "> enter 1 sell 5@100 hidden
         accepted 1 live 5@100
         > enter 2 sell 5@100
         accepted 2 live 5@100 shown
         > enter 3 sell 5@101 named
         accepted 3 live 5@101 named
         > enter 4 sell 1@99 hidden
         accepted 4 live 1@99",
    );
    assert_eq!(venue.quantity_at(false, 100), (5, 5));
    venue.check(
        "> enter 5 buy 12@100
         accepted 5 live 12@100
         traded 4<5 1@99 hidden
         traded 2<5 5@100
         traded 1<5 5@100 hidden
         rested ref=5 1@100 shown",
    );
}

#[test]
fn post_only_that_would_take_is_accepted_and_cancelled() {
    Venue::new().check(
        "> enter 1 sell 5@100 hidden
         accepted 1 live 5@100
         > enter 2 buy 5@100 post
         accepted 2 live 5@100
         canceled 2 5 leaves 0 G
         > enter 3 buy 5@99 post
         accepted 3 live 5@99 shown
         > replace 3 4 5@100
         replaced 3>4 live 5@100 was-shown
         canceled 4 5 leaves 0 G
         > enter 5 buy 5@100 ioc post
         rejected 5 PostOnlyInvalid",
    );
}

#[test]
fn quantities_of_a_chain() {
    // The example of ouch50.md §6: enter 500, 100 executed; Replace 600, Cancel 300, Cancel 0.
    let mut venue = Venue::new();
    venue.check(
        "> enter 1 buy 500@100
         accepted 1 live 500@100 shown
         > enter 2 sell 100@100 acct=1
         accepted 2 live 100@100
         traded 1<2 100@100
         > cancel 1 600
         > cancel 1 500
         > replace 1 2 600@100
         replaced 1>2 live 500@100 shown was-shown
         > cancel 2 300
         canceled 2 300 leaves 200 U
         > replace 2 3 500@100 details
         details ahead=0 maker=false owner=true
         replaced 2>3 live 400@100 shown was-shown
         > cancel 3 0
         details ahead=0 maker=false owner=true
         canceled 3 400 leaves 0 U
         > enter 4 buy 500@100
         accepted 4 live 500@100 shown
         > enter 5 sell 100@100 acct=1
         accepted 5 live 100@100
         traded 4<5 100@100
         > replace 4 6 100@100
         replaced 4>6 dead 0@100 was-shown
         > cancel 6 0",
    );
    assert_eq!(venue.core.open_orders(), 0);
}

#[test]
fn an_invalid_replacement_cancels_the_original_and_uses_no_number_up() {
    Venue::new().check(
        "> enter 1 buy 5@100
         accepted 1 live 5@100 shown
         > replace 1 2 1000000@100
         canceled 1 5 leaves 0 U
         > query
         next 2
         > enter 2 buy 5@100
         accepted 2 live 5@100 shown
         > refuse-replace 2 2
         > refuse-replace 2 3
         canceled 2 5 leaves 0 U
         > refuse-replace 2 4
         > query
         next 3",
    );
}

#[test]
fn a_replace_while_entry_is_disabled_is_rejected_and_the_original_stays() {
    Venue::new().check(
        "> enter 1 buy 5@100
         accepted 1 live 5@100 shown
         > disable 2
         disabled 2
         > enter 3 buy 5@100
         rejected 3 FirmNotAuthorized
         > replace 1 4 5@101
         rejected 4 FirmNotAuthorized
         > cancel 1 3
         canceled 1 2 leaves 3 U
         > enable 5
         enabled 5
         > replace 1 6 5@101
         replaced 1>6 live 5@101 shown was-shown
         > replace 1 7 5@101",
    );
}

#[test]
fn a_halted_instrument_collects_what_can_wait() {
    let mut venue = Venue::new();
    venue.run("enter 1 buy 5@100");
    venue.set_state(TradingState::Halted);
    venue.check(
        "> enter 2 buy 5@100
         accepted 2 live 5@100 shown
         > enter 3 buy 5@100 ioc
         rejected 3 TradingHalted
         > cancel 1 2
         canceled 1 3 leaves 2 U
         > query
         next 4",
    );
    venue.set_state(TradingState::Trading);
    venue.check(
        "> enter 5 sell 2@100
         accepted 5 live 2@100
         traded 1<5 2@100",
    );
}

#[test]
fn a_partial_cancel_and_a_modify_keep_their_place() {
    Venue::new().check(
        "> enter 1 sell 10@100
         accepted 1 live 10@100 shown
         > enter 2 sell 10@100
         accepted 2 live 10@100 shown
         > cancel 1 8
         canceled 1 2 leaves 8 U
         > modify 1 short 6
         modified 1 T 6 removed 2
         > modify 1 exempt 5
         > modify 1 short 6
         > modify 1 short 7
         > enter 3 buy 7@100
         accepted 3 live 7@100
         traded 1<3 6@100
         traded 2<3 1@100
         > modify 2 exempt 10
         modified 2 E 9 removed 0
         > modify 2 short 1
         modified 2 T 0 removed 9
         > cancel 2 0",
    );
}

#[test]
fn mass_cancel_takes_what_passes_its_filters_oldest_first() {
    Venue::new().check(
        "> enter 1 buy 1@100 group=7
         accepted 1 live 1@100 shown
         > enter 2 buy 1@101
         accepted 2 live 1@101 shown
         > enter 3 sell 1@110 group=7
         accepted 3 live 1@110 shown
         > enter 1 buy 1@99 acct=1 group=7
         accepted 1 live 1@99 shown
         > enter 1 buy 1@98 ch=2 group=7
         accepted 1 live 1@98 shown
         > replace 1 4 1@97
         replaced 1>4 live 1@97 shown was-shown
         > mass 5 group=7
         mass 5
         canceled 3 1 leaves 0 U
         canceled 1 1 leaves 0 U
         canceled 4 1 leaves 0 U
         > mass 5
         > mass 6 mark=sell
         mass 6
         > mass 7
         mass 7
         canceled 2 1 leaves 0 U
         > cancel 1 0 acct=1
         canceled 1 1 leaves 0 U",
    );
}

#[test]
fn channels_count_for_themselves_and_their_table_has_a_bound() {
    Venue::new().check(
        "> enter 1 buy 1@100
         accepted 1 live 1@100 shown
         > enter 1 buy 1@100 ch=9
         accepted 1 live 1@100 shown
         > query ch=9
         next 2
         > query ch=3
         next 1
         > enter 1 buy 1@100 ch=3
         rejected 1 ChannelsFull
         > query ch=3
         next 1
         > replace 1 2 1@101 ch=9
         replaced 1>2 live 1@101 shown was-shown
         > cancel 1 0
         canceled 1 1 leaves 0 U",
    );
}

#[test]
fn details_come_before_the_events_of_orders_that_asked() {
    Venue::new().check(
        "> enter 1 buy 3@100
         accepted 1 live 3@100 shown
         > enter 2 buy 4@100 hidden details
         details ahead=0 maker=false owner=true
         accepted 2 live 4@100
         > enter 3 buy 5@100 details
         details ahead=3 maker=false owner=true
         accepted 3 live 5@100 shown
         > replace 1 4 3@100 details
         details ahead=5 maker=false owner=true
         replaced 1>4 live 3@100 shown was-shown
         > enter 5 sell 6@100
         accepted 5 live 6@100
         details ahead=0 maker=true owner=false
         traded 3<5 5@100
         details ahead=0 maker=true owner=false
         traded 4<5 1@100
         > enter 6 sell 9@100 ioc details
         details ahead=0 maker=false owner=true
         accepted 6 live 9@100
         details ahead=0 maker=true owner=true
         traded 4<6 2@100
         details ahead=0 maker=true owner=true
         traded 2<6 4@100 hidden
         details ahead=0 maker=false owner=true
         canceled 6 3 leaves 0 I",
    );
}

#[test]
fn a_replace_that_changes_how_it_is_shown() {
    Venue::new().check(
        "> enter 1 buy 3@100
         accepted 1 live 3@100 shown
         > replace 1 2 3@100 hidden
         replaced 1>2 live 3@100 was-shown
         > replace 2 3 3@100
         replaced 2>3 live 3@100 shown
         rested ref=3 3@100 shown
         > replace 3 4 3@100 named
         replaced 3>4 live 3@100 was-shown
         rested ref=4 3@100 named
         > replace 4 5 3@101 named
         replaced 4>5 live 3@101 named was-shown",
    );
}

#[test]
fn a_state_goes_through_its_bytes() {
    let mut venue = Venue::with_bounds(50, 10);
    for number in 1..=60_u32 {
        let mut line =
            format!("enter {number} {} 7@{}", if number % 2 == 0 { "buy" } else { "sell" }, number * 97 % 40 + 1);
        if number % 5 == 0 {
            write!(line, " hidden details group={number}").unwrap();
        }
        venue.run(&line);
    }
    let mut bytes = Vec::new();
    venue.core.encode_state(&mut bytes);
    let decoded = Core::decode_state(&bytes).unwrap();
    decoded.verify().unwrap();
    assert_eq!(decoded.state_hash(), venue.core.state_hash());
    // Cut short anywhere, or changed anywhere: an error or another state, never a panic and never the same state.
    for end in 0..bytes.len() {
        assert!(Core::decode_state(&bytes[..end]).is_err());
    }
    // The bounds of the venue are left as they are: they only say how much memory to reserve.
    for at in (0..bytes.len()).filter(|at| !(44..62).contains(at)) {
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (at % 8);
        if let Ok(core) = Core::decode_state(&changed) {
            core.verify().unwrap();
            assert_ne!(core.state_hash(), venue.core.state_hash());
        }
    }
}
