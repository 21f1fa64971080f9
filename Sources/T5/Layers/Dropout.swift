import CKernels

/// The dropout of one matrix while training: which elements are dropped follows from a key, row and column, so that
/// rows that are computed again drop the same.
package struct DropoutSite {
    private let dropout: pp_dropout

    package init(dropout: pp_dropout) { self.dropout = dropout }

    /// That of a row.
    package func row(_ row: Int) -> pp_dropout { nested(row) }

    /// That of the probabilities of one head of the sequence whose queries begin at a row.
    package func head(_ head: Int, firstRow: Int) -> pp_dropout {
        DropoutSite(dropout: nested(head)).nested(firstRow)
    }

    private func nested(_ index: Int) -> pp_dropout {
        var nested = dropout
        nested.key = pp_dropout_key(dropout.key, UInt64(index))
        return nested
    }
}

extension DropoutSite? {
    /// Calls `body` with the dropout of a head's probabilities as the kernels take it: null for none.
    package func withHead(_ head: Int, firstRow: Int, _ body: (UnsafePointer<pp_dropout>?) -> Void) {
        guard let self else { return body(nil) }
        withUnsafePointer(to: self.head(head, firstRow: firstRow)) { body($0) }
    }
}
