//! The receipt as an in-toto statement, for programs that know that form and nothing of ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::object::{CommitId, TreeId};
use crate::receipt::{InvalidReceipt, Receipt, json_bytes};

/// A receipt as an in-toto Statement, version 1: what it is about by Git's own digests, and the receipt as what is said of it.
/// It holds nothing that the receipt does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Statement")]
pub struct Statement {
    /// The version of in-toto's form
    #[serde(rename = "_type")]
    pub form: StatementForm,
    /// What it is about: the tree that was checked and reviewed, and the commits of the delivery
    pub subject: Vec<Subject>,
    /// What the predicate is
    #[serde(rename = "predicateType")]
    pub predicate_type: PredicateType,
    /// The receipt
    pub predicate: Receipt,
}

/// The one form of statements that is written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StatementForm {
    /// in-toto Statement, version 1.
    #[serde(rename = "https://in-toto.io/Statement/v1")]
    V1,
}

/// The one kind of predicate that is written and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PredicateType {
    /// A receipt, version 1.
    #[serde(rename = "https://github.com/counterfoil/counterfoil/receipt/v1")]
    ReceiptV1,
}

/// Something that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// What it is in the delivery: `tree`, `change`, or the name of the branch
    pub name: String,
    /// Its digest
    pub digest: SubjectDigest,
}

/// A digest as Git computes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SubjectDigest {
    /// The id of a commit
    #[serde(rename = "gitCommit")]
    Commit(CommitId),
    /// The id of a tree
    #[serde(rename = "gitTree")]
    Tree(TreeId),
}

impl Statement {
    /// The statement of a receipt. The same receipt gives the same bytes.
    pub fn of(receipt: &Receipt) -> Self {
        let about = |name: &str, digest| Subject {
            name: name.to_owned(),
            digest,
        };
        let mut subject = vec![about("tree", SubjectDigest::Tree(receipt.tree))];
        if let Some(delivered) = &receipt.delivered {
            subject.push(about("change", SubjectDigest::Commit(delivered.change)));
            subject.push(about(
                delivered.branch.as_str(),
                SubjectDigest::Commit(delivered.records),
            ));
        }
        Self {
            form: StatementForm::V1,
            subject,
            predicate_type: PredicateType::ReceiptV1,
            predicate: receipt.clone(),
        }
    }

    /// Reads a statement. Refuses other forms and predicates, and one that says of its receipt what that does not say.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidReceipt> {
        let shape = |reason: String| InvalidReceipt::Shape { reason };
        let statement: Self = serde_json::from_slice(bytes).map_err(|error| shape(error.to_string()))?;
        let receipt = &statement.predicate;
        if receipt.schema != 1 {
            let format = receipt.schema;
            return Err(InvalidReceipt::Format { format });
        }
        if statement.subject != Self::of(receipt).subject {
            return Err(shape("its subject is not what its predicate is about".to_owned()));
        }
        Ok(statement)
    }

    /// The bytes that are stored.
    pub fn to_bytes(&self) -> Vec<u8> {
        json_bytes(self)
    }
}
