//! The snapshot database: [`store`] keeps what recovery loads, [`tables`] shows the newest of it to people.

pub(crate) mod store;
pub(crate) mod tables;
