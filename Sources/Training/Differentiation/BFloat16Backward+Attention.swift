import CKernels
import T5
import Tensors

/// The way back through attention in bfloat16.
extension BFloat16Backward {
    func attentionGradient(
        _ spans: [AttentionSpan], q: Rows<UInt16>, k: Rows<UInt16>, v: Rows<UInt16>,
        bias: RelativePositionBias?, dropout: DropoutSite?, _ outGradient: Rows<UInt16>, q dq: Rows<UInt16>,
        k dk: Rows<UInt16>, v dv: Rows<UInt16>, _ part: Part
    ) {
        forward.forEachHead(spans, bias: bias, dropout: dropout, part) {
            span, column, bias, dropout, workspace in
            let query = span.queries.lowerBound
            let key = span.keys.lowerBound
            var gradient = pp_attention_gradient()
            gradient.q = UnsafePointer(q.row(query) + column)
            gradient.k = UnsafePointer(k.row(key) + column)
            gradient.v = UnsafePointer(v.row(key) + column)
            gradient.d_out = UnsafePointer(outGradient.row(query) + column)
            gradient.ld_q = q.stride
            gradient.ld_k = k.stride
            gradient.ld_v = v.stride
            gradient.ld_d_out = outGradient.stride
            gradient.d_q = dq.row(query) + column
            gradient.d_k = dk.row(key) + column
            gradient.d_v = dv.row(key) + column
            gradient.ld_d_q = dq.stride
            gradient.ld_d_k = dk.stride
            gradient.ld_d_v = dv.stride
            gradient.queries = span.queries.count
            gradient.keys = span.keys.count
            gradient.head_width = configuration.headWidth
            gradient.bias = bias
            gradient.dropout = dropout
            run(&gradient, workspace)
        }
    }

    func absorbedAttentionGradient(
        _ spans: [AttentionSpan], q: Rows<UInt16>, encoded: Rows<UInt16>, _ keysValues: PackedMatrix,
        dropout: DropoutSite?, _ outGradient: Rows<UInt16>, q dq: Rows<UInt16>,
        encoded encodedGradient: Rows<Float>, _ part: Part
    ) {
        guard let absorbed = keysValues.absorbed, let values = transposed.values(keysValues) else { return }
        let heads = configuration.heads
        let rows = spans.map(\.queries).merged()
        let queries = forward.absorbedRows(part.count, &part.workspace.absorbedQueries)
        let contextGradient = forward.absorbedRows(part.count, &part.workspace.absorbedContext)
        let queriesGradient = forward.absorbedRows(part.count, &part.workspace.absorbedGradient)
        forward.absorbedQueries(of: q, absorbed.transposedKeys, into: queries, rows, part)
        forward.absorbedQueries(of: outGradient, values, into: contextGradient, rows, part)
        part.team.each(spans.count) { index in
            let span = spans[index]
            let first = span.queries.lowerBound * heads
            forward.workspaces.lend { workspace in
                var gradient = pp_attention_gradient()
                gradient.q = UnsafePointer(queries.row(first))
                gradient.k = UnsafePointer(encoded.row(span.keys.lowerBound))
                gradient.v = gradient.k
                gradient.d_out = UnsafePointer(contextGradient.row(first))
                gradient.ld_q = queries.stride
                gradient.ld_k = encoded.stride
                gradient.ld_v = encoded.stride
                gradient.ld_d_out = contextGradient.stride
                gradient.d_q = queriesGradient.row(first)
                gradient.ld_d_q = queriesGradient.stride
                gradient.d_memory = encodedGradient.row(span.keys.lowerBound)
                gradient.ld_d_memory = encodedGradient.stride
                gradient.queries = span.queries.count * heads
                gradient.keys = span.keys.count
                gradient.head_width = configuration.modelWidth
                dropout.withHead(0, firstRow: span.queries.lowerBound) { dropout in
                    gradient.dropout = dropout
                    run(&gradient, workspace)
                }
            }
        }
        // The keys' half of the matrix comes first.
        forward.headColumns(of: queriesGradient, keysValues.panels, firstPanel: 0, into: dq, rows, part)
    }

    private func run(_ gradient: inout pp_attention_gradient, _ workspace: Workspace) {
        let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
            pp_attention_gradient_scratch(gradient.keys, gradient.head_width))
        pp_attention_gradients(kernels, &gradient, scratch)
    }
}
