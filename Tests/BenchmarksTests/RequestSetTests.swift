import Benchmarks
import Testing

@Suite("Generated requests")
struct RequestSetTests {
    static func generated(_ workload: Workload) throws -> RequestSet {
        try #require(
            try RequestSet.generated(workload, width: 8, vocabularySize: 1000, endOfSequence: 1))
    }

    @Test("are the same each time", arguments: Workload.withRequests)
    func deterministic(workload: Workload) throws {
        let (one, other) = (try Self.generated(workload), try Self.generated(workload))
        #expect(one.requests == other.requests)
        #expect(one.tasks.map(\.prompt) == other.tasks.map(\.prompt))
        #expect(one.tasks.map(\.labels) == other.tasks.map(\.labels))
    }

    @Test(
        "have the lengths that the workload names",
        arguments: [
            (Workload.mixed, 64, 16...192, 4), (.classify, 128, 8...48, nil), (.generate, 32, 16...192, 32),
        ] as [(Workload, Int, ClosedRange<Int>, Int?)])
    func lengths(workload: Workload, requests: Int, text: ClosedRange<Int>, newTokens: Int?) throws {
        let set = try Self.generated(workload)
        #expect(set.requests.count == requests)
        #expect(set.newTokens == newTokens)
        let lengths = set.requests.map(\.ids.count)
        #expect(lengths.allSatisfy(text.contains))
        #expect(Set(lengths).count > 10, "of every length mixed")
        #expect(set.tasks.count == 8)
        #expect(set.tasks.allSatisfy { $0.prompt.rows == 20 && $0.prompt.width == 8 })
        #expect(Set(set.requests.map(\.task)) == Set(set.tasks.map(\.name)))
        #expect(set.requests.allSatisfy { $0.ids.allSatisfy { (3..<1000).contains($0) } })
    }

    @Test("have prompts that differ and have a deviation of 1")
    func prompts() throws {
        let prompts = try Self.generated(.mixed).tasks.map(\.prompt.values)
        #expect(Set(prompts).count == prompts.count)
        let values = prompts.flatMap { $0 }
        let meanSquare = values.reduce(0) { $0 + $1 * $1 } / Float(values.count)
        #expect((0.9...1.1).contains(meanSquare))
    }

    @Test("classify with 4 to 10 labels, two of which share their first id")
    func labels() throws {
        let labels = try Self.generated(.classify).tasks.map { try #require($0.labels) }
        #expect(labels.map(\.count) == [4, 5, 6, 7, 8, 9, 10, 4])
        for labels in labels {
            #expect(Set(labels).count == labels.count)
            #expect(labels.allSatisfy { (2...4).contains($0.count) && $0.last == 1 })
            #expect(labels[0][0] == labels[1][0] && labels[0][1] != labels[1][1])
            #expect(Set(labels.map { $0[0] }).count == labels.count - 1)
        }
    }
}

@Suite("Quantiles")
struct QuantilesTests {
    @Test("are samples, by nearest rank")
    func nearestRank() {
        let quantiles = Quantiles((1...1000).reversed().map(Double.init))
        #expect(quantiles[0.5] == 500)
        #expect(quantiles[0.99] == 990)
        #expect(quantiles[0.999] == 999)
        #expect(quantiles[1] == 1000)
        #expect(Quantiles([7])[0.5] == 7)
        #expect(Quantiles([7])[0.999] == 7)
    }
}
