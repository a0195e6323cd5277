//! The trace collector: takes traces from many agents and engines, stores them without loss, and answers where records lose their time.
//!
//! One module a room, in the order of the data:
//!
//! ingest, kafka -> model -> store (with rollups of `sketch`) -> query, live, page
//!
//! Owns: everything behind `stain collector`. Refuses: eBPF, privileges, and answers with success before the store has what was sent.

pub mod http;
pub mod import;
pub mod ingest;
pub mod kafka;
pub mod live;
pub mod mapping;
pub mod merge;
pub mod model;
pub mod page;
pub mod query;
pub mod run;
pub mod settings;
pub mod sketch;
pub mod store;
pub mod streams;
pub mod top;
