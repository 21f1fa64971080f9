import CKernels
import Tensors

/// Rows as the kernels read them: bfloat16 or int8, `rowSize` bytes from one to the next, with a scale for each.
private struct PackedRows {
    let start: UnsafeRawPointer
    let rowSize: Int
    let scales: UnsafePointer<Float>?

    init(_ start: UnsafeRawPointer, rowSize: Int, scales: UnsafePointer<Float>? = nil) {
        self.start = start
        self.rowSize = rowSize
        self.scales = scales
    }

    init(_ rows: Rows<UInt16>) { self.init(rows.start, rowSize: 2 * rows.stride) }
}

/// What becomes of a product's elements.
private enum Destination {
    case store(Rows<UInt16>)
    case storeReLU(Rows<UInt16>)
    case storeGatedGELU(Rows<UInt16>)
    case storeFloat(Rows<Float>)
    case add(Rows<Float>)

    func configure(_ gemm: inout pp_gemm) {
        switch self {
        case .store(let rows): set(&gemm, PP_STORE_BF16, rows)
        case .storeReLU(let rows): set(&gemm, PP_RELU_BF16, rows)
        case .storeGatedGELU(let rows): set(&gemm, PP_GATED_GELU_BF16, rows)
        case .storeFloat(let rows): set(&gemm, PP_STORE_F32, rows)
        case .add(let rows): set(&gemm, PP_ADD_F32, rows)
        }
    }

    private func set(_ gemm: inout pp_gemm, _ epilogue: pp_epilogue, _ rows: Rows<UInt16>) {
        gemm.epilogue = epilogue
        gemm.bf16 = rows.start
        gemm.ld_bf16 = rows.stride
    }

    private func set(_ gemm: inout pp_gemm, _ epilogue: pp_epilogue, _ rows: Rows<Float>) {
        gemm.epilogue = epilogue
        gemm.f32 = rows.start
        gemm.ld_f32 = rows.stride
    }
}

/// Products with packed matrices, and the feed-forward layer whose steps are fused.
extension PackedOperations {
    package func project(
        _ x: Rows<Float>, _ norm: FloatTensor, _ matrix: PackedMatrix, into out: Rows<UInt16>, _ part: Part
    ) {
        let input = normalized(x, norm, matrix.panels.precision, part)
        multiply(input, part.count, matrix.panels, into: .store(out), part.team)
    }

    package func multiply(
        _ a: Rows<UInt16>, _ count: Int, _ matrix: PackedMatrix, into out: Rows<UInt16>, _ part: Part
    ) {
        multiply(a, count, matrix.panels, into: .store(out), part)
    }

    package func addProduct(_ a: Rows<UInt16>, _ matrix: PackedMatrix, to x: Rows<Float>, _ part: Part) {
        var first = 0
        for slice in matrix.slices {
            multiply(a.column(first), part.count, slice, into: .add(x), part)
            first += slice.depth
        }
    }

    package func addFeedForward(to x: Rows<Float>, _ layer: Weights.FeedForward, _ part: Part) {
        let wi = layer.wi.panels
        let input = normalized(x, layer.norm, wi.precision, part)
        var first = 0
        for slice in layer.wo.slices {
            let hidden = scratch(slice.depth, part.count, &part.workspace.hidden)
            // Column 0 of the whole product, before the memory that holds these columns.
            let out = hidden.column(-first)
            multiply(
                input, part.count, wi, columns: first..<first + slice.depth,
                into: wi.isGated ? .storeGatedGELU(out) : .storeReLU(out), part.team)
            multiply(hidden, part.count, slice, into: .add(x), part)
            first += slice.depth
        }
    }

    package var wideWidth: Int {
        weights.encoder.first?.feedForward.wi.panels.wideColumns ?? configuration.feedForwardWidth
    }

    package func widen(
        _ x: Rows<Float>, _ norm: FloatTensor, _ matrix: PackedMatrix, into wide: Rows<UInt16>, _ part: Part
    ) {
        let panels = matrix.panels
        multiply(
            normalized(x, norm, panels.precision, part), part.count, panels, width: panels.wideColumns,
            into: panels.isGated ? .store(wide) : .storeReLU(wide), part.team)
    }

