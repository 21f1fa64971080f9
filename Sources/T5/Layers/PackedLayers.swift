import CKernels
import Synchronization
import Tensors

/// The layers in bfloat16 or int8 on the project's own kernels.
///
/// Bitwise batch-invariant: every element is reduced in an order that its own sequence alone decides, so that a
/// request's numbers are the same alone, in any mixture and order, and on any number of threads.
final class PackedLayers: T5Layers {
    let cacheElementSize = 2

    let configuration: T5Configuration
    let weights: PackedWeights
    let pool: WorkerPool
    let kernels: UnsafePointer<pp_kernels>
    var encoderBias: RelativePositionBias
    var decoderBias: RelativePositionBias
    /// Scratch memory for as many threads as have worked at once.
    private let workspaces = Mutex<[Workspace]>([])

    init(_ weights: PackedWeights, configuration: T5Configuration, pool: WorkerPool, processor: Processor) {
        self.weights = weights
        self.configuration = configuration
        self.pool = pool
        kernels = processor.kernels
        encoderBias = RelativePositionBias(
            weights.encoderBias, configuration: configuration, bidirectional: true)
        decoderBias = RelativePositionBias(
            weights.decoderBias, configuration: configuration, bidirectional: false)
    }

    /// Lends scratch memory to the calling thread.
    func withWorkspace<Result>(_ body: (Workspace) -> Result) -> Result {
        let workspace = workspaces.withLock { $0.popLast() } ?? Workspace()
        defer { workspaces.withLock { $0.append(workspace) } }
        return body(workspace)
    }

    // MARK: Encoder

    func encode(_ x: UnsafeMutablePointer<Float>, lengths: [Int]) {
        let d = configuration.modelWidth
        var longest = 0
        for index in lengths.indices.dropFirst() {
            longest = max(longest, lengths[index] - lengths[index - 1])
        }
        encoderBias.cover(longest)
        let groups = Team.groups(lengths, threads: pool.threadCount)
        // With a group or more for each thread, a thread takes its rows through all layers without waiting for
        // any other; with fewer, all threads share each step.
        if groups.count >= pool.threadCount {
            pool.parallel(groups.count) { index in
                let group = groups[index]
                withWorkspace { workspace in
                    encode(x + lengths[group.lowerBound] * d, lengths, group, Team(pool: nil), workspace)
                }
            }
        } else {
            withWorkspace { workspace in
                for group in groups {
                    encode(x + lengths[group.lowerBound] * d, lengths, group, Team(pool: pool), workspace)
                }
            }
        }
    }

    /// Takes one group of sequences through the encoder.
    private func encode(
        _ x: UnsafeMutablePointer<Float>, _ lengths: [Int], _ group: Range<Int>, _ team: Team,
        _ workspace: Workspace
    ) {
        let d = configuration.modelWidth
        let inner = configuration.innerWidth
        let base = lengths[group.lowerBound]
        let rows = lengths[group.upperBound] - base
        let qkvStride = stride(3 * inner)
        let contextStride = stride(inner)
        let qkv: UnsafeMutablePointer<UInt16> = workspace.qkv.reserve(rows * qkvStride)
        let context: UnsafeMutablePointer<UInt16> = workspace.context.reserve(rows * contextStride)
        for layer in weights.encoder {
            multiplyNormalized(x, rows, layer.attentionNorm, layer.qkv, team, workspace) { gemm in
                gemm.epilogue = PP_STORE_BF16
                gemm.bf16 = qkv
                gemm.ld_bf16 = qkvStride
            }
            attend(qkv, qkvStride, context, contextStride, lengths, group, team, workspace)
            multiply(context, contextStride, rows, layer.o, team, workspace) { gemm in
                gemm.epilogue = PP_ADD_F32
                gemm.f32 = x
                gemm.ld_f32 = d
            }
            feedForward(x, rows, layer.feedForward, team, workspace)
        }
        normalize(x, rows, weights.encoderNorm, team)
    }

