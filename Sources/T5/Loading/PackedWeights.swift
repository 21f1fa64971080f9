import Basics
import CKernels
import Tensors

/// A core's weights packed for the fast modes, in one arena.
package struct PackedWeights: Sendable {
    /// The most inner width of a feed-forward slice.
    private static let sliceWidth = 1024

    package let precision: PackedPrecision
    package let weights: T5Weights<PackedMatrix, FloatTensor>
    /// The embedding's rows: in bfloat16 where the checkpoint has them in float32, else as it has them.
    package let embedding: StoredTensor
    /// Bytes of all that is packed.
    package let byteCount: Int
    /// What the user should know of the cache on disk.
    let warning: String?
    /// Keeps the panels' memory: a buffer, or a mapped file of the cache.
    private let owner: any AnyObject & Sendable

    /// Packs a core's weights, or maps what was packed before.
    ///
    /// - Parameters:
    ///   - headWidth: Width of an attention head.
    ///   - fingerprint: Of the core whose packed form is kept on disk; `nil` to pack in memory only.
    init(
        _ stored: CheckpointWeights<StoredTensor>, headWidth: Int, precision: PackedPrecision,
        fingerprint: String?, pool: WorkerPool
    ) {
        var arena = ArenaPlan(precision: precision, headWidth: headWidth)
        let plans = stored.layers.map(
            matrix: { arena.place($0, as: $1, norm: $2) }, tensor: { $0 })
        let embeddingPlan = PackedEmbeddingPlan(stored.embedding, offset: arena.end)
        let size = arena.end + (embeddingPlan?.size ?? 0)
        var cache = fingerprint.flatMap {
            PackedCache(
                fingerprint: $0, precision: precision,
                layout: arena.plans.map(\.layout) + [embeddingPlan?.layout].compactMap { $0 })
        }
        let start: UnsafeRawPointer
        if let cached = cache?.load(size: size, pool: pool) {
            start = cached.arena
            owner = cached.file
        } else {
            let buffer = AlignedBuffer(size, of: UInt8.self)
            // Padding between matrices is written too: equal cores have equal files.
            buffer.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: size)
            for plan in arena.plans { plan.pack(into: buffer.pointer, pool: pool) }
            embeddingPlan?.pack(into: buffer.pointer, pool: pool)
            cache?.save(UnsafeRawBufferPointer(start: buffer.pointer, count: size), pool: pool)
            start = UnsafeRawPointer(buffer.pointer)
            owner = buffer
        }
        self.precision = precision
        warning = cache?.warning
        byteCount = size
        embedding = embeddingPlan?.tensor(in: start, owner: owner) ?? stored.embedding
        weights = plans.map(matrix: { plan, _, _ in plan.matrix(in: start) }, tensor: { $0.floats() })
    }

    /// Where a matrix's panels lie.
    private struct MatrixPlan {
        var slices: [PackedPanelsPlan]
        /// For absorbed keys and values: the keys' matrix transposed, and the values' own where the slice is not in
        /// bfloat16.
        var transposedKeys: PackedPanelsPlan?
        var values: PackedPanelsPlan?

        func matrix(in arena: UnsafeRawPointer) -> PackedMatrix {
            let panels = slices.map { $0.panels(in: arena) }
            return PackedMatrix(
                panels,
                absorbed: transposedKeys.map { keys in
                    AbsorbedKeysValues(
                        transposedKeys: keys.panels(in: arena),
                        values: values?.panels(in: arena) ?? panels[0],
                        // Keys come first, and as many.
                        firstValuePanel: values == nil ? panels[0].panelCount / 2 : 0)
                })
        }
    }

    /// What lies where in the arena.
    private struct ArenaPlan {
        let precision: PackedPrecision
        let headWidth: Int
        private(set) var plans: [PackedPanelsPlan] = []
        private(set) var end = 0

        init(precision: PackedPrecision, headWidth: Int) {
            self.precision = precision
            self.headWidth = headWidth
        }

        /// Plans a matrix.
        ///
        /// - Parameters:
        ///   - tensors: The matrices whose outputs stand side by side.
        ///   - norm: The gain of the RMSNorm before it.
        mutating func place(
            _ tensors: [StoredTensor], as role: T5Weights<[StoredTensor], StoredTensor>.Role,
            norm: StoredTensor?
        ) -> MatrixPlan {
            switch role {
            case .feedForwardInput:
                MatrixPlan(slices: [
                    place(tensors.map { MatrixPart($0) }, norm: norm, isGated: tensors.count > 1)
                ])
            case .feedForwardOutput:
                MatrixPlan(slices: Self.slices(tensors[0].shape[1]).map { place([.inputs(tensors[0], $0)]) })
            case .head:
                // The head stays in bfloat16 for int8 too: its rounding would go into the scores unaveraged. On the
                // shipped tasks that halves the labels that differ from float32's.
                MatrixPlan(slices: [place(tensors.map { MatrixPart($0) }, in: .bfloat16)])
            case .crossAttentionKeysValues: placeKeysValues(keys: tensors[0], values: tensors[1])
            case .selfAttention, .crossAttentionQueries, .attentionOutput:
                MatrixPlan(slices: [place(tensors.map { MatrixPart($0) }, norm: norm)])
            }
        }

        private mutating func placeKeysValues(keys: StoredTensor, values: StoredTensor) -> MatrixPlan {
            var plan = MatrixPlan(slices: [place([MatrixPart(keys), MatrixPart(values)])])
            let panel = Int(PP_PANEL)
            guard headWidth % panel == 0, keys.shape[1] % panel == 0 else { return plan }
            plan.transposedKeys = place(
                stride(from: 0, to: keys.shape[0], by: headWidth).map {
                    .transposed(keys, $0..<$0 + headWidth)
                }, in: .bfloat16)
            if precision != .bfloat16 { plan.values = place([MatrixPart(values)], in: .bfloat16) }
            return plan
        }

        private mutating func place(
            _ sources: [MatrixPart], norm: StoredTensor? = nil, isGated: Bool = false,
            in matrixPrecision: PackedPrecision? = nil
        ) -> PackedPanelsPlan {
            let precision = matrixPrecision ?? precision
            // In bfloat16 an RMSNorm's gain goes into the weights that follow it. int8 keeps it with the activations,
            // whose rows are scaled one by one: folded in, it would widen the range of every weight column.
            let plan = PackedPanelsPlan(
                precision: precision, sources: sources, gain: precision == .bfloat16 ? norm?.floats() : nil,
                isGated: isGated, offset: end)
            plans.append(plan)
            end += (plan.size + 63) / 64 * 64
            return plan
        }

        /// Cuts an inner width into about equal parts, at multiples of what the kernels take at a time.
        private static func slices(_ width: Int) -> [Range<Int>] {
            let count = (width + sliceWidth - 1) / sliceWidth
            let step = (width + count - 1) / count
            let aligned = (step + 63) / 64 * 64
            return stride(from: 0, to: width, by: aligned).map { $0..<min($0 + aligned, width) }
        }
    }
}
