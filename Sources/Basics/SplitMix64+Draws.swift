import Glibc

/// Draws. They are not the standard library's, whose algorithms may change.
extension SplitMix64 {
    /// A number from 0 up to, not including, 1, of 24 bits.
    public mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

    /// A number from `-bound` up to, not including, `bound`.
    public mutating func uniform(bound: Float) -> Float { (2 * uniform() - 1) * bound }

    /// A number of the normal distribution of mean 0 and deviation 1 (Box and Muller, 1958).
    public mutating func normal() -> Float {
        // 1 minus a number below 1 is above 0, so that its logarithm is finite.
        let radius = (-2 * log(1 - Double(next() >> 11) * 0x1p-53)).squareRoot()
        return Float(radius * cos(2 * Double.pi * Double(next() >> 11) * 0x1p-53))
    }

    /// A number from 0 up to, not including, `bound`, each as likely as another; 0 when `bound` is below 1.
    ///
    /// Source: Lemire, "Fast Random Integer Generation in an Interval", 2019.
    public mutating func integer(below bound: Int) -> Int {
        guard bound > 1 else { return 0 }
        let range = UInt64(bound)
        var product = next().multipliedFullWidth(by: range)
        if product.low < range {
            let threshold = (0 &- range) % range
            while product.low < threshold { product = next().multipliedFullWidth(by: range) }
        }
        return Int(product.high)
    }

    /// Puts elements in a random order, each order as likely as another (Fisher and Yates).
    public mutating func shuffle<Element>(_ elements: inout [Element]) {
        for last in stride(from: elements.count - 1, to: 0, by: -1) {
            elements.swapAt(last, integer(below: last + 1))
        }
    }
}
