import CKernels
import Tensors

/// Attention in bfloat16, one sequence and head at a time.
extension PackedOperations {
    /// Calls `body` for each span and head with its first column, its bias at distance 0, and its dropout. Span by
    /// span, so that a sequence's keys and values are read while they are in the cache.
    package func forEachHead(
        _ spans: [AttentionSpan], bias: RelativePositionBias?, dropout: DropoutSite?, _ part: Part,
        _ body: (
            AttentionSpan, _ column: Int, UnsafePointer<Float>?, UnsafePointer<pp_dropout>?, Workspace
        ) -> Void
    ) {
        let heads = configuration.heads
        part.team.split(spans.count * heads, grain: 1) { range in
            workspaces.lend { workspace in
                for item in range {
                    let span = spans[item / heads]
                    let head = item % heads
                    dropout.withHead(head, firstRow: part.first + span.queries.lowerBound) { dropout in
                        body(
                            span, head * configuration.headWidth, bias?.center(head: head), dropout, workspace
                        )
                    }
                }
            }
        }
    }

    package func attend(
        _ spans: [AttentionSpan], q: Rows<UInt16>, k: Rows<UInt16>, v: Rows<UInt16>,
        bias: RelativePositionBias?, dropout: DropoutSite?, into out: Rows<UInt16>, _ part: Part
    ) {
        forEachHead(spans, bias: bias, dropout: dropout, part) { span, column, bias, dropout, workspace in
            var attention = pp_attention()
            attention.q = UnsafePointer(q.row(span.queries.lowerBound) + column)
            attention.k = UnsafePointer(k.row(span.keys.lowerBound) + column)
            attention.v = UnsafePointer(v.row(span.keys.lowerBound) + column)
            attention.ld_q = q.stride
            attention.ld_k = k.stride
            attention.ld_v = v.stride
            attention.out = out.row(span.queries.lowerBound) + column
            attention.ld_out = out.stride
            attention.keys = span.keys.count
            attention.head_width = configuration.headWidth
            attention.bias = bias
            attention.dropout = dropout
            let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                pp_attention_scratch(span.keys.count, configuration.headWidth))
            pp_attention_block(kernels, &attention, 0, span.queries.count, scratch)
        }
    }

    package func attend(
        _ rows: [CachedRow<UInt16>], q: Rows<UInt16>, bias: RelativePositionBias?, longest: Int,
        into out: Rows<UInt16>, _ part: Part
    ) {
        let (heads, headWidth) = (configuration.heads, configuration.headWidth)
        part.team.split(rows.count, grain: 1) { range in
            workspaces.lend { workspace in
                let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                    pp_attention_decode_scratch(longest, heads, headWidth))
                for cached in rows[range] {
                    var row = pp_attention_row()
                    row.q = UnsafePointer(q.row(cached.number))
                    row.out = out.row(cached.number)
                    row.k = cached.keysValues
                    row.v = cached.keysValues + inner
                    row.ld_k = 2 * inner
                    row.ld_v = 2 * inner
                    row.keys = cached.keys
                    row.heads = heads
                    row.head_width = headWidth
                    row.position = cached.position
                    if let bias {
                        row.bias = bias.center(head: 0)
                        row.ld_bias = bias.stride
                    }
                    if let path = cached.path {
                        path.withUnsafeBufferPointer { path in
                            row.path = path.baseAddress
                            pp_attention_decode(kernels, &row, scratch)
                        }
                    } else {
                        pp_attention_decode(kernels, &row, scratch)
                    }
                }
            }
        }
    }
}