    private func attend(
        _ qkv: UnsafeMutablePointer<UInt16>, _ qkvStride: Int, _ context: UnsafeMutablePointer<UInt16>,
        _ contextStride: Int, _ lengths: [Int], _ group: Range<Int>, _ team: Team, _ workspace: Workspace
    ) {
        let inner = configuration.innerWidth
        let heads = configuration.heads
        let headWidth = configuration.headWidth
        let base = lengths[group.lowerBound]
        let bias = encoderBias
        // Sequence by sequence, so that a sequence's keys and values are read while they are in the cache.
        team.split(group.count * heads, grain: 1) { range in
            withWorkspace { workspace in
                for item in range {
                    let sequence = group.lowerBound + item / heads
                    let head = item % heads
                    let start = lengths[sequence] - base
                    let length = lengths[sequence + 1] - lengths[sequence]
                    let q = qkv + start * qkvStride + head * headWidth
                    var attention = pp_attention(
                        q: q, k: q + inner, v: q + 2 * inner, ld_q: qkvStride, ld_k: qkvStride,
                        ld_v: qkvStride,
                        out: context + start * contextStride + head * headWidth, ld_out: contextStride,
                        keys: length, head_width: headWidth, bias: bias.center(head: head), dropout: nil,
                        panels: nil)
                    let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                        pp_attention_scratch(length, headWidth))
                    pp_attention_block(kernels, &attention, 0, length, scratch)
                }
            }
        }
    }

    func crossKeysValues(_ x: UnsafePointer<Float>, rows: Int) -> [AlignedBuffer] {
        let d = configuration.modelWidth
        let width = 2 * configuration.innerWidth
        let buffers = weights.decoder.map { _ in AlignedBuffer(rows * width, of: UInt16.self) }
        let blocks = max(1, (rows + Team.groupRows - 1) / Team.groupRows)
        let parts = blocks >= pool.threadCount ? blocks : rows >= 64 * pool.threadCount ? pool.threadCount : 1
        let isShared = parts < pool.threadCount
        func compute(_ range: Range<Int>, _ team: Team) {
            withWorkspace { workspace in
                let cast: UnsafeMutablePointer<UInt16> = workspace.hidden.reserve(range.count * stride(d))
                team.split(range.count, grain: 16) { part in
                    for row in part {
                        pp_f32_to_bf16(kernels, d, x + (range.lowerBound + row) * d, cast + row * stride(d))
                    }
                }
                for (layer, buffer) in zip(weights.decoder, buffers) {
                    multiply(cast, stride(d), range.count, layer.crossKV, team, workspace) { gemm in
                        gemm.epilogue = PP_STORE_BF16
                        gemm.bf16 = buffer.elements(UInt16.self) + range.lowerBound * width
                        gemm.ld_bf16 = width
                    }
                }
            }
        }
        if isShared {
            compute(0..<rows, Team(pool: pool))
        } else {
            pool.parallel(parts) { part in
                let range = rows * part / parts..<rows * (part + 1) / parts
                if !range.isEmpty { compute(range, Team(pool: nil)) }
            }
        }
        return buffers
    }

    // MARK: Decoder

    func decode(_ x: UnsafeMutablePointer<Float>, _ rows: [DecoderRow], longest: Int) {
        decoderBias.cover(longest)
        let d = configuration.modelWidth
        let inner = configuration.innerWidth
        let team = Team(pool: pool)
        let all = rows.enumerated().map { (number: $0.offset, row: $0.element) }
        let cross = CrossAttentionRows(rows)
        withWorkspace { workspace in
            let qkvStride = stride(3 * inner)
            let contextStride = stride(inner)
            let qkv: UnsafeMutablePointer<UInt16> = workspace.qkv.reserve(rows.count * qkvStride)
            let context: UnsafeMutablePointer<UInt16> = workspace.context.reserve(rows.count * contextStride)
            for (index, layer) in weights.decoder.enumerated() {
                multiplyNormalized(x, rows.count, layer.selfAttentionNorm, layer.qkv, team, workspace) {
                    gemm in
                    gemm.epilogue = PP_STORE_BF16
                    gemm.bf16 = qkv
                    gemm.ld_bf16 = qkvStride
                }
                for (number, row) in rows.enumerated() {
                    let cache = row.sequence.cache[index].elements(UInt16.self) + row.slot * 2 * inner
                    cache.update(from: qkv + number * qkvStride + inner, count: 2 * inner)
                }
                attend(all, qkv, qkvStride, context, contextStride, longest) { row in
                    pp_attention_row(
                        row.sequence.cache[index].elements(UInt16.self), inner: inner, keys: row.position + 1,
                        position: row.position)
                }
                multiply(context, contextStride, rows.count, layer.o, team, workspace) { gemm in
                    gemm.epilogue = PP_ADD_F32
                    gemm.f32 = x
                    gemm.ld_f32 = d
                }
                multiplyNormalized(x, rows.count, layer.crossAttentionNorm, layer.crossQ, team, workspace) {
                    gemm in
                    gemm.epilogue = PP_STORE_BF16
                    gemm.bf16 = qkv
                    gemm.ld_bf16 = qkvStride
                }
                attend(cross.projected, qkv, qkvStride, context, contextStride, longest, isCross: true) {
                    row in
                    pp_attention_row(
                        row.sequence.encoded.crossKeysValues[index].elements(UInt16.self)
                            + row.firstKeyValue * 2 * inner,
                        inner: inner,
                        keys: row.sequence.encoderRows.count, position: 0)
                }
                if let direct = layer.crossDirect, !cross.direct.isEmpty {
                    attendDirectly(
                        direct, cross.direct, qkv, qkvStride, context, contextStride, team, workspace)
                }
                multiply(context, contextStride, rows.count, layer.crossO, team, workspace) { gemm in
                    gemm.epilogue = PP_ADD_F32
                    gemm.f32 = x
                    gemm.ld_f32 = d
                }
                feedForward(x, rows.count, layer.feedForward, team, workspace)
            }
        }
        normalize(x, rows.count, weights.decoderNorm, scale: weights.headScale, team)
    }

    private func attend(
        _ rows: [(number: Int, row: DecoderRow)], _ q: UnsafeMutablePointer<UInt16>, _ qStride: Int,
        _ context: UnsafeMutablePointer<UInt16>, _ contextStride: Int, _ longest: Int, isCross: Bool = false,
        target: (DecoderRow) -> pp_attention_row
    ) {
        let heads = configuration.heads
        let headWidth = configuration.headWidth
        let bias = decoderBias
        Team(pool: pool).split(rows.count, grain: 1) { range in
            withWorkspace { workspace in
                let scratch: UnsafeMutablePointer<UInt8> = workspace.attention.reserve(
                    pp_attention_decode_scratch(longest, heads, headWidth))
                for (number, decoderRow) in rows[range] {
                    var row = target(decoderRow)
                    row.q = UnsafePointer(q + number * qStride)
                    row.out = context + number * contextStride
                    row.heads = heads
                    row.head_width = headWidth
                    if !isCross {
                        row.bias = bias.center(head: 0)
                        row.ld_bias = bias.stride
                    }
                    if !isCross, let path = decoderRow.path {
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

    // MARK: Head

    func logits(_ hidden: UnsafePointer<Float>, rows: Int, into logits: UnsafeMutablePointer<Float>) {
        withWorkspace { workspace in
            multiplyHead(hidden, rows, workspace) { gemm in
                gemm.epilogue = PP_STORE_F32
                gemm.f32 = logits
                gemm.ld_f32 = configuration.vocabularySize
            } run: { gemm in
                Team(pool: pool).split(weights.head.panelCount, grain: 2) { range in
                    run(gemm, weights.head, 0..<rows, range)
                }
            }
        }
    }

    func argmax(_ hidden: UnsafePointer<Float>, rows: Int) -> [Int32] {
        let parts = pool.threadCount
        let panels = weights.head.panelCount
        var best = [Float](repeating: -.infinity, count: rows * parts)
        var ids = [Int32](repeating: .max, count: rows * parts)
        withWorkspace { workspace in
            best.withUnsafeMutableBufferPointer { best in
                ids.withUnsafeMutableBufferPointer { ids in
                    guard let best = best.baseAddress, let ids = ids.baseAddress else { return }
                    multiplyHead(hidden, rows, workspace) { gemm in
                        gemm.epilogue = PP_ARGMAX
                    } run: { gemm in
                        pool.parallel(parts) { part in
                            var gemm = gemm
                            gemm.best = best + part * rows
                            gemm.best_index = ids + part * rows
                            run(
                                gemm, weights.head, 0..<rows,
                                panels * part / parts..<panels * (part + 1) / parts)
                        }
                    }
                }
            }
        }
        // Parts hold ascending ids, so that of equal values the first part's is the lowest.
        return (0..<rows).map { row in
            var winner = row
            for part in 1..<max(parts, 1) where best[part * rows + row] > best[winner] {
                winner = part * rows + row
            }
            return ids[winner] == .max ? 0 : ids[winner]
        }
    }

    func logits(_ hidden: UnsafePointer<Float>, of ids: [Int32]) -> [Float] {
        let width = Int(PP_PANEL)
        var values = [Float](repeating: 0, count: width)
        var result: [Float] = []
        withWorkspace { workspace in
            values.withUnsafeMutableBufferPointer { values in
                multiplyHead(hidden, 1, workspace) { gemm in
                    gemm.epilogue = PP_STORE_F32
                    gemm.f32 = values.baseAddress
                    gemm.ld_f32 = width
                } run: { gemm in
                    var panel = -1
                    for id in ids {
                        if Int(id) / width != panel {
                            panel = Int(id) / width
                            var part = gemm
                            part.panels = weights.head.panels + panel * weights.head.panelSize
                            part.column_scale = weights.head.columnScales.map { $0 + panel * width }
                            part.column_sum = weights.head.columnSums.map { $0 + panel * width }
                            part.columns = min(width, weights.head.columns - panel * width)
                            run(part, weights.head, 0..<1, 0..<1)
                        }
                        result.append(values[Int(id) % width])
                    }
                }
            }
        }
        return result
    }
}

extension pp_attention_row {
    /// Cached keys and values `[…, 2 × inner]`, keys first.
    fileprivate init(_ keysValues: UnsafeMutablePointer<UInt16>, inner: Int, keys: Int, position: Int) {
        self.init()
        k = UnsafePointer(keysValues)
        v = UnsafePointer(keysValues + inner)
        ld_k = 2 * inner
        ld_v = 2 * inner
        self.keys = keys
        self.position = position
    }
}
