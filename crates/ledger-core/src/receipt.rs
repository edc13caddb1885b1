//! The receipt: the proof of a delivery.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::evidence::EvidenceIndex;
use crate::expert::{ExpertVerdict, Judge};
use crate::id::{RunId, ThreadId, TicketId};
use crate::object::{CommitId, RefName, TreeId};
use crate::phase::{DeliveryMode, Phase, PhaseEvidence, SourceLock};
use crate::run::Run;

/// What was asked, what was checked and reviewed, and where it was delivered, each by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Receipt")]
pub struct Receipt {
    /// Version of this format
    #[schemars(range(min = 1, max = 1))]
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
    /// What experts said of the tree beside the reviewer, in their order
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub experts: Vec<ReceiptExpert>,
    /// The person who accepted the tree, where one did before it was delivered
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_by: Option<String>,
    /// How the tree was delivered
    pub delivery: DeliveryMode,
    /// Where it was delivered; none in mode `none`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivered>,
    /// The run that was delivered, where this one only delivers
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivers: Option<DeliveredRun>,
    /// The journal's head when the receipt was made
    pub journal: Digest,
    /// When it was made
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

/// An expert who judged the delivered tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReceiptExpert {
    /// As who it was asked
    pub judge: Judge,
    /// The expert's conversation
    pub thread: ThreadId,
    /// Whether it let the change pass; only one whose word stops nothing may not have
    pub passes: bool,
}

impl From<&ExpertVerdict> for ReceiptExpert {
    fn from(verdict: &ExpertVerdict) -> Self {
        Self {
            judge: verdict.judge,
            thread: verdict.thread.clone(),
            passes: verdict.passes,
        }
    }
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

/// A run that was done before it was delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveredRun {
    /// The run
    pub run: RunId,
    /// Digest of its receipt
    pub receipt: Digest,
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

impl std::fmt::Display for RemoteDelivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.remote, self.name.short())
    }
}

/// Why bytes are no receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReceipt {
    /// Not JSON, or not of the schema.
    #[error("the receipt is not the JSON object that its schema describes: {reason}")]
    Shape {
        /// Where and why.
        reason: String,
    },
    /// A format that this version does not read.
    #[error("the receipt has format {format}, and this foil reads format 1")]
    Format {
        /// The format.
        format: u32,
    },
}

impl Receipt {
    /// The receipt of a run that stands right below [`Phase::Done`], when its journal's head is `journal`. None before
    /// that. The same run gives the same bytes, so that anyone can compute it again.
    pub fn of(run: &Run, journal: Digest) -> Option<Self> {
        let opened = run.opened();
        let delivered = match run.evidence(Phase::Committed) {
            Some(PhaseEvidence::Committed {
                change,
                records,
                branch,
                ..
            }) => Some(Delivered {
                change: *change,
                records: *records,
                branch: branch.clone(),
                remote: remote(run),
            }),
            _ => None,
        };
        let (review, experts) = match run.evidence(Phase::IndependentReviewComplete) {
            Some(PhaseEvidence::IndependentReviewComplete { thread, experts, .. }) => {
                let review = ReceiptReview {
                    thread: thread.clone(),
                    repair_rounds: run.totals().repair_rounds,
                };
                (Some(review), experts.iter().map(ReceiptExpert::from).collect())
            }
            _ => (None, Vec::new()),
        };
        Some(Self {
            schema: 1,
            foil: opened.foil.clone(),
            ticket: opened.ticket.clone(),
            run: opened.run.clone(),
            source: run.source_lock()?.clone(),
            base: run.base()?,
            tree: run.tree()?,
            evidence: Digest::of(EvidenceIndex::of(run)?.to_bytes()),
            review,
            experts,
            accepted_by: run.accepted_by().map(str::to_owned),
            delivery: opened.delivery,
            delivered,
            delivers: run.delivers().cloned(),
            journal,
            at: run.last_at(),
        })
    }

    /// Reads a receipt. Refuses other formats; facts that a newer version adds are passed over.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidReceipt> {
        let receipt: Self = serde_json::from_slice(bytes).map_err(|error| InvalidReceipt::Shape {
            reason: error.to_string(),
        })?;
        if receipt.schema == 1 {
            Ok(receipt)
        } else {
            Err(InvalidReceipt::Format { format: receipt.schema })
        }
    }

    /// The bytes that are stored, and that the digest is of.
    pub fn to_bytes(&self) -> Vec<u8> {
        json_bytes(self)
    }

    /// Digest of [`Self::to_bytes`].
    pub fn digest(&self) -> Digest {
        Digest::of(self.to_bytes())
    }
}

fn remote(run: &Run) -> Option<RemoteDelivery> {
    match run.evidence(Phase::HeadEqualsUpstreamProved)? {
        PhaseEvidence::HeadEqualsUpstreamProved { remote, name, commit } => Some(RemoteDelivery {
            remote: remote.clone(),
            name: name.clone(),
            commit: *commit,
        }),
        _ => None,
    }
}

/// Indented JSON with a final newline. Our own types have no map with keys that are not strings, which is the only
/// thing that serde_json could refuse; should it ever, the bytes are empty and no digest fits them.
pub(crate) fn json_bytes(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
