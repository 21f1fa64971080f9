import Tensors

extension SplitMix64 {
    /// Numbers that have nothing to do with those of another stream or another index.
    package init(stream: UInt64, index: Int) {
        var generator = SplitMix64(state: stream)
        self.init(state: generator.next() ^ UInt64(truncatingIfNeeded: index) &* 0xD1B5_4A32_D192_ED03)
    }
}
