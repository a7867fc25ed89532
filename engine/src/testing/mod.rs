//! What tests and benches share: a second, obvious model of the venue, an ordered-map yardstick, and order flow from a
//! seed. Never part of a running venue (feature `testing`).

pub mod btree_book;
pub mod differential;
pub mod features;
mod market_flow;
mod naive_auction;
pub mod naive_book;
mod naive_ledger;
mod naive_market;
mod naive_match;
mod naive_operator;
mod naive_orders;
mod naive_pegs;
mod naive_pro_rata;
mod naive_requests;
mod naive_risk;
mod naive_roll;
mod naive_rules;
mod naive_smp;
mod naive_state;
mod naive_time;
mod naive_triggers;
mod naive_worth;
mod operator_flow;
pub mod order_flow;
pub mod random;
pub mod scenario;
mod scenario_money;
mod scenario_text;
mod scenario_words;
pub mod workload;
