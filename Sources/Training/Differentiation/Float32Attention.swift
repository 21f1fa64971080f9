import CKernels
import T5
import Tensors

/// Attention in float32, a block of queries of one sequence and head at a time.
extension Float32Arithmetic {
    private static var blockRows: Int { 64 }

    /// Queries and keys of one head.
    private struct Head {
        let queries, keys: Int
        let q, k, v: Rows<Float>
        let bias: UnsafePointer<Float>?
        let dropout: pp_dropout?
        let width: Int

        /// The probabilities of a block of queries `[rows, keys]`.
        func probabilities(
            _ first: Int, _ rows: Int, into p: UnsafeMutablePointer<Float>,
            _ kernels: UnsafePointer<pp_kernels>
        ) {
            Float32Block.multiplyTransposed(
                rows, keys, width, q.row(first), q.stride, k.start, k.stride, p, keys)
            pp_f32_softmax_bias(kernels, p, keys, bias.map { $0 - first }, rows, keys)
        }

        /// Dropout of a block of the probabilities, or of their gradients.
        func drop(
            _ first: Int, _ rows: Int, _ p: UnsafeMutablePointer<Float>, _ kernels: UnsafePointer<pp_kernels>
        ) {
            guard let dropout else { return }
            for row in 0..<rows {
                var row_ = dropout
                row_.key = pp_dropout_key(dropout.key, UInt64(first + row))
                pp_f32_dropout(kernels, &row_, p + row * keys, keys)
            }
        }
    }

    /// Calls `body` for each sequence and head, with its number, in parallel.
    private func eachHead(
        _ spans: [AttentionSpan], q: Rows<Float>, k: Rows<Float>, v: Rows<Float>, bias: PositionBias?,
        dropout: DropoutSite?, _ part: Part, _ body: (Head, _ span: Int, _ column: Int, Int) -> Void
    ) {
        let heads = configuration.heads
        let width = configuration.headWidth
        func run(_ center: UnsafePointer<Float>?, _ stride: Int) {
            pool.parallel(spans.count * heads) { item in
                let span = spans[item / heads]
                let head = item % heads
                let column = head * width
                body(
                    Head(
                        queries: span.queries.count, keys: span.keys.count,
                        q: q.from(span.queries.lowerBound).column(column),
                        k: k.from(span.keys.lowerBound).column(column),
                        v: v.from(span.keys.lowerBound).column(column),
                        bias: center.map { $0 + head * stride },
                        dropout: dropout?.head(head, firstRow: part.first + span.queries.lowerBound),
                        width: width),
                    item / heads, column, item)
            }
        }
        if let bias { bias.withValues { run($0, $1) } } else { run(nil, 0) }
    }

    func attend(
        _ spans: [AttentionSpan], q: Rows<Float>, k: Rows<Float>, v: Rows<Float>, bias: PositionBias?,
        dropout: DropoutSite?, into out: Rows<Float>, _ part: Part
    ) {
        eachHead(spans, q: q, k: k, v: v, bias: bias, dropout: dropout, part) { head, span, column, _ in
            attention.lend { workspace in
                let p: UnsafeMutablePointer<Float> = workspace.normalized.reserve(Self.blockRows * head.keys)
                let to = out.from(spans[span].queries.lowerBound).column(column)
                for first in stride(from: 0, to: head.queries, by: Self.blockRows) {
                    let rows = min(Self.blockRows, head.queries - first)
                    head.probabilities(first, rows, into: p, kernels)
                    head.drop(first, rows, p, kernels)
                    Float32Block.multiply(
                        rows, head.width, head.keys, p, head.keys, head.v.start, head.v.stride, to.row(first),
                        to.stride)
                }
            }
        }
    }

    /// With P = softmax(q kᵀ + bias), O = P v: dV = Pᵀ dO, dP = dO vᵀ, dS = P ∘ (dP - rowsum(P ∘ dP)), dQ = dS k,
    /// dK = dSᵀ q.
    func attentionGradient(
        _ spans: [AttentionSpan], q: Rows<Float>, k: Rows<Float>, v: Rows<Float>, bias: PositionBias?,
        dropout: DropoutSite?, _ outGradient: Rows<Float>, q dq: Rows<Float>, k dk: Rows<Float>,
        v dv: Rows<Float>,
        _ part: Part
    ) {
        let heads = configuration.heads
        // Each head's gradient of the bias by distance, added in the sequences' order afterwards.
        let trainsBias = bias?.isTrained ?? false
        let reach = spans.map { max($0.queries.count, $0.keys.count) }
        var offsets = [0]
        for reach in reach {
            offsets.append(offsets[offsets.count - 1] + (trainsBias ? heads * (2 * reach - 1) : 0))
        }
        let sums = FloatBuffer(count: offsets[spans.count])
        sums.pointer.update(repeating: 0, count: offsets[spans.count])
        eachHead(spans, q: q, k: k, v: v, bias: bias, dropout: dropout, part) { head, span, column, item in
            attention.lend { workspace in
                let width = head.width
                let keys = head.keys
                let block = Self.blockRows * keys
                let p: UnsafeMutablePointer<Float> = workspace.normalized.reserve(2 * block)
                let dp = p + block
                let queries = spans[span].queries.lowerBound
                let dOut = outGradient.from(queries).column(column)
                let dq = dq.from(queries).column(column)
                let dk = dk.from(spans[span].keys.lowerBound).column(column)
                let dv = dv.from(spans[span].keys.lowerBound).column(column)
                for first in stride(from: 0, to: head.queries, by: Self.blockRows) {
                    let rows = min(Self.blockRows, head.queries - first)
                    head.probabilities(first, rows, into: p, kernels)
                    Float32Block.multiplyTransposed(
                        rows, keys, width, dOut.row(first), dOut.stride, head.v.start, head.v.stride, dp, keys
                    )
                    head.drop(first, rows, dp, kernels)
                    pp_f32_softmax_gradient(kernels, p, keys, dp, keys, rows, keys)
                    head.drop(first, rows, p, kernels)
                    Float32Block.multiplyLeftTransposed(
                        keys, width, rows, p, keys, dOut.row(first), dOut.stride, dv.start, dv.stride,
                        accumulate: first > 0)
                    Float32Block.multiply(
                        rows, width, keys, dp, keys, head.k.start, head.k.stride, dq.row(first), dq.stride)
                    Float32Block.multiplyLeftTransposed(
                        keys, width, rows, dp, keys, head.q.row(first), head.q.stride, dk.start, dk.stride,
                        accumulate: first > 0)
                    guard trainsBias else { continue }
                    let vector = 2 * reach[span] - 1
                    let center = sums.pointer + offsets[span] + item % heads * vector + reach[span] - 1
                    for row in 0..<rows {
                        let to = center - (first + row)
                        for key in 0..<keys { to[key] += dp[row * keys + key] }
                    }
                }
            }
        }
        guard trainsBias, let bias else { return }
        for span in spans.indices {
            let vector = 2 * reach[span] - 1
            for head in 0..<heads {
                let start = sums.pointer + offsets[span] + head * vector
                bias.add(UnsafeBufferPointer(start: start, count: vector), head: head)
            }
        }
    }
}
