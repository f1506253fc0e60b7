// SPDX-License-Identifier: MIT OR Apache-2.0
//! A language server: what the audit knows of a tree, in an editor, as the Language Server Protocol 3.17 says it.
//!
//! ```text
//! lines      places in a text, by the audit's count and by the protocol's
//! uri        files as an editor names them
//! documents  what is open, as it stands in the editor and as it was saved
//! client     what the other side can do
//! messages   the parameters of what it says
//! auditor    a thread that audits when it is told to
//! shown      diagnostics, hovers, places and edits as the protocol has them
//! session    messages in, messages out
//! ```
//!
//! What is shown is said by `callsites::editor` and `patches::preview`; this room puts it into messages. The tree on disk is
//! what is audited: a buffer that was not saved moves places and changes nothing else. Requests wait while an audit is on its
//! way, so that each is answered from the state that the editor has saved.

mod auditor;
mod client;
mod documents;
mod lines;
mod messages;
mod session;
mod shown;
mod uri;

pub(crate) use auditor::Setup;
pub(crate) use session::serve;
