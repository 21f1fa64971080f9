import CKernels
import T5
import Tensors

/// The way back through attention in float32, a block of queries of one sequence and head at a time.
extension Float32Backward {
    /// With P = softmax(q kᵀ + bias), O = P v: dV = Pᵀ dO, dP = dO vᵀ, dS = P ∘ (dP - rowsum(P ∘ dP)), dQ = dS k,
    /// dK = dSᵀ q.
    func attentionGradient(
        _ spans: [AttentionSpan], q: Rows<Float>, k: Rows<Float>, v: Rows<Float>, bias: RelativePositionBias?,
        dropout: DropoutSite?, _ outGradient: Rows<Float>, q dq: Rows<Float>, k dk: Rows<Float>,
        v dv: Rows<Float>, _ part: Part
    ) {
        let heads = forward.configuration.heads
        // Each head's gradient of the bias by distance, added in the sequences' order afterwards.
        let biasGradient = gradient(of: bias)
        let reach = spans.map { max($0.queries.count, $0.keys.count) }
        var offsets = [0]
        for reach in reach {
            offsets.append(
                offsets[offsets.count - 1] + (biasGradient == nil ? 0 : heads * (2 * reach - 1)))
        }
        let sums = [Float](unsafeUninitializedCapacity: offsets[spans.count]) { sums, initialized in
            sums.initialize(repeating: 0)
            initialized = sums.count
            guard let start = sums.baseAddress else { return }
            part.team.each(spans.count * heads) { item in
                let index = item / heads
                let number = item % heads
                let span = spans[index]
                let head = forward.head(number, span, q: q, k: k, v: v, bias: bias, dropout: dropout, part)
                let column = number * head.width
                let center = start + offsets[index] + number * (2 * reach[index] - 1) + reach[index] - 1
                differentiate(
                    head, outGradient.from(span.queries.lowerBound).column(column),
                    q: dq.from(span.queries.lowerBound).column(column),
                    k: dk.from(span.keys.lowerBound).column(column),
                    v: dv.from(span.keys.lowerBound).column(column),
                    bias: biasGradient == nil ? nil : center)
            }
        }
        guard let biasGradient else { return }
        sums.withUnsafeBufferPointer { sums in
            for span in spans.indices {
                let vector = 2 * reach[span] - 1
                for head in 0..<heads {
                    let start = offsets[span] + head * vector
                    biasGradient.add(
                        UnsafeBufferPointer(rebasing: sums[start..<start + vector]), head: head)
                }
            }
        }
    }

    /// - Parameter center: The head's gradient of the bias at distance 0.
    private func differentiate(
        _ head: Float32Head, _ dOut: Rows<Float>, q dq: Rows<Float>, k dk: Rows<Float>, v dv: Rows<Float>,
        bias center: UnsafeMutablePointer<Float>?
    ) {
        let (width, keys) = (head.width, head.keys)
        let block = Float32Head.blockRows * keys
        forward.workspaces.lend { workspace in
            let p: UnsafeMutablePointer<Float> = workspace.attention.reserve(2 * block)
            let dp = p + block
            for first in Swift.stride(from: 0, to: head.queries, by: Float32Head.blockRows) {
                let rows = min(Float32Head.blockRows, head.queries - first)
                head.probabilities(first, rows, into: p)
                Float32Block.multiplyTransposed(
                    rows, keys, width, dOut.row(first), dOut.stride, head.v.start, head.v.stride, dp, keys)
                head.drop(first, rows, dp)
                pp_f32_softmax_gradient(forward.kernels, p, keys, dp, keys, rows, keys)
                head.drop(first, rows, p)
                Float32Block.multiplyLeftTransposed(
                    keys, width, rows, p, keys, dOut.row(first), dOut.stride, dv.start, dv.stride,
                    accumulate: first > 0)
                Float32Block.multiply(
                    rows, width, keys, dp, keys, head.k.start, head.k.stride, dq.row(first), dq.stride)
                Float32Block.multiplyLeftTransposed(
                    keys, width, rows, dp, keys, head.q.row(first), head.q.stride, dk.start, dk.stride,
                    accumulate: first > 0)
                guard let center else { continue }
                for row in 0..<rows {
                    let to = center - (first + row)
                    for key in 0..<keys { to[key] += dp[row * keys + key] }
                }
            }
        }
    }
}
