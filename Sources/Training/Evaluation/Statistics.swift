/// Mean and deviation of some numbers.
public struct Spread: Sendable, Equatable {
    /// The mean; 0 without numbers.
    public let mean: Double
    /// The standard deviation of the sample (divided by one less than the count); 0 for fewer than two numbers.
    public let deviation: Double

    /// Mean and deviation of some numbers.
    public init(_ values: [Double]) {
        let count = Double(values.count)
        let mean = values.isEmpty ? 0 : values.reduce(0, +) / count
        self.mean = mean
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        deviation = values.count < 2 ? 0 : (squares / (count - 1)).squareRoot()
    }
}
