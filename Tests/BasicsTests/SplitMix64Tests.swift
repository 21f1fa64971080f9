import Basics
import Testing

@Suite("SplitMix64")
struct SplitMix64Tests {
    @Test("the numbers are the published ones")
    func reference() {
        var generator = SplitMix64(state: 1_234_567)
        let expected: [UInt64] = [
            6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
            4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
        ]
        #expect(expected.map { _ in generator.next() } == expected)
    }

    @Test("the state goes on where it was read, and streams differ")
    func state() {
        var generator = SplitMix64(seed: 1)
        _ = generator.normal()
        var copy = SplitMix64(state: generator.state)
        #expect((0..<10).map { _ in generator.next() } == (0..<10).map { _ in copy.next() })
        let starts = (0..<4).flatMap { seed in (0..<4).map { SplitMix64(seed: seed, stream: $0).state } }
        #expect(Set(starts).count == 16)
    }

    @Test("seeded generators begin where they always did")
    func starts() {
        // A changed start would change every seeded result: trainings, benchmark requests and random cores.
        #expect(SplitMix64(seed: 1, stream: 2).state == 0x2D82_6501_F134_EF03)
        #expect(SplitMix64(key: 1, index: 2).state == 0x3260_B989_2A27_86C7)
    }

    @Test("integers are equally likely, also below bounds that do not divide 2⁶⁴")
    func integers() {
        var generator = SplitMix64(seed: 2)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[generator.integer(below: 7)] += 1 }
        // Five deviations of a count of mean 10,000.
        for count in counts { #expect(abs(count - 10_000) < 465) }
        // Without rejection the lower half of this range would come up twice as often.
        let bound = Int.max / 3 * 2
        let low = (0..<10_000).count { _ in generator.integer(below: bound) < bound / 2 }
        #expect(abs(low - 5_000) < 250)
        #expect(generator.integer(below: 1) == 0 && generator.integer(below: 0) == 0)
    }

    @Test("uniform and normal numbers have their mean and spread")
    func moments() {
        var generator = SplitMix64(seed: 3)
        let uniform = (0..<100_000).map { _ in Double(generator.uniform()) }
        #expect(uniform.allSatisfy { (0..<1).contains($0) })
        #expect(abs(uniform.reduce(0, +) / 1e5 - 0.5) < 0.005)
        let normal = (0..<100_000).map { _ in Double(generator.normal()) }
        #expect(abs(normal.reduce(0, +) / 1e5) < 0.016)
        #expect(abs(normal.reduce(0) { $0 + $1 * $1 } / 1e5 - 1) < 0.023)
        #expect(normal.allSatisfy { $0.isFinite })
    }

    @Test("a shuffle is a permutation, each as likely as another")
    func shuffle() {
        var generator = SplitMix64(seed: 4)
        var counts: [[Int]: Int] = [:]
        for _ in 0..<6_000 {
            var elements = [0, 1, 2]
            generator.shuffle(&elements)
            counts[elements, default: 0] += 1
        }
        #expect(counts.count == 6)
        for (order, count) in counts {
            #expect(order.sorted() == [0, 1, 2])
            #expect(abs(count - 1_000) < 150)
        }
    }
}
