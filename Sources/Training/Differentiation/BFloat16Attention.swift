import CKernels
import T5
import Tensors

/// Attention in bfloat16, one sequence and head at a time.
extension BFloat16Arithmetic {
    /// Calls `body` for each sequence and head with its first column and bias.
    private func eachHead(
        _ spans: [AttentionSpan], bias: PositionBias?, dropout: DropoutSite?, _ part: Part,
        _ body: (
            AttentionSpan, _ column: Int, UnsafePointer<Float>?, UnsafePointer<pp_dropout>?, PassWorkspace
        ) -> Void
    ) {
        let heads = configuration.heads
        func run(_ center: UnsafePointer<Float>?, _ stride: Int) {
            part.team.each(spans.count * heads) { item in
                attention.lend { workspace in
                    let span = spans[item / heads]
                    let head = item % heads
                    let bias = center.map { $0 + head * stride }
                    let column = head * configuration.headWidth
                    if let dropout {
                        let dropout = dropout.head(head, firstRow: part.first + span.queries.lowerBound)
                        withUnsafePointer(to: dropout) { body(span, column, bias, $0, workspace) }
                    } else {
                        body(span, column, bias, nil, workspace)
                    }
                }
            }
        }
        if let bias { bias.withValues { run($0, $1) } } else { run(nil, 0) }
    }

    func attend(
        _ spans: [AttentionSpan], q: Rows<UInt16>, k: Rows<UInt16>, v: Rows<UInt16>, bias: PositionBias?,
        dropout: DropoutSite?, into out: Rows<UInt16>, _ part: Part
    ) {
        let width = configuration.headWidth
        eachHead(spans, bias: bias, dropout: dropout, part) { span, column, bias, dropout, workspace in
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
            attention.head_width = width
            attention.bias = bias
            attention.dropout = dropout
            let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                pp_attention_scratch(span.keys.count, width))
            pp_attention_block(kernels, &attention, 0, span.queries.count, scratch)
        }
    }

    func attentionGradient(
        _ spans: [AttentionSpan], q: Rows<UInt16>, k: Rows<UInt16>, v: Rows<UInt16>, bias: PositionBias?,
        dropout: DropoutSite?, _ outGradient: Rows<UInt16>, q dq: Rows<UInt16>, k dk: Rows<UInt16>,
        v dv: Rows<UInt16>, _ part: Part
    ) {
        let width = configuration.headWidth
        eachHead(spans, bias: bias, dropout: dropout, part) { span, column, bias, dropout, workspace in
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
            gradient.head_width = width
            gradient.bias = bias
            gradient.dropout = dropout
            let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                pp_attention_gradient_scratch(span.keys.count, width))
            pp_attention_gradients(kernels, &gradient, scratch)
        }
    }
}
