//! Consent: who approved or canceled which bytes of a ticket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::document::{DocumentError, document_text, locate, read_toml};
use crate::object::BlobId;
use crate::path::RepoPath;
use crate::spec::RequirementId;

/// `approval.toml`: a person's consent to exactly these bytes. An edit of any covered file voids it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Approval")]
pub struct Approval {
    /// Version of this format
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// How consent was given
    pub kind: ApprovalKind,
    /// Who gave it, as Git names that person
    pub by: String,
    /// When it was given
    pub at: jiff::Timestamp,
    /// The repository that it is for
    pub repository: String,
    /// The label of an issue, where that was the consent
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelConsent>,
    /// Every covered file
    #[schemars(length(min = 1))]
    pub file: Vec<CoveredFile>,
    /// What the linked delta modifies or removes, as it was required then
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<ReplacedRequirement>,
    /// Reserved for a signature over the rest
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// How consent was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalKind {
    /// By a person with `foil approve`
    Person,
    /// By a label on an issue
    Label,
}

/// A label on an issue that counts as consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelConsent {
    /// The number
    pub number: u64,
    /// The label
    pub label: String,
    /// Who set it
    pub actor: String,
    /// What that person may do in the repository
    pub permission: String,
    /// Digest of the body when the label was seen
    pub body: Digest,
}

/// Reserved: a signature over the approval. No version reads it yet, so a file that has one is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signature {}

/// A file that consent covers, by its committed bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CoveredFile {
    /// Its path in the repository
    pub path: RepoPath,
    /// Its blob
    pub blob: BlobId,
    /// SHA-256 of its bytes
    pub sha256: Digest,
}

/// A current requirement that consent lets a delta modify or remove, by what it says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplacedRequirement {
    /// Its name
    pub requirement: RequirementId,
    /// The file of the current specs that has it
    pub path: RepoPath,
    /// SHA-256 of its row, without the spaces around its cells
    pub sha256: Digest,
}

impl Approval {
    /// Reads `approval.toml`. Refuses other formats, a label without its facts, and an empty or doubled list of files.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let approval: Self = read_toml(bytes)?;
        let wrong: Option<(&str, String)> = if approval.schema != 1 {
            Some((
                "schema",
                format!("this foil reads approval format 1, not {}", approval.schema),
            ))
        } else if approval.signature.is_some() {
            Some(("signature", "signed approvals need a newer foil".to_owned()))
        } else if (approval.kind == ApprovalKind::Label) != approval.label.is_some() {
            Some((
                "kind",
                "an approval of kind `label` has a `[label]` table, and no other has".to_owned(),
            ))
        } else if approval.file.is_empty() {
            Some(("file", "an approval covers at least one file".to_owned()))
        } else {
            let mut paths: Vec<_> = approval.file.iter().map(|file| &file.path).collect();
            paths.sort();
            paths
                .windows(2)
                .find(|pair| pair[0] == pair[1])
                .map(|pair| ("file", format!("`{}` is covered twice", pair[0])))
        };
        match wrong {
            None => Ok(approval),
            Some((key, message)) => {
                let text = document_text(bytes)?;
                Err(DocumentError::at(text, locate(text, &[key]), message))
            }
        }
    }

    /// The file as `foil approve` writes it.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// `canceled.toml`: a person closed the ticket. It never runs again until the file is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Cancellation")]
pub struct Cancellation {
    /// Version of this format
    #[schemars(range(min = 1, max = 1))]
    pub schema: u32,
    /// Who canceled it, as Git names that person
    pub by: String,
    /// When
    pub at: jiff::Timestamp,
    /// Why
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Cancellation {
    /// Reads `canceled.toml`. Refuses other formats.
    pub fn parse(bytes: &[u8]) -> Result<Self, DocumentError> {
        let cancellation: Self = read_toml(bytes)?;
        if cancellation.schema == 1 {
            return Ok(cancellation);
        }
        let text = document_text(bytes)?;
        let message = format!("this foil reads cancellation format 1, not {}", cancellation.schema);
        Err(DocumentError::at(text, locate(text, &["schema"]), message))
    }

    /// The file as `foil cancel` writes it.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}
