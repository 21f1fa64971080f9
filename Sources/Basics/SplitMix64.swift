/// The one generator of random numbers: the same for the same seed, on every machine.
///
/// Its whole state is one number, which checkpoints hold, so that a resumed run goes on with the same draws.
///
/// Source: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014.
public struct SplitMix64: RandomNumberGenerator, Sendable, Hashable {
    /// What the state grows by from one number to the next.
    @inlinable package static var gamma: UInt64 { 0x9E37_79B9_7F4A_7C15 }

    /// The state; setting it goes on from there.
    public var state: UInt64

    /// A generator that begins, or goes on, at a state.
    @inlinable public init(state: UInt64) { self.state = state }

    /// A generator for a seed and one of its purposes: those of different streams have nothing to do with
    /// each other.
    public init(seed: UInt64, stream: UInt64 = 0) {
        var generator = SplitMix64(key: seed, index: stream)
        self.init(state: generator.next())
    }

    /// A generator for one of many things of a kind, such as the texts of a benchmark: a key for the kind and the
    /// thing's index.
    package init(key: UInt64, index: UInt64) {
        var generator = SplitMix64(state: key)
        self.init(state: generator.next() ^ index &* 0xD1B5_4A32_D192_ED03)
    }

    /// The next 64 bits.
    @inlinable public mutating func next() -> UInt64 {
        state &+= Self.gamma
        return Self.mix(state)
    }

    /// The finaliser: every bit of the result depends on every bit of the value.
    @inlinable package static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
