// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the crate as a whole is held to, in one program: a test that is linked once is compiled once.

mod decided;
mod flow;
mod flow_apart;
mod flow_reading;
mod formats;
mod growth;
mod hostile;
mod index_properties;
mod judged;
mod kept;
mod layout;
mod published_schema;
mod rules;
mod rules_of_flow;
mod rules_of_groups;
mod rules_on_a_tree;
mod sarif_schema;
mod shared;
mod stories;
mod strange;
mod truth;
mod versions;
mod window;
