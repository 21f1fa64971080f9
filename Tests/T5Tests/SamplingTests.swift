import Foundation
import T5
import Tensors
import Testing

@Suite("Sampling")
struct SamplingTests {
    @Test(
        "temperature, top-k and top-p leave the probabilities that transformers leaves",
        arguments: GoldenCase.names)
    func filters(name: String) throws {
        let decoding = try DecodingGolden(name)
        let sequence = try #require(decoding.golden.sequences.first)
        let logits = try #require(try decoding.golden.values("\(sequence.name).first_logits"))
        #expect(decoding.filters.count >= 7)
        for filter in decoding.filters {
            let sampler = TokenSampler(
                temperature: filter.temperature, topK: filter.topK, topP: filter.topP, seed: 0)
            let distribution = logits.withUnsafeBufferPointer { sampler.distribution(of: $0) }
            #expect(Set(distribution.weights.map(\.id)) == Set(filter.probabilities.keys), "\(filter)")
            for (id, weight) in distribution.weights {
                let reference = filter.probabilities[id] ?? -1
                #expect(abs(weight / distribution.total - reference) < 1e-5 * max(reference, 1e-3))
            }
        }
    }

    @Test("ids are drawn as often as they are likely")
    func frequencies() {
        let probabilities = [0.5, 0.25, 0.15, 0.06, 0.03, 0.01]
        let logits = probabilities.map { Float(log($0)) + 3 }
        let sampler = TokenSampler(temperature: 1, seed: 42)
        let distribution = logits.withUnsafeBufferPointer { sampler.distribution(of: $0) }
        let (streams, steps) = (40, 1000)
        var counts = [Int](repeating: 0, count: probabilities.count)
        for stream in 0..<streams {
            for step in 0..<steps {
                counts[Int(sampler.draw(from: distribution, stream: stream, step: step) ?? 0)] += 1
            }
        }
        let total = Double(streams * steps)
        for (count, probability) in zip(counts, probabilities) {
            let deviation = (total * probability * (1 - probability)).squareRoot()
            #expect(abs(Double(count) - total * probability) < 4 * deviation, "\(counts)")
        }
    }

    @Test("equal scores at a filter's edge, masked and unusable scores")
    func edges() {
        func ids(_ logits: [Float], topK: Int = 0, topP: Double = 1) -> Set<Int32> {
            let sampler = TokenSampler(temperature: 1, topK: topK, topP: topP, seed: 0)
            return Set(logits.withUnsafeBufferPointer { sampler.distribution(of: $0) }.weights.map(\.id))
        }
        #expect(ids([1, 3, 2, 2, 0], topK: 2) == [1, 2, 3])
        #expect(ids([1, 3, 2], topK: 10) == [0, 1, 2])
        #expect(ids([5, 0, 0, 0], topP: 1e-9) == [0])
        #expect(ids([0, 0, 0, 0], topP: 0.5).count == 2)
        #expect(ids([-.infinity, 1, -.infinity]) == [1])
        #expect(ids([.nan, 1, 2], topK: 1) == [2])
        #expect(ids([.nan, .nan]) == [])
        #expect(ids([]) == [])
    }

    @Test("a seed gives the same ids alone and among others, another seed gives others")
    func seeds() throws {
        let golden = try GoldenCase("byt5-like")
        let pool = WorkerPool(threadCount: 2)
        let session = T5Session(
            core: try T5Core(golden.directory, precision: .float32, pool: pool), pool: pool)
        let encoded = try session.encode(golden.sequences.map(\.input))
        func options(_ seed: UInt64?, returned: Int = 1) -> GenerationOptions {
            var options = GenerationOptions(maximumNewTokens: 12)
            options.decoding.temperature = 1.5
            options.decoding.seed = seed
            options.decoding.returnedSequences = returned
            return options
        }
        func alone(_ options: GenerationOptions) throws -> [[Int32]] {
            try session.generateAll(encoded, [(3, options)])[0].map(\.ids)
        }
        let seeds = (0..<20).map { UInt64($0) }
        let single = try seeds.map { try alone(options($0)) }
        #expect(Set(single).count > 15)
        #expect(try seeds.map { try alone(options($0)) } == single)
        let mixed = try session.generateAll(
            encoded, seeds.reversed().flatMap { [(3, options($0)), (0, options($0))] })
        #expect(stride(from: 0, to: 40, by: 2).map { mixed[$0].map(\.ids) } == single.reversed())
        // The first of several samples is the one that a request for one gets, and they differ.
        let several = try alone(options(7, returned: 5))
        #expect(several.count == 5 && several[0] == single[7][0] && Set(several).count > 2)
        // Without a seed each request has its own.
        #expect(try Set((0..<5).map { _ in try alone(options(nil)) }).count > 1)
    }
}
