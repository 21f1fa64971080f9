import Tensors

/// A float32 matrix as checkpoints have it: one or more `[output, input]` whose outputs stand side by side, read where
/// they lie.
package struct Float32Matrix: Sendable {
    package let pieces: [FloatTensor]

    package init(pieces: [FloatTensor]) { self.pieces = pieces }

    /// Width of its input rows.
    package var inputs: Int { pieces[0].shape[1] }

    /// Calls `body` with each piece and its first output among all.
    package func forEachPiece(_ body: (_ piece: FloatTensor, _ first: Int) -> Void) {
        var first = 0
        for piece in pieces {
            body(piece, first)
            first += piece.shape[0]
        }
    }
}

extension T5Weights<[StoredTensor], StoredTensor> {
    /// The weights as float32: in place where they are stored so.
    func floats() -> T5Weights<Float32Matrix, FloatTensor> {
        map(
            matrix: { tensors, _, _ in Float32Matrix(pieces: tensors.map { $0.floats() }) },
            tensor: { $0.floats() })
    }
}
