import CKernels
import Tensors

/// A core's matrices packed for the fast modes, in one arena. Queries, keys and values are one matrix, gate and
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
        package let feedForward: FeedForward
    }

    package struct FeedForward: Sendable {
        package let norm: FloatTensor
        package let wi, wo: PackedMatrix
    }

    package let precision: PackedPrecision
    package let encoder: [EncoderLayer]
    package let encoderNorm: FloatTensor
    package let decoder: [DecoderLayer]
    package let decoderNorm: FloatTensor
    package let head: PackedMatrix
    package let headScale: Float
    package let encoderBias, decoderBias: FloatTensor
    /// Keeps the panels' memory: a buffer, or a mapped file of the cache.
    private let owner: any AnyObject & Sendable

    /// Packs a core's weights, or maps what was packed before.
    ///
    /// - Parameter cache: Where the packed form is kept; `nil` to pack in memory only.
    init(
        _ weights: T5Weights<StoredTensor>, precision: PackedPrecision, cache: PackedCache?, pool: WorkerPool
    ) {
        var plans: [PackedMatrixPlan] = []
        var end = 0
        // In bfloat16 an RMSNorm's gain goes into the weights that follow it. int8 keeps it with the activations,
        // whose rows are scaled one by one: folded in, it would widen the range of every weight column.
        func plan(
            _ sources: [StoredTensor], norm: StoredTensor? = nil, isGated: Bool = false,
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
        func plan(_ layer: T5Weights<StoredTensor>.FeedForward, norm: StoredTensor) -> (wi: Int, wo: Int) {
            let sources = [layer.gate] + (layer.up.map { [$0] } ?? [])
            return (plan(sources, norm: norm, isGated: layer.up != nil), plan([layer.down]))
        }
        let encoderPlans = weights.encoder.map { layer in
            (
                layer: layer,
                qkv: plan(
                    [layer.attention.q, layer.attention.k, layer.attention.v], norm: layer.attentionNorm),
                o: plan([layer.attention.o]),
                feedForward: plan(layer.feedForward, norm: layer.feedForwardNorm)
            )
        }
        let decoderPlans = weights.decoder.map { layer in
            let own = layer.selfAttention
            let cross = layer.crossAttention
            return (
                layer: layer, qkv: plan([own.q, own.k, own.v], norm: layer.selfAttentionNorm),
                o: plan([own.o]),
                crossQ: plan([cross.q], norm: layer.crossAttentionNorm), crossKV: plan([cross.k, cross.v]),
                crossO: plan([cross.o]), feedForward: plan(layer.feedForward, norm: layer.feedForwardNorm)
            )
        }
        // The head stays in bfloat16 for int8 too: its rounding would go into the scores unaveraged. On the shipped
        // tasks that halves the labels that differ from float32's.
        let headPlan = plan([weights.head], as: .bfloat16)
        let arena: UnsafeRawPointer
        if let cached = cache?.load(size: end, pool: pool) {
            arena = cached.arena
            owner = cached.file
        } else {
            let buffer = AlignedBuffer(end, of: UInt8.self)
            // Padding between matrices is written too: equal cores have equal files.
            buffer.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: end)
            for plan in plans { plan.pack(into: buffer.pointer, pool: pool) }
            cache?.save(UnsafeRawBufferPointer(start: buffer.pointer, count: end), pool: pool)
            arena = UnsafeRawPointer(buffer.pointer)
            owner = buffer
        }

        func matrix(_ plan: Int) -> PackedMatrix { plans[plan].matrix(in: arena) }
        self.precision = precision
        encoder = encoderPlans.map { plans in
            EncoderLayer(
                attentionNorm: plans.layer.attentionNorm.floats(), qkv: matrix(plans.qkv), o: matrix(plans.o),
                feedForward: FeedForward(
                    norm: plans.layer.feedForwardNorm.floats(), wi: matrix(plans.feedForward.wi),
                    wo: matrix(plans.feedForward.wo)))
        }
        decoder = decoderPlans.map { plans in
            DecoderLayer(
                selfAttentionNorm: plans.layer.selfAttentionNorm.floats(), qkv: matrix(plans.qkv),
                o: matrix(plans.o), crossAttentionNorm: plans.layer.crossAttentionNorm.floats(),
                crossQ: matrix(plans.crossQ), crossKV: matrix(plans.crossKV), crossO: matrix(plans.crossO),
                feedForward: FeedForward(
                    norm: plans.layer.feedForwardNorm.floats(), wi: matrix(plans.feedForward.wi),
                    wo: matrix(plans.feedForward.wo)))
        }
        head = matrix(headPlan)
        encoderNorm = weights.encoderNorm.floats()
        decoderNorm = weights.decoderNorm.floats()
        headScale = weights.headScale
        encoderBias = weights.encoderBias.floats()
        decoderBias = weights.decoderBias.floats()
    }
}
