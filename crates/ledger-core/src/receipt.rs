//! The receipt: the proof of a delivery.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::id::{RunId, ThreadId, TicketId};
use crate::object::{CommitId, RefName, TreeId};
use crate::phase::{DeliveryMode, SourceLock};

/// What was asked, what was checked and reviewed, and where it was delivered, each by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Receipt")]
pub struct Receipt {
    /// Version of this format
    pub schema: u32,
    /// The version of foil that wrote it
    pub foil: String,
    /// The ticket
    pub ticket: TicketId,
    /// The run
    pub run: RunId,
    /// What the run was started from
    pub source: SourceLock,
    /// The commit that it started from
    pub base: CommitId,
    /// The tree that was checked, reviewed and delivered
    pub tree: TreeId,
    /// Digest of the evidence index, stored beside this receipt
    pub evidence: Digest,
    /// The independent review; none in loop mode without one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReceiptReview>,
    /// How the tree was delivered
    pub delivery: DeliveryMode,
    /// Where it was delivered; none in mode `none`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
    /// The journal's head when the receipt was made
    pub journal: Digest,
    /// When it was made
    #[schemars(with = "String")]
    pub at: jiff::Timestamp,
}

/// The review that a receipt rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptReview {
    /// The reviewer's conversation
    pub thread: ThreadId,
    /// Repair rounds before it passed
    pub repair_rounds: u32,
}

/// Where a tree was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivered {
    /// The commit of the change
    pub change: CommitId,
    /// The commit of the records on top of it
    pub records: CommitId,
    /// The branch
    pub branch: RefName,
    /// The remote and its ref as observed after the push, where it was pushed
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteDelivery>,
}

/// A remote ref that was asked after a push.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemoteDelivery {
    /// The remote's name
    pub remote: String,
    /// Its ref
    pub name: RefName,
    /// What it pointed at
    pub commit: CommitId,
}
