// The optimizer may turn `squareRoot()` into a call of the C library, which this import links.
import Glibc

/// Correlation of two lists of numbers.
public enum Correlation {
    /// Pearson's coefficient, -1 to 1. 0 where it is not defined: fewer than two pairs, or a constant list.
    /// Values beyond the shorter list's end are ignored.
    public static func pearson(_ first: [Double], _ second: [Double]) -> Double {
        let count = min(first.count, second.count)
        guard let a = centred(first.prefix(count)), let b = centred(second.prefix(count)) else { return 0 }
        var product = 0.0
        var squaresA = 0.0
        var squaresB = 0.0
        for index in 0..<count {
            product += a[index] * b[index]
            squaresA += a[index] * a[index]
            squaresB += b[index] * b[index]
        }
        let scale = squaresA.squareRoot() * squaresB.squareRoot()
        return scale > 0 ? max(-1, min(1, product / scale)) : 0
    }

    /// Spearman's coefficient: Pearson's of the ranks, equal values sharing their average rank.
    public static func spearman(_ first: [Double], _ second: [Double]) -> Double {
        let count = min(first.count, second.count)
        return pearson(ranks(first.prefix(count)), ranks(second.prefix(count)))
    }

    /// The values less their mean, divided by the largest magnitude, so that no square over- or underflows;
    /// `nil` when they are all equal.
    private static func centred(_ values: ArraySlice<Double>) -> [Double]? {
        guard let first = values.first, values.contains(where: { $0 != first }) else { return nil }
        let scaled = divided(Array(values))
        let mean = scaled.reduce(0) { $0 + $1 / Double(scaled.count) }
        return divided(scaled.map { $0 - mean })
    }

    private static func divided(_ values: [Double]) -> [Double] {
        let largest = values.reduce(0) { max($0, $1.magnitude) }
        return largest > 0 ? values.map { $0 / largest } : values
    }

    private static func ranks(_ values: ArraySlice<Double>) -> [Double] {
        let values = Array(values)
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Double](repeating: 0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
            for place in start..<end { ranks[order[place]] = Double(start + end - 1) / 2 }
            start = end
        }
        return ranks
    }
}
