import Basics

/// The generator of random cases: seeded, so that a test that fails fails again.
package typealias SeededGenerator = SplitMix64

extension SplitMix64 {
    /// Random bytes.
    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// Numbers from -1 to 1.
    package mutating func floats(_ count: Int) -> [Float] {
        (0..<count).map { _ in Float(Int64(bitPattern: next()) >> 40) / Float(1 << 23) }
    }

    /// Ids from 2 up to a limit.
    package mutating func ids(_ count: Int, below limit: Int) -> [Int32] {
        (0..<count).map { _ in Int32(2 + next() % UInt64(limit - 2)) }
    }
}
