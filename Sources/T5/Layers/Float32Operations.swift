import CKernels
import Tensors

/// The operations in float32 on OpenBLAS: the reference mode. All threads share each step.
///
/// Wide rows of a gated layer are the gate's columns, then those of the other factor.
package final class Float32Operations: CoreOperations<Float32Matrix>, LayerOperations {
    package typealias Element = Float
    package typealias Weights = T5Weights<Float32Matrix, FloatTensor>

    /// Rows of the feed-forward layer computed together, which bounds its scratch memory.
    private static let feedForwardRows = 1024

    package func stride(_ width: Int) -> Int { width }

    package func groups(_ lengths: [Int]) -> [Range<Int>] { [0..<lengths.count - 1] }

    // MARK: Products

    package func elements(_ x: Rows<Float>, _ count: Int, _ part: Part) -> Rows<Float> { x }

    package func project(
        _ x: Rows<Float>, _ norm: FloatTensor, _ matrix: Float32Matrix, into out: Rows<Float>, _ part: Part
    ) {
        multiply(normalized(x, norm, part), part.count, matrix, into: out, part)
    }

    /// RMSNorm(x) in scratch memory.
    package func normalized(_ x: Rows<Float>, _ norm: FloatTensor, _ part: Part) -> Rows<Float> {
        let out = scratch(configuration.modelWidth, part.count, &part.workspace.normalized)
        normalize(x, norm, into: out, part)
        return out
    }

    package func multiply(
        _ a: Rows<Float>, _ count: Int, _ matrix: Float32Matrix, into out: Rows<Float>, _ part: Part
    ) {
        multiply(a, count, matrix, into: out, adding: false)
    }

    package func addProduct(_ a: Rows<Float>, _ matrix: Float32Matrix, to x: Rows<Float>, _ part: Part) {
        multiply(a, part.count, matrix, into: x, adding: true)
    }

    private func multiply(
        _ a: Rows<Float>, _ count: Int, _ matrix: Float32Matrix, into out: Rows<Float>, adding: Bool
    ) {
        matrix.forEachPiece { piece, first in
            pool.multiply(
                rows: count, columns: piece.shape[0], inner: matrix.inputs, a.start, stride: a.stride,
                piece.pointer, stride: matrix.inputs, into: out.start + first, stride: out.stride,
                accumulate: adding)
        }
    }

    // MARK: Feed-forward

    package func addFeedForward(to x: Rows<Float>, _ layer: Weights.FeedForward, _ part: Part) {
        for start in Swift.stride(from: 0, to: part.count, by: Self.feedForwardRows) {
            let rows = x.from(start)
            let block = Part(
                first: part.first + start, count: min(Self.feedForwardRows, part.count - start),
                sequences: part.sequences, spans: [], team: part.team, workspace: part.workspace)
            let wide = scratch(wideWidth, block.count, &block.workspace.wide)
            widen(rows, layer, into: wide, dropout: nil, block)
            addProduct(hidden(wide, dropout: nil, block), layer.wo, to: rows, block)
        }
    }

    package var wideWidth: Int {
        configuration.feedForwardWidth * configuration.feedForward.inputNames.count
    }

    package func widen(
        _ x: Rows<Float>, _ norm: FloatTensor, _ matrix: Float32Matrix, into wide: Rows<Float>, _ part: Part
    ) {
        project(x, norm, matrix, into: wide, part)
        guard !configuration.feedForward.isGated else { return }
        part.team.split(part.count, grain: 1) { range in
            pp_f32_relu(kernels, wide.row(range.lowerBound), range.count * wide.stride)
        }
    }

    package func gate(_ wide: Rows<Float>, into hidden: Rows<Float>, _ part: Part) {
        let width = configuration.feedForwardWidth
        part.team.split(part.count, grain: 1) { range in
            let row = wide.row(range.lowerBound)
            pp_f32_gate(
                kernels, row, row + width, wide.stride, range.count, width, hidden.row(range.lowerBound),
                hidden.stride)
        }
    }

    package func drop(_ rows: Rows<Float>, width: Int, _ site: DropoutSite, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            for row in range {
                var dropout = site.row(part.first + row)
                pp_f32_dropout(kernels, &dropout, rows.row(row), width)
            }
        }
    }

    // MARK: Head

    package func logits(_ hidden: Rows<Float>, _ count: Int, into logits: Rows<Float>, _ part: Part) {
        multiply(hidden, count, weights.head, into: logits, part)
    }

    package func logits(_ hidden: UnsafePointer<Float>, of ids: [Int32]) -> [Float] {
        let d = configuration.modelWidth
        return ids.map { pp_f32_dot(kernels, hidden, weights.head.pieces[0].pointer + Int($0) * d, d) }
    }

    package func likeliest(_ hidden: Rows<Float>, _ count: Int, _ part: Part) -> [Int32?] {
        let vocabulary = configuration.vocabularySize
        let block = 64
        let logits = scratch(vocabulary, min(count, block), &part.workspace.logits)
        var ids: [Int32?] = []
        for start in Swift.stride(from: 0, to: count, by: block) {
            let rows = min(block, count - start)
            self.logits(hidden.from(start), rows, into: logits, part)
            for row in 0..<rows {
                let id = pp_f32_argmax(logits.row(row), vocabulary)
                ids.append(logits.row(row)[id].isFinite ? Int32(id) : nil)
            }
        }
        return ids
    }
}
