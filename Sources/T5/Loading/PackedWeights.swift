import CKernels
import Tensors

/// A core's weights packed for the fast modes, in one arena. Queries, keys and values are one matrix, gate and
/// up projections too.
package struct PackedWeights: Sendable {
    package struct EncoderLayer: Sendable {
        package let attentionNorm: FloatTensor
        package let qkv, o: PackedMatrix
        package let feedForward: FeedForward
    }

    package struct DecoderLayer: Sendable {
        package let selfAttentionNorm: FloatTensor
        package let qkv, o: PackedMatrix
        package let crossAttentionNorm: FloatTensor
        package let crossQ, crossKV, crossO: PackedMatrix
        /// For cross-attention without keys and values; `nil` where heads do not fill whole panels.
        let crossDirect: DirectCrossAttention?
        package let feedForward: FeedForward
    }

    /// The matrices that make keys and values, on the decoder's side, in bfloat16.
    struct DirectCrossAttention {
        /// Each head's part of the keys' matrix transposed, head after head: `[heads × d_model, d_kv]`.
        let keys: PackedMatrix
        /// The matrix that has the values' columns, and the panel where they begin.
        let values: PackedMatrix
        let firstValuePanel: Int
    }

    package struct FeedForward: Sendable {
        package let norm: FloatTensor
        package let wi: PackedMatrix
        /// Parts of `wo`, each with some of the inner width: the layer is the sum of smaller ones, between whose
        /// two products hundreds of rows stay in the cache.
        package let wo: [PackedMatrix]
    }

    /// The most inner width of a feed-forward slice.
    private static let sliceWidth = 1024

    package let precision: PackedPrecision
    /// The embedding's rows: in bfloat16 where the checkpoint has them in float32, else as it has them.
    let embedding: StoredTensor
    package let encoder: [EncoderLayer]
    package let encoderNorm: FloatTensor
    package let decoder: [DecoderLayer]
    package let decoderNorm: FloatTensor
    package let head: PackedMatrix
    package let headScale: Float
    package let encoderBias, decoderBias: FloatTensor
    /// Bytes of all that is packed.
    package let byteCount: Int
    /// Keeps the panels' memory: a buffer, or a mapped file of the cache.
    private let owner: any AnyObject & Sendable

    /// Packs a core's weights, or maps what was packed before.
    ///
    /// - Parameters:
    ///   - headWidth: Width of an attention head.
    ///   - fingerprint: Of the core whose packed form is kept on disk; `nil` to pack in memory only.
    init(
        _ weights: T5Weights<StoredTensor>, headWidth: Int, precision: PackedPrecision, fingerprint: String?,
        pool: WorkerPool
    ) {
        var plans: [PackedMatrixPlan] = []
        var end = 0
        // In bfloat16 an RMSNorm's gain goes into the weights that follow it. int8 keeps it with the activations,
        // whose rows are scaled one by one: folded in, it would widen the range of every weight column.
        func plan(
            _ sources: [MatrixPart], norm: StoredTensor? = nil, isGated: Bool = false,
            as matrixPrecision: PackedPrecision? = nil
        ) -> Int {
            let precision = matrixPrecision ?? precision
            plans.append(
                PackedMatrixPlan(
                    precision: precision, sources: sources,
                    gain: precision == .bfloat16 ? norm?.floats() : nil, isGated: isGated, offset: end))
            end += (plans[plans.count - 1].size + 63) / 64 * 64
            return plans.count - 1
        }
        func plan(_ matrices: StoredTensor..., norm: StoredTensor? = nil) -> Int {
            plan(matrices.map { MatrixPart($0) }, norm: norm)
        }
        func plan(
            _ layer: T5Weights<StoredTensor>.FeedForward, norm: StoredTensor
        ) -> (wi: Int, wo: [Int]) {
            let inputs = [layer.gate] + (layer.up.map { [$0] } ?? [])
            return (
                plan(inputs.map { MatrixPart($0) }, norm: norm, isGated: layer.up != nil),
                Self.slices(layer.gate.shape[0]).map { plan([.inputs(layer.down, $0)]) }
            )
        }
        let encoderPlans = weights.encoder.map { layer in
            (
                layer: layer,
                qkv: plan(
                    layer.attention.q, layer.attention.k, layer.attention.v, norm: layer.attentionNorm),
                o: plan(layer.attention.o),
                feedForward: plan(layer.feedForward, norm: layer.feedForwardNorm)
            )
        }
        let panel = Int(PP_PANEL)
        let width = weights.embedding.shape[1]
        let fillsPanels = headWidth % panel == 0 && width % panel == 0
        let decoderPlans = weights.decoder.map { layer in
            let own = layer.selfAttention
            let cross = layer.crossAttention
            let direct: (keys: Int, values: Int?)? =
                fillsPanels
                ? (
                    plan(
                        stride(from: 0, to: cross.k.shape[0], by: headWidth).map {
                            .transposed(cross.k, $0..<$0 + headWidth)
                        }, as: .bfloat16),
                    precision == .bfloat16 ? nil : plan([MatrixPart(cross.v)], as: .bfloat16)
                ) : nil
            return (
                layer: layer, qkv: plan(own.q, own.k, own.v, norm: layer.selfAttentionNorm),
                o: plan(own.o),
                crossQ: plan(cross.q, norm: layer.crossAttentionNorm), crossKV: plan(cross.k, cross.v),
                crossO: plan(cross.o), direct: direct,
                feedForward: plan(layer.feedForward, norm: layer.feedForwardNorm)
            )
        }
        // The head stays in bfloat16 for int8 too: its rounding would go into the scores unaveraged. On the shipped
        // tasks that halves the labels that differ from float32's.
        let headPlan = plan([MatrixPart(weights.head)], as: .bfloat16)
        let embeddingPlan = PackedEmbeddingPlan(weights.embedding, offset: end)
        end += embeddingPlan?.size ?? 0
        let layout = plans.map(\.layout) + [embeddingPlan?.layout].compactMap { $0 }
        let cache = fingerprint.flatMap {
            PackedCache(fingerprint: $0, precision: precision, layout: layout)
        }
        let arena: UnsafeRawPointer
        if let cached = cache?.load(size: end, pool: pool) {
            arena = cached.arena
            owner = cached.file
        } else {
            let buffer = AlignedBuffer(end, of: UInt8.self)
            // Padding between matrices is written too: equal cores have equal files.
            buffer.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: end)
            for plan in plans { plan.pack(into: buffer.pointer, pool: pool) }
            embeddingPlan?.pack(into: buffer.pointer, pool: pool)
            cache?.save(UnsafeRawBufferPointer(start: buffer.pointer, count: end), pool: pool)
            arena = UnsafeRawPointer(buffer.pointer)
            owner = buffer
        }

        func matrix(_ plan: Int) -> PackedMatrix { plans[plan].matrix(in: arena) }
        func feedForward(_ plan: (wi: Int, wo: [Int]), norm: StoredTensor) -> FeedForward {
            FeedForward(norm: norm.floats(), wi: matrix(plan.wi), wo: plan.wo.map(matrix))
        }
        self.precision = precision
        byteCount = end
        embedding = embeddingPlan?.tensor(in: arena, owner: owner) ?? weights.embedding
        encoder = encoderPlans.map { plans in
            EncoderLayer(
                attentionNorm: plans.layer.attentionNorm.floats(), qkv: matrix(plans.qkv), o: matrix(plans.o),
                feedForward: feedForward(plans.feedForward, norm: plans.layer.feedForwardNorm))
        }
        decoder = decoderPlans.map { plans in
            DecoderLayer(
                selfAttentionNorm: plans.layer.selfAttentionNorm.floats(), qkv: matrix(plans.qkv),
                o: matrix(plans.o), crossAttentionNorm: plans.layer.crossAttentionNorm.floats(),
                crossQ: matrix(plans.crossQ), crossKV: matrix(plans.crossKV), crossO: matrix(plans.crossO),
                crossDirect: plans.direct.map { direct in
                    DirectCrossAttention(
                        keys: matrix(direct.keys), values: matrix(direct.values ?? plans.crossKV),
                        firstValuePanel: direct.values == nil
                            ? plans.layer.crossAttention.k.shape[0] / panel : 0)
                },
                feedForward: feedForward(plans.feedForward, norm: plans.layer.feedForwardNorm))
        }
        head = matrix(headPlan)
        encoderNorm = weights.encoderNorm.floats()
        decoderNorm = weights.decoderNorm.floats()
        headScale = weights.headScale
        encoderBias = weights.encoderBias.floats()
        decoderBias = weights.decoderBias.floats()
    }

    /// Cuts an inner width into about equal parts, at multiples of what the kernels take at a time.
    private static func slices(_ width: Int) -> [Range<Int>] {
        let count = (width + sliceWidth - 1) / sliceWidth
        let step = (width + count - 1) / count
        let aligned = (step + 63) / 64 * 64
        return stride(from: 0, to: width, by: aligned).map { $0..<min($0 + aligned, width) }
    }
}