    package func gate(_ wide: Rows<UInt16>, into hidden: Rows<UInt16>, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            pp_bf16_gate(
                kernels, wide.row(range.lowerBound), wide.stride, range.count, configuration.feedForwardWidth,
                hidden.row(range.lowerBound), hidden.stride)
        }
    }

    /// RMSNorm(x) as the input of products. In bfloat16 the norm's gain is in their matrices and its factor a
    /// scale of their rows; in int8 rows are normalized and quantized in one go.
    private func normalized(
        _ x: Rows<Float>, _ gain: FloatTensor, _ precision: PackedPrecision, _ part: Part
    ) -> PackedRows {
        let d = configuration.modelWidth
        let epsilon = configuration.layerNormEpsilon
        let scales: UnsafeMutablePointer<Float> = part.workspace.scales.reserve(part.count)
        let rowSize = pp_row_stride(precision == .bfloat16 ? 2 * d : d)
        let cast: UnsafeMutablePointer<UInt8> = part.workspace.normalized.reserve(part.count * rowSize)
        part.team.split(part.count, grain: 8) { range in
            let start = x.row(range.lowerBound)
            let out = UnsafeMutableRawPointer(cast + range.lowerBound * rowSize)
            switch precision {
            case .bfloat16:
                pp_rms_cast_bf16(
                    kernels, range.count, d, start, x.stride, epsilon,
                    out.assumingMemoryBound(to: UInt16.self), rowSize / 2, scales + range.lowerBound)
            case .int8:
                pp_rms_quant_int8(
                    kernels, range.count, d, start, x.stride, gain.pointer, epsilon,
                    out.assumingMemoryBound(to: Int8.self), rowSize, scales + range.lowerBound)
            }
        }
        return PackedRows(cast, rowSize: rowSize, scales: scales)
    }

    /// The product of bfloat16 rows with a matrix; for int8 the rows are quantized first.
    private func multiply(
        _ x: Rows<UInt16>, _ rows: Int, _ matrix: PackedPanels, into out: Destination, _ part: Part
    ) {
        guard matrix.precision == .int8 else {
            multiply(PackedRows(x), rows, matrix, into: out, part.team)
            return
        }
        let rowSize = pp_row_stride(matrix.depth)
        let quantized: UnsafeMutablePointer<Int8> = part.workspace.quantized.reserve(rows * rowSize)
        let scales: UnsafeMutablePointer<Float> = part.workspace.quantizedScales.reserve(rows)
        part.team.split(rows, grain: 8) { range in
            pp_quant_int8(
                kernels, range.count, matrix.depth, x.row(range.lowerBound), x.stride,
                quantized + range.lowerBound * rowSize, rowSize, scales + range.lowerBound)
        }
        multiply(
            PackedRows(quantized, rowSize: rowSize, scales: scales), rows, matrix, into: out, part.team)
    }

    /// - Parameters:
    ///   - columns: Of the product, starting at a panel's first; `nil` for all.
    ///   - width: Columns of the output that exist, where it is not what the matrix says.
    private func multiply(
        _ input: PackedRows, _ rows: Int, _ matrix: PackedPanels, columns: Range<Int>? = nil,
        width: Int? = nil, into out: Destination, _ team: Team
    ) {
        var gemm = pp_gemm()
        gemm.a = input.start
        gemm.lda = matrix.precision == .bfloat16 ? input.rowSize / 2 : input.rowSize
        gemm.panels = matrix.start
        gemm.column_scale = matrix.columnScales
        gemm.column_sum = matrix.columnSums
        gemm.row_scale = input.scales
        gemm.k = matrix.depth
        gemm.columns = width ?? matrix.columns
        out.configure(&gemm)
        run(gemm, matrix.precision, rows, columns.map(matrix.panels(of:)) ?? 0..<matrix.panelCount, team)
    }

    /// Runs a product, split over a team's threads.
    package func run(
        _ gemm: pp_gemm, _ precision: PackedPrecision, _ rows: Int, _ panels: Range<Int>, _ team: Team
    ) {
        let multiply = precision == .bfloat16 ? pp_gemm_bf16 : pp_gemm_int8
        team.splitProduct(rows: rows, panels: panels) { rows, panels in
            withUnsafePointer(to: gemm) { gemm in
                multiply(
                    kernels, gemm, rows.lowerBound, rows.upperBound, panels.lowerBound, panels.upperBound)
            }
        }
    }

    // MARK: Head

    package func logits(_ hidden: Rows<Float>, _ count: Int, into logits: Rows<Float>, _ part: Part) {
        multiply(elements(hidden, count, part), count, weights.head.panels, into: .storeFloat(logits), part)
    }

    package func logits(_ hidden: UnsafePointer<Float>, of ids: [Int32]) -> [Float] {
        let (d, width, head) = (configuration.modelWidth, Int(PP_PANEL), weights.head.panels)
        return workspaces.lend { workspace in
            let cast = scratch(d, 1, &workspace.elements)
            pp_f32_to_bf16(kernels, d, hidden, cast.start)
            let values: UnsafeMutablePointer<Float> = workspace.logits.reserve(width)
            var gemm = pp_gemm()
            gemm.a = UnsafeRawPointer(cast.start)
            gemm.lda = cast.stride
            gemm.k = d
            gemm.epilogue = PP_STORE_F32
            gemm.f32 = values
            gemm.ld_f32 = width
            var panel = -1
            return ids.map { id in
                if Int(id) / width != panel {
                    panel = Int(id) / width
                    gemm.panels = head.from(panel: panel)
                    gemm.columns = min(width, head.columns - panel * width)
                    pp_gemm_bf16(kernels, &gemm, 0, 1, 0, 1)
                }
                return values[Int(id) % width]
            }
        }
    }

    package func likeliest(_ hidden: Rows<Float>, _ count: Int, _ part: Part) -> [Int32?] {
        let head = weights.head.panels
        let parts = part.team.threadCount
        var best = [Float](repeating: -.infinity, count: count * parts)
        var ids = [Int32](repeating: .max, count: count * parts)
        let cast = elements(hidden, count, part)
        best.withUnsafeMutableBufferPointer { best in
            ids.withUnsafeMutableBufferPointer { ids in
                guard let best = best.baseAddress, let ids = ids.baseAddress else { return }
                part.team.eachPart(ofPanels: head.panelCount) { index, panels in
                    var gemm = pp_gemm()
                    gemm.a = UnsafeRawPointer(cast.start)
                    gemm.lda = cast.stride
                    gemm.panels = head.start
                    gemm.k = head.depth
                    gemm.columns = head.columns
                    gemm.epilogue = PP_ARGMAX
                    gemm.best = best + index * count
                    gemm.best_index = ids + index * count
                    pp_gemm_bf16(kernels, &gemm, 0, count, panels.lowerBound, panels.upperBound)
                }
            }
        }
        // Parts hold ascending ids, so that of equal values the first part's is the lowest.
        return (0..<count).map { row in
            var winner = row
            for part in 1..<max(parts, 1) where best[part * count + row] > best[winner] {
                winner = part * count + row
            }
            return best[winner].isFinite ? ids[winner] : nil
        }
    }
}
