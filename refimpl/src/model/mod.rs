// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pinned-page protocol, explored to the end.
//!
//! In: a [`Config`], which says what the kernel does about pinned pages ([`Policy`]), how devices hold them ([`Driver`]), which
//! mistake a caller makes ([`Callsites`]), and how many pages, devices and tasks there are. Out: an [`Exploration`] with the exact
//! number of states, an [`Outcome`] per [`Property`], and for each broken one a shortest [`Trace`].
//!
//! ```
//! use refimpl::model::{Callsites, Config, Driver, Outcome, Policy, Property, explore};
//!
//! let config = Config::base(Policy::Wait, Driver::Never, Callsites::Converted);
//! let explored = explore(&config)?;
//! assert_eq!(explored.outcome(Property::Torn), Outcome::Holds);
//! assert_eq!(explored.outcome(Property::FsyncStuck), Outcome::Broken);
//! # Ok::<(), refimpl::model::Error>(())
//! ```
//!
//! Safety is reachability, by breadth-first search. Liveness is a search for fair strongly connected components (`fair`), so that
//! "never returns" is a statement about all runs and not about runs up to some length. Nothing here knows of kernel trees, files,
//! or the command line, and nothing is sampled.

mod config;
mod driver;
mod error;
mod explore;
mod fair;
mod fork;
mod graph;
mod growth;
mod gup_fast;
pub mod html;
mod interleaving;
mod mutants;
mod named;
mod own;
mod policy;
mod property;
pub mod render;
mod rules;
mod run;
mod scenario;
mod small;
mod state;
mod step;
mod table;
mod trace;

pub use config::{Config, Fairness, Mutation, Storage, WaitAt, Waiting};
pub use driver::{Callsites, Driver, Habits};
pub use error::Error;
pub use explore::{Exploration, Outcome, explore, explore_within};
pub use growth::{Growth, GrowthOptions, GrowthRow, growth};
pub use interleaving::{Interleaving, InterleavingResult};
pub use mutants::{MutantResult, mutants};
pub use own::Own;
pub use policy::{Policy, Refuses, Rules, Truncate, Writeback};
pub use property::Property;
pub use run::{Report, Row, ScenarioReport, Selection, Sizes, run};
pub use scenario::{Scenario, Subject, scenario, scenarios};
pub use table::{Cell, Table, TableOptions, table};
pub use trace::{Trace, TraceStep};

pub(crate) use named::named;
