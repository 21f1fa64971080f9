import CKernels
import Tensors

/// Cross-attention of a few decoder rows without keys and values.
///
/// The matrices that would make keys and values of every encoder row e are moved to the other side, where there are
/// few rows: `q · (Wk e) = (Wkᵀ q) · e` and `Σ p (Wv e) = Wv (Σ p e)`. Each head of each decoder row becomes a query of
/// the model's width over the encoder's output itself, which is both keys and values, the same for all layers.
extension PackedLayers {
    func encoderOutputs(
        _ x: UnsafePointer<Float>, lengths: [Int], decoderRows: (Int) -> Int?
    ) -> [AlignedBuffer?] {
        let d = configuration.modelWidth
        let isDirect = lengths.indices.dropLast().map { sequence in
            decoderRows(sequence).map {
                readsEncoderOutput(keys: lengths[sequence + 1] - lengths[sequence], decoderRows: $0)
            } ?? false
        }
        return pool.map(Array(isDirect.indices)) { sequence in
            guard isDirect[sequence] else { return nil }
            let rows = lengths[sequence]..<lengths[sequence + 1]
            let panels = AlignedBuffer(pp_attention_panels(rows.count, d), of: UInt8.self)
            withWorkspace { workspace in
                let cast: UnsafeMutablePointer<UInt16> = workspace.hidden.reserve(rows.count * stride(d))
                for (number, row) in rows.enumerated() {
                    pp_f32_to_bf16(kernels, d, x + row * d, cast + number * stride(d))
                }
                var memory = pp_attention()
                memory.k = UnsafePointer(cast)
                memory.v = memory.k
                memory.ld_k = stride(d)
                memory.ld_v = stride(d)
                memory.keys = rows.count
                memory.head_width = d
                pp_attention_pack(kernels, &memory, panels.pointer)
            }
            return panels
        }
    }

    /// Whether a sequence is attended to without keys and values: decided by the sequence and its request alone, so
    /// that its numbers do not depend on the batch.
    private func readsEncoderOutput(keys: Int, decoderRows: Int) -> Bool {
        guard weights.decoder.allSatisfy({ $0.crossDirect != nil }) else { return false }
        let d = Double(configuration.modelWidth)
        let matrices = 2 * d * Double(configuration.innerWidth)
        let attention = 2 * d * Double(configuration.heads * keys)
        // Multiplications a layer. Few rows make less of each weight that is read, so the direct way has to need
        // less than half of them.
        return 2 * Double(decoderRows) * (matrices + attention) <= Double(keys) * matrices
    }

    func attendDirectly(
        _ layer: PackedWeights.DirectCrossAttention, _ spans: [CrossAttentionRows.Span],
        _ q: UnsafeMutablePointer<UInt16>, _ qStride: Int, _ context: UnsafeMutablePointer<UInt16>,
        _ contextStride: Int, _ team: Team, _ workspace: Workspace
    ) {
        let d = configuration.modelWidth
        let heads = configuration.heads
        let headWidth = configuration.headWidth
        let width = stride(d)
        let end = spans.last?.rows.upperBound ?? 0
        let queries: UnsafeMutablePointer<UInt16> = workspace.directQueries.reserve(end * heads * width)
        let mixed: UnsafeMutablePointer<UInt16> = workspace.directContext.reserve(end * heads * width)
        let stretches = CrossAttentionRows.joined(spans)

        // queries[row, head] = q[row, head] Wk[head]
        let headPanels = d / Int(PP_PANEL)
        team.each(heads) { head in
            for rows in stretches {
                var gemm = pp_gemm()
                gemm.a = UnsafeRawPointer(q + rows.lowerBound * qStride + head * headWidth)
                gemm.lda = qStride
                gemm.panels = layer.keys.panels + head * headPanels * layer.keys.panelSize
                gemm.k = headWidth
                gemm.columns = d
                gemm.epilogue = PP_STORE_BF16
                gemm.bf16 = queries + (rows.lowerBound * heads + head) * width
                gemm.ld_bf16 = heads * width
                run(gemm, layer.keys, 0..<rows.count, 0..<headPanels)
            }
        }
        team.each(spans.count) { index in
            let span = spans[index]
            withWorkspace { workspace in
                var attention = pp_attention()
                attention.q = UnsafePointer(queries + span.rows.lowerBound * heads * width)
                attention.ld_q = width
                attention.out = mixed + span.rows.lowerBound * heads * width
                attention.ld_out = width
                attention.keys = span.keys
                attention.head_width = d
                attention.panels = UnsafeRawPointer(span.encoderOutput.pointer)
                let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                    pp_attention_scratch(span.keys, d))
                pp_attention_block(kernels, &attention, 0, span.rows.count * heads, scratch)
            }
        }
        // context[row, head] = mixed[row, head] Wv[head]ᵀ
        let valuePanels = headWidth / Int(PP_PANEL)
        team.each(heads) { head in
            for rows in stretches {
                let first = layer.firstValuePanel + head * valuePanels
                var gemm = pp_gemm()
                gemm.a = UnsafeRawPointer(mixed + (rows.lowerBound * heads + head) * width)
                gemm.lda = heads * width
                gemm.panels = layer.values.panels + first * layer.values.panelSize
                gemm.k = d
                gemm.columns = headWidth
                gemm.epilogue = PP_STORE_BF16
                gemm.bf16 = context + rows.lowerBound * contextStride + head * headWidth
                gemm.ld_bf16 = contextStride
                run(gemm, layer.values, 0..<rows.count, 0..<valuePanels)
            }
        }
    }
}

/// A pass's decoder rows by what their cross-attention reads.
struct CrossAttentionRows {
    /// Rows of one sequence that follow one another.
    struct Span {
        var rows: Range<Int>
        let keys: Int
        let encoderOutput: AlignedBuffer
    }

    /// Those that read keys and values, with their numbers.
    private(set) var projected: [(number: Int, row: DecoderRow)] = []
    /// Those that read the encoder's output.
    private(set) var direct: [Span] = []

    init(_ rows: [DecoderRow]) {
        for (number, row) in rows.enumerated() {
            guard case .encoderOutput(let buffer) = row.sequence.crossMemory else {
                projected.append((number, row))
                continue
            }
            if let last = direct.last, last.encoderOutput === buffer, last.rows.upperBound == number {
                direct[direct.count - 1].rows = last.rows.lowerBound..<number + 1
            } else {
                direct.append(
                    Span(
                        rows: number..<number + 1, keys: row.sequence.encoderRows.count,
                        encoderOutput: buffer))
            }
        }
    }

    /// The spans' rows as few ranges as possible.
    static func joined(_ spans: [Span]) -> [Range<Int>] {
        spans.reduce(into: []) { ranges, span in
            if let last = ranges.last, last.upperBound == span.rows.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<span.rows.upperBound
            } else {
                ranges.append(span.rows)
            }
        }
    }
}

extension DecoderRow {
    /// Where its sequence's cross-attention keys and values begin.
    var firstKeyValue: Int {
        guard case .keysValues(let first) = sequence.crossMemory else { return 0 }
        return first
    }
}
