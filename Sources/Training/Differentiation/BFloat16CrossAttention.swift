import CKernels
import T5
import Tensors

/// Cross-attention of a few decoder rows without keys and values.
///
/// The matrices that would make keys and values of every encoder row e are moved to the other side, where there are
/// few rows: `q · (Wk e) = (Wkᵀ q) · e` and `Σ p (Wv e) = Wv (Σ p e)`. Each head of each decoder row becomes one query
/// of the model's width over the encoder's output itself, which is both keys and values.
extension BFloat16Arithmetic {
    /// Decided by the sequence alone, so that its numbers do not depend on the batch.
    func absorbsKeysValues(_ span: AttentionSpan) -> Bool {
        span.queries.count * 8 <= configuration.headWidth && configuration.headWidth % Int(PP_PANEL) == 0
    }

    func crossAttend(
        _ cross: CrossAttentionRows<UInt16>, _ keysValues: BFloat16Matrix, dropout: DropoutSite?,
        into context: Rows<UInt16>, _ part: Part
    ) {
        let plain = cross.spans.filter { !absorbsKeysValues($0) }
        if !plain.isEmpty {
            attendKeysValues(cross.only(plain), keysValues, dropout: dropout, into: context, part)
        }
        let spans = cross.spans.filter { absorbsKeysValues($0) }
        guard !spans.isEmpty else { return }
        let queries = self.queries(part.count, in: &part.workspace.wide)
        let mixed = self.queries(part.count, in: &part.workspace.hidden)
        spread(cross.q, keysValues, .keys, into: queries, spans, part)
        part.team.each(spans.count) { index in
            let span = spans[index]
            attention.lend { workspace in
                var attention = pp_attention()
                attention.q = UnsafePointer(queries.row(span.queries.lowerBound * configuration.heads))
                attention.k = UnsafePointer(cross.encoded.row(span.keys.lowerBound))
                attention.v = attention.k
                attention.ld_q = queries.stride
                attention.ld_k = cross.encoded.stride
                attention.ld_v = cross.encoded.stride
                attention.out = mixed.row(span.queries.lowerBound * configuration.heads)
                attention.ld_out = mixed.stride
                attention.keys = span.keys.count
                attention.head_width = configuration.modelWidth
                let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                    pp_attention_scratch(span.keys.count, configuration.modelWidth))
                withDropout(dropout, span) { dropout in
                    attention.dropout = dropout
                    pp_attention_block(
                        kernels, &attention, 0, span.queries.count * configuration.heads, scratch)
                }
            }
        }
        gather(mixed, keysValues, .values, into: context, spans, part)
    }

    func crossAttentionGradient(
        _ cross: CrossAttentionRows<UInt16>, _ keysValues: BFloat16Matrix, dropout: DropoutSite?,
        _ contextGradient: Rows<UInt16>, q dq: Rows<UInt16>, encoded: Rows<Float>, _ part: Part
    ) {
        let plain = cross.spans.filter { !absorbsKeysValues($0) }
        if !plain.isEmpty {
            keysValuesGradient(
                cross.only(plain), keysValues, dropout: dropout, contextGradient, q: dq, encoded: encoded,
                part)
        }
        let spans = cross.spans.filter { absorbsKeysValues($0) }
        guard !spans.isEmpty else { return }
        let queries = self.queries(part.count, in: &part.workspace.wide)
        let mixedGradient = self.queries(part.count, in: &part.workspace.hidden)
        let queriesGradient = self.queries(part.count, in: &part.workspace.wideGradient)
        spread(cross.q, keysValues, .keys, into: queries, spans, part)
        spread(contextGradient, keysValues, .values, into: mixedGradient, spans, part)
        part.team.each(spans.count) { index in
            let span = spans[index]
            let first = span.queries.lowerBound * configuration.heads
            attention.lend { workspace in
                var gradient = pp_attention_gradient()
                gradient.q = UnsafePointer(queries.row(first))
                gradient.k = UnsafePointer(cross.encoded.row(span.keys.lowerBound))
                gradient.v = gradient.k
                gradient.d_out = UnsafePointer(mixedGradient.row(first))
                gradient.ld_q = queries.stride
                gradient.ld_k = cross.encoded.stride
                gradient.ld_v = cross.encoded.stride
                gradient.ld_d_out = mixedGradient.stride
                gradient.d_q = queriesGradient.row(first)
                gradient.ld_d_q = queriesGradient.stride
                gradient.d_memory = encoded.row(span.keys.lowerBound)
                gradient.ld_d_memory = encoded.stride
                gradient.queries = span.queries.count * configuration.heads
                gradient.keys = span.keys.count
                gradient.head_width = configuration.modelWidth
                let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                    pp_attention_gradient_scratch(span.keys.count, configuration.modelWidth))
                withDropout(dropout, span) { dropout in
                    gradient.dropout = dropout
                    pp_attention_gradients(kernels, &gradient, scratch)
                }
            }
        }
        gather(queriesGradient, keysValues, .keys, into: dq, spans, part)
    }

    // MARK: Products of one head

    /// A row of the model's width for each head of each decoder row.
    private func queries(_ rows: Int, in scratch: inout Scratch) -> Rows<UInt16> {
        let spacing = spacing(configuration.modelWidth)
        return Rows(start: scratch.reserve(rows * configuration.heads * spacing), stride: spacing)
    }

    private func withDropout(
        _ site: DropoutSite?, _ span: AttentionSpan, _ body: (UnsafePointer<pp_dropout>?) -> Void
    ) {
        guard let site else { return body(nil) }
        withUnsafePointer(to: site.head(0, firstRow: span.queries.lowerBound)) { body($0) }
    }

    /// Each head's columns become a row of the model's width: `out[row, head] = x[row, head] W[head]`.
    private func spread(
        _ x: Rows<UInt16>, _ matrix: BFloat16Matrix, _ side: KeysOrValues, into out: Rows<UInt16>,
        _ spans: [AttentionSpan], _ part: Part
    ) {
        let heads = configuration.heads
        let rows = Self.joined(spans)
        part.team.each(heads) { head in
            for range in rows {
                var gemm = pp_gemm()
                gemm.a = UnsafeRawPointer(x.row(range.lowerBound) + head * configuration.headWidth)
                gemm.lda = x.stride
                gemm.panels = UnsafeRawPointer(matrix.backOfHead[side.rawValue * heads + head])
                gemm.k = configuration.headWidth
                gemm.columns = configuration.modelWidth
                gemm.bf16 = out.row(range.lowerBound * heads + head)
                gemm.ld_bf16 = heads * out.stride
                multiplyHead(&gemm, range.count, panels: matrix.backPanelCount)
            }
        }
    }

    /// The way back: `out[row, head] = x[row, head] W[head]ᵀ`, columns of heads from rows of the model's width.
    private func gather(
        _ x: Rows<UInt16>, _ matrix: BFloat16Matrix, _ side: KeysOrValues, into out: Rows<UInt16>,
        _ spans: [AttentionSpan], _ part: Part
    ) {
        let heads = configuration.heads
        let panels = configuration.headWidth / Int(PP_PANEL)
        let rows = Self.joined(spans)
        part.team.each(heads) { head in
            for range in rows {
                var gemm = pp_gemm()
                gemm.a = UnsafeRawPointer(x.row(range.lowerBound * heads + head))
                gemm.lda = heads * x.stride
                gemm.panels =
                    matrix.forward.panels + (side.rawValue * heads + head) * panels * matrix.forward.panelSize
                gemm.k = configuration.modelWidth
                gemm.columns = configuration.headWidth
                gemm.bf16 = out.row(range.lowerBound) + head * configuration.headWidth
                gemm.ld_bf16 = out.stride
                multiplyHead(&gemm, range.count, panels: panels)
            }
        }
    }

    private func multiplyHead(_ gemm: inout pp_gemm, _ rows: Int, panels: Int) {
        gemm.epilogue = PP_STORE_BF16
        pp_gemm_bf16(kernels, &gemm, 0, rows, 0, panels)
    }

    /// The sequences' decoder rows as few ranges as possible.
    private static func joined(_ spans: [AttentionSpan]) -> [Range<Int>] {
        spans.reduce(into: []) { ranges, span in
            if let last = ranges.last, last.upperBound == span.queries.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<span.queries.upperBound
            } else {
                ranges.append(span.queries)
            }
        }
    }
}

/// A half of the matrix that makes keys and values.
private enum KeysOrValues: Int {
    case keys, values
}
