import Basics
import CKernels
import Synchronization
import Tensors

/// What the machine can do at most at this moment, with some number of threads.
///
/// Each measurement takes a few milliseconds, as those of the kernels do, so that interruptions by other processes
/// hit both alike.
struct MachineLimits {
    /// Read at a time: much more than a core's own caches hold.
    private static let partBytes = 32 << 20

    private let pool: WorkerPool
    private let words: AlignedBuffer
    private var part = 0
    /// Steps of the peak's loop that take about half a millisecond, by type.
    private let steps: [MeasuredKernel.Operand: Int]

    /// - Parameter words: Memory to read.
    init(pool: WorkerPool, words: AlignedBuffer) {
        self.pool = pool
        self.words = words
        steps = Dictionary(
            uniqueKeysWithValues: MeasuredKernel.Operand.allCases.map { type in
                var steps = 1_000
                while steps < 1 << 24 {
                    let count = steps
                    let time = seconds { _ = pp_peak_operations(pool.kernels, type == .int8, count) }
                    if time > 5e-4 { break }
                    steps *= 2
                }
                return (type, steps)
            })
    }

    /// Operations a second of all threads together, each multiplying registers only; 0 where there is no known
    /// peak.
    func peak(_ type: MeasuredKernel.Operand) -> Double {
        let count = steps[type] ?? 1
        let operations = Mutex(0.0)
        let time = seconds {
            pool.parallel(pool.threadCount) { _ in
                let done = pp_peak_operations(pool.kernels, type == .int8, count)
                operations.withLock { $0 += done }
            }
        }
        return operations.withLock { $0 } / time
    }

    /// Bytes a second that all threads together read from memory, measured on the next part of it.
    mutating func bandwidth() -> Double {
        let count = min(Self.partBytes, words.byteCount) / MemoryLayout<UInt64>.size
        part = (part + 1) % max(1, words.byteCount / Self.partBytes)
        let start: UnsafeMutablePointer<UInt64> = words.elements() + part * count
        let sum = Mutex<UInt64>(0)
        let time = seconds {
            pool.ranges(of: count, grain: 64) { range in
                let value = pp_read_words(start + range.lowerBound, range.count)
                sum.withLock { $0 ^= value }
            }
        }
        return Double(count * MemoryLayout<UInt64>.size) / time
    }
}
