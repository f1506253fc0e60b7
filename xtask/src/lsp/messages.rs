// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parameters of the messages that are read: of each what is needed here.

use super::documents::Edit;
use super::lines::{Position, Range};
use serde::Deserialize;

/// A file.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Named {
    /// Which.
    pub(crate) text_document: TextDocument,
}

/// A file, with what the message says of it.
#[derive(Deserialize)]
pub(crate) struct TextDocument {
    /// Its name.
    pub(crate) uri: String,
    /// The editor's number of its state.
    #[serde(default)]
    pub(crate) version: i64,
    /// All of it.
    #[serde(default)]
    pub(crate) text: String,
}

/// What was typed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changed {
    /// Which.
    pub(crate) text_document: TextDocument,
    /// In their order.
    pub(crate) content_changes: Vec<Edit>,
}

/// A place.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct At {
    /// Which.
    pub(crate) text_document: TextDocument,
    /// Where.
    pub(crate) position: Position,
}

/// What can be done in some lines.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Action {
    /// Which.
    pub(crate) text_document: TextDocument,
    /// Which lines.
    pub(crate) range: Range,
    /// More.
    #[serde(default)]
    pub(crate) context: ActionContext,
}

/// What the editor wants to know of.
#[derive(Default, Deserialize)]
pub(crate) struct ActionContext {
    /// Kinds of actions; all where there are none.
    #[serde(default)]
    pub(crate) only: Option<Vec<String>>,
}
