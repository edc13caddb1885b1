//! Receipts and statements that somebody brings along.

use ledger_core::{Receipt, Statement};

/// A receipt, as itself or as a statement of in-toto.
pub fn receipt(data: &[u8]) {
    if let Ok(receipt) = Receipt::parse(data) {
        let bytes = receipt.to_bytes();
        assert_eq!(Receipt::parse(&bytes).as_ref(), Ok(&receipt));
        assert_eq!(receipt.digest(), ledger_core::Digest::of(&bytes));
        let statement = Statement::of(&receipt);
        assert_eq!(Statement::parse(&statement.to_bytes()), Ok(statement));
    }
    if let Ok(statement) = Statement::parse(data) {
        assert_eq!(
            Statement::of(&statement.predicate),
            statement,
            "it says nothing beside its receipt"
        );
        assert_eq!(Statement::parse(&statement.to_bytes()), Ok(statement));
    }
}
