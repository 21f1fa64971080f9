import T5
import Tensors

extension MeasuredKernel {
    /// Sequences of the measured batch, and the rows of the shortest and longest: as `mixed` has them.
    private static let sequences = 32
    private static let lengths = 36...212

    /// A core's whole encoder over one ragged batch, cross-attention's memory included.
    ///
    /// - Parameter pools: Those that it will be run on.
    static func encoder(_ source: String, type: Operand, pools: [WorkerPool]) throws -> MeasuredKernel {
        let pool = pools.max { $0.threadCount < $1.threadCount } ?? WorkerPool(threadCount: 1)
        let core = try T5Core(source, precision: type == .int8 ? .int8 : .bfloat16, pool: pool)
        let c = core.configuration
        let span = lengths.upperBound - lengths.lowerBound
        let rows = (0..<sequences).map { lengths.lowerBound + $0 * span / (sequences - 1) }
        let inputs = rows.map { count in
            T5Input(
                rows: [], ids: (0..<count).map { Int32(3 + (7919 * $0 + count) % (c.vocabularySize - 3)) },
                decoderRows: 1)
        }
        let total = rows.reduce(0, +)
        let hidden = Double(c.feedForwardWidth) * (c.feedForward == .relu ? 2 : 3)
        let products = Double(c.modelWidth) * (4 * Double(c.innerWidth) + hidden)
        let pairs = Double(rows.reduce(0) { $0 + $1 * $1 })
        let perLayer = 2 * Double(total) * products + 4 * pairs * Double(c.innerWidth)
        let sessions = Dictionary(
            uniqueKeysWithValues: pools.map { ($0.threadCount, T5Session(core: core, pool: $0)) })
        // A check once, so that no failure is timed.
        _ = try sessions[pool.threadCount]?.encode(inputs)
        return MeasuredKernel(
            name: "encoder", type: type, depth: c.modelWidth, columns: c.modelWidth, rows: total,
            operations: Double(c.encoderLayers) * perLayer, weightBytes: 0
        ) { pool in
            _ = try? sessions[pool.threadCount]?.encode(inputs)
        }
    }
}
