import JSON

/// Exact quantiles of samples: every sample is kept, none is put into a bucket.
package struct Quantiles: Sendable {
    private let sorted: [Double]

    /// Quantiles of at least one sample.
    package init(_ samples: [Double]) { sorted = samples.sorted() }

    /// The smallest sample that at least the share `q` of all samples does not exceed (nearest rank); 0 when there
    /// is none.
    package subscript(q: Double) -> Double {
        guard !sorted.isEmpty else { return 0 }
        let rank = Int((q * Double(sorted.count)).rounded(.up))
        return sorted[min(max(rank, 1), sorted.count) - 1]
    }

    /// `count`, `mean` and the quantiles in seconds.
    var json: JSONValue {
        [
            "count": JSONValue(sorted.count),
            "mean": JSONValue(sorted.reduce(0, +) / Double(max(sorted.count, 1))),
            "p50": JSONValue(self[0.5]), "p90": JSONValue(self[0.9]), "p99": JSONValue(self[0.99]),
            "p99.9": JSONValue(self[0.999]), "max": JSONValue(self[1]),
        ]
    }
}

/// The middle value; the mean of the two middle ones of an even number; 0 of none.
package func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return 0 }
    return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
