import CKernels
import Tensors

/// Queries and keys of one head of one sequence.
package struct Float32Head {
    package let queries, keys: Int
    package let q, k, v: Rows<Float>
    package let bias: UnsafePointer<Float>?
    package let dropout: pp_dropout?
    package let width: Int
    package let kernels: UnsafePointer<pp_kernels>

    /// Queries computed together.
    package static let blockRows = 64

    /// The probabilities of a block of queries `[rows, keys]`.
    package func probabilities(_ first: Int, _ rows: Int, into p: UnsafeMutablePointer<Float>) {
        Float32Block.multiplyTransposed(
            rows, keys, width, q.row(first), q.stride, k.start, k.stride, p, keys)
        pp_f32_softmax_bias(kernels, p, keys, bias.map { $0 - first }, rows, keys)
    }

    /// Dropout of a block of the probabilities, or of their gradients.
    package func drop(_ first: Int, _ rows: Int, _ p: UnsafeMutablePointer<Float>) {
        guard var dropout else { return }
        let key = dropout.key
        for row in 0..<rows {
            dropout.key = pp_dropout_key(key, UInt64(first + row))
            pp_f32_dropout(kernels, &dropout, p + row * keys, keys)
        }
    }
}

/// Attention in float32, a block of queries of one sequence and head at a time.
extension Float32Operations {
    /// One head of a span.
    package func head(
        _ number: Int, _ span: AttentionSpan, q: Rows<Float>, k: Rows<Float>, v: Rows<Float>,
        bias: RelativePositionBias?, dropout: DropoutSite?, _ part: Part
    ) -> Float32Head {
        let width = configuration.headWidth
        let column = number * width
        return Float32Head(
            queries: span.queries.count, keys: span.keys.count,
            q: q.from(span.queries.lowerBound).column(column),
            k: k.from(span.keys.lowerBound).column(column),
            v: v.from(span.keys.lowerBound).column(column), bias: bias?.center(head: number),
            dropout: dropout?.head(number, firstRow: part.first + span.queries.lowerBound), width: width,
            kernels: kernels)
    }

    package func attend(
        _ spans: [AttentionSpan], q: Rows<Float>, k: Rows<Float>, v: Rows<Float>,
        bias: RelativePositionBias?, dropout: DropoutSite?, into out: Rows<Float>, _ part: Part
    ) {
        let heads = configuration.heads
        let block = Float32Head.blockRows
        // Blocks of one sequence are spread over the threads too, so that a long one is.
        let tiles = spans.indices.flatMap { span in
            Swift.stride(from: 0, to: spans[span].queries.count, by: block).map { (span: span, first: $0) }
        }
        part.team.each(tiles.count * heads) { item in
            let (index, first) = tiles[item / heads]
            let number = item % heads
            let span = spans[index]
            let head = head(number, span, q: q, k: k, v: v, bias: bias, dropout: dropout, part)
            let rows = min(block, head.queries - first)
            workspaces.lend { workspace in
                let p: UnsafeMutablePointer<Float> = workspace.attention.reserve(block * head.keys)
                head.probabilities(first, rows, into: p)
                head.drop(first, rows, p)
                Float32Block.multiply(
                    rows, head.width, head.keys, p, head.keys, head.v.start, head.v.stride,
                    out.row(span.queries.lowerBound + first) + number * head.width, out.stride)
            }
        }
    }

    package func attend(
        _ rows: [CachedRow<Float>], q: Rows<Float>, bias: RelativePositionBias?, longest: Int,
        into out: Rows<Float>, _ part: Part
    ) {
        let heads = configuration.heads
        let width = configuration.headWidth
        part.team.split(rows.count * heads, grain: 1) { range in
            workspaces.lend { workspace in
                let scores: UnsafeMutablePointer<Float> = workspace.attention.reserve(longest)
                for item in range {
                    let row = rows[item / heads]
                    let head = item % heads
                    let keys = row.keysValues + head * width
                    func attend(_ path: UnsafePointer<Int32>?) {
                        pp_f32_attend(
                            kernels, q.row(row.number) + head * width, keys, 2 * inner, keys + inner,
                            2 * inner, path, row.keys, width,
                            bias.map { $0.center(head: head) - row.position },
                            scores, out.row(row.number) + head * width)
                    }
                    if let path = row.path {
                        path.withUnsafeBufferPointer { attend($0.baseAddress) }
                    } else {
                        attend(nil)
                    }
                }
            }
        }
    }
}
