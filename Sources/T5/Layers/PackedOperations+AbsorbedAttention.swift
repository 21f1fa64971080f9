import Basics
import CKernels
import Tensors

/// Cross-attention of a few decoder rows without keys and values.
///
/// The matrices that would make keys and values of every encoder row e are moved to the other side, where there are
/// few rows: `q · (Wk e) = (Wkᵀ q) · e` and `Σ p (Wv e) = Wv (Σ p e)`. Each head of each decoder row becomes a query of
/// the model's width over the encoder's output itself, which is both keys and values, the same for all layers.
extension PackedOperations {
    package func absorbsKeysValues(keys: Int, decoderRows: Int) -> Bool {
        guard hasAbsorbedForm else { return false }
        let d = Double(configuration.modelWidth)
        let matrices = 2 * d * Double(inner)
        let attention = 2 * d * Double(configuration.heads * keys)
        // Multiplications a layer. Few rows make less of each weight that is read, so that it has to need less than
        // half of them.
        return 2 * Double(decoderRows) * (matrices + attention) <= Double(keys) * matrices
    }

    package func packEncoderOutput(_ rows: Rows<UInt16>, keys: Int) -> AlignedBuffer {
        let panels = AlignedBuffer(pp_attention_panels(keys, configuration.modelWidth), of: UInt8.self)
        var memory = pp_attention()
        memory.k = UnsafePointer(rows.start)
        memory.v = memory.k
        memory.ld_k = rows.stride
        memory.ld_v = rows.stride
        memory.keys = keys
        memory.head_width = configuration.modelWidth
        pp_attention_pack(kernels, &memory, panels.pointer)
        return panels
    }

    package func attendAbsorbed(
        _ spans: [AbsorbedSpan], q: Rows<UInt16>, _ keysValues: PackedMatrix, dropout: DropoutSite?,
        into out: Rows<UInt16>, _ part: Part
    ) {
        guard let absorbed = keysValues.absorbed, !spans.isEmpty else { return }
        let (d, heads) = (configuration.modelWidth, configuration.heads)
        let rows = spans.map(\.queries).merged()
        let queries = absorbedRows(part.count, &part.workspace.absorbedQueries)
        let context = absorbedRows(part.count, &part.workspace.absorbedContext)
        absorbedQueries(of: q, absorbed.transposedKeys, into: queries, rows, part)
        part.team.each(spans.count) { index in
            let span = spans[index]
            workspaces.lend { workspace in
                var attention = pp_attention()
                attention.q = UnsafePointer(queries.row(span.queries.lowerBound * heads))
                attention.ld_q = queries.stride
                attention.out = context.row(span.queries.lowerBound * heads)
                attention.ld_out = context.stride
                attention.keys = span.keys
                attention.head_width = d
                attention.panels = UnsafeRawPointer(span.encoderOutput.pointer)
                let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                    pp_attention_scratch(span.keys, d))
                dropout.withHead(0, firstRow: span.queries.lowerBound) { dropout in
                    attention.dropout = dropout
                    pp_attention_block(kernels, &attention, 0, span.queries.count * heads, scratch)
                }
            }
        }
        headColumns(of: context, absorbed.values, firstPanel: absorbed.firstValuePanel, into: out, rows, part)
    }

    /// A row of the model's width for each head of each decoder row, in scratch memory.
    package func absorbedRows(_ count: Int, _ scratch: inout Scratch) -> Rows<UInt16> {
        self.scratch(configuration.modelWidth, count * configuration.heads, &scratch)
    }

    /// Each head's columns become a row of the model's width: `out[row, head] = x[row, head] W[head]`.
    ///
    /// - Parameter transposed: Each head's part of the matrix transposed, head after head.
    package func absorbedQueries(
        of x: Rows<UInt16>, _ transposed: PackedPanels, into out: Rows<UInt16>, _ rows: [Range<Int>],
        _ part: Part
    ) {
        let (heads, width) = (configuration.heads, configuration.headWidth)
        let panels = configuration.modelWidth / Int(PP_PANEL)
        part.team.each(heads) { head in
            for range in rows {
                multiply(
                    x.from(range.lowerBound).column(head * width), range.count, depth: width,
                    transposed.from(panel: head * panels), panels: panels,
                    into: Rows(
                        start: out.row(range.lowerBound * heads + head), stride: heads * out.stride))
            }
        }
    }

    /// Columns of heads from rows of the model's width: `out[row, head] = x[row, head] W[head]ᵀ`.
    ///
    /// - Parameter firstPanel: Where the first head's part of the matrix begins.
    package func headColumns(
        of x: Rows<UInt16>, _ matrix: PackedPanels, firstPanel: Int, into out: Rows<UInt16>,
        _ rows: [Range<Int>], _ part: Part
    ) {
        let (heads, width) = (configuration.heads, configuration.headWidth)
        let panels = width / Int(PP_PANEL)
        part.team.each(heads) { head in
            for range in rows {
                multiply(
                    Rows(start: x.row(range.lowerBound * heads + head), stride: heads * x.stride),
                    range.count,
                    depth: configuration.modelWidth, matrix.from(panel: firstPanel + head * panels),
                    panels: panels, into: out.from(range.lowerBound).column(head * width))
            }
        }
    }

    /// A product of one head, with whole panels, on the calling thread.
    private func multiply(
        _ x: Rows<UInt16>, _ rows: Int, depth: Int, _ start: UnsafeRawPointer, panels: Int,
        into out: Rows<UInt16>
    ) {
        var gemm = pp_gemm()
        gemm.a = UnsafeRawPointer(x.start)
        gemm.lda = x.stride
        gemm.panels = start
        gemm.k = depth
        gemm.columns = panels * Int(PP_PANEL)
        gemm.epilogue = PP_STORE_BF16
        gemm.bf16 = out.start
        gemm.ld_bf16 = out.stride
        pp_gemm_bf16(kernels, &gemm, 0, rows, 0, panels)
    }
}
