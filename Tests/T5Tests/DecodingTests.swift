import Basics
import Foundation
import T5
import Tensors
import Testing

/// Beam search, penalties and limits: the ids that transformers generates.
@Suite("Decoding, as transformers does it")
struct DecodingTests {
    private func session(
        _ golden: GoldenCase, _ precision: T5Core.Precision = .float32
    ) throws -> T5Session {
        let pool = WorkerPool(threadCount: 2)
        return T5Session(core: try T5Core(golden.directory, precision: precision, pool: pool), pool: pool)
    }

    @Test("four beams", arguments: GoldenCase.names)
    func fourBeams(name: String) throws {
        let golden = try GoldenCase(name)
        let session = try session(golden)
        let encoded = try session.encode(golden.sequences.map(\.input))
        var options = GenerationOptions(maximumNewTokens: 12)
        options.decoding.beamCount = 4
        let generations = try session.generate(encoded, golden.sequences.indices.map { ($0, options) })
        for (generation, sequence) in zip(generations, golden.sequences) {
            #expect(!sequence.beam4.isEmpty)
            #expect(generation.ids == sequence.beam4, "\(sequence.name)")
            #expect(generation.isFinished == (sequence.beam4.last == 1), "\(sequence.name)")
        }
    }

    @Test(
        "beams, length penalty, early stopping, several sequences, prefixes, repetition penalty, minimum length",
        arguments: GoldenCase.names)
    func options(name: String) throws {
        let decoding = try DecodingGolden(name)
        #expect(decoding.runs.count > 120)
        #expect(Set(decoding.runs.map { $0.ids }).count > 20)
        let session = try session(decoding.golden)
        let encoded = try session.encode(decoding.golden.sequences.map(\.input))
        let results = try session.generateAll(encoded, decoding.runs.map { ($0.sequence, $0.options) })
        for (result, run) in zip(results, decoding.runs) {
            #expect(result.map(\.ids) == run.ids, "sequence \(run.sequence), \(run.options)")
        }
    }

    @Test(
        "requests of every kind give the same ids among others that come and go as alone",
        arguments: T5Core.Precision.allCases)
    func mixing(precision: T5Core.Precision) throws {
        let decoding = try DecodingGolden("v1_1-gated-untied")
        let session = try session(decoding.golden, precision)
        var generator = SplitMix64(state: 5)
        var requests = decoding.runs.map { (sequence: $0.sequence, options: $0.options) }
        for seed in 0..<60 {
            var options = GenerationOptions(maximumNewTokens: 1 + seed % 16)
            options.decoding.temperature = 0.8
            options.decoding.topK = seed % 2 == 0 ? 0 : 10
            options.decoding.topP = seed % 4 < 2 ? 1 : 0.9
            options.decoding.seed = UInt64(seed)
            options.decoding.returnedSequences = 1 + seed % 3
            if seed % 5 == 0 { options.isComplete = { ids in ids.count >= 3 && (ids.last ?? 0) % 3 == 0 } }
            requests.append((seed % decoding.golden.sequences.count, options))
        }
        let alone = try requests.map { request in
            try session.generateAll(
                session.encode([decoding.golden.sequences[request.sequence].input]), [(0, request.options)])[
                    0]
        }
        let batch = GenerationBatch(session: session)
        var waiting = requests.indices.shuffled(using: &generator)
        var indexOfTicket: [Int: Int] = [:]
        var mostTogether = 0
        while !waiting.isEmpty || !batch.isEmpty {
            // Most rows of an encoded batch belong to nobody: sequences that remain of it are moved together.
            if let index = waiting.popLast() {
                let group = [index] + waiting.suffix(Int.random(in: 0...6, using: &generator))
                waiting.removeLast(group.count - 1)
                let inputs = group.flatMap { index in
                    [
                        decoding.golden.sequences[requests[index].sequence].input,
                        T5Input(rows: [], ids: [5, 1]),
                    ]
                }
                let encoded = try session.encode(inputs)
                for (place, index) in group.enumerated() {
                    indexOfTicket[
                        try batch.add(encoded, sequence: 2 * place, requests[index].options)] = index
                }
            }
            mostTogether = max(mostTogether, indexOfTicket.count)
            for finished in batch.step() {
                let known = indexOfTicket.removeValue(forKey: finished.ticket)
                let index = try #require(known)
                #expect(finished.generations == alone[index], "\(requests[index].options)")
            }
        }
        #expect(indexOfTicket.isEmpty && mostTogether > 8)
    }

    @Test("a stop condition ends greedy decoding, samples and beams where it first holds")
    func stopCondition() throws {
        let golden = try GoldenCase("v1_0-relu-tied")
        let session = try session(golden)
        let encoded = try session.encode(golden.sequences.map(\.input))
        let index = try #require(golden.sequences.firstIndex { $0.greedy.count == 12 })
        let greedy = golden.sequences[index].greedy
        var options = GenerationOptions(maximumNewTokens: 12)
        options.isComplete = { $0.suffix(2) == greedy[4..<6] }
        let stopped = try session.generate(encoded, [(index, options)])[0]
        let end = (2...12).first { greedy[..<$0].suffix(2) == greedy[4..<6] }
        #expect(stopped.ids == Array(greedy.prefix(end ?? 0)) && stopped.isFinished)

        options.isComplete = { $0.count == 3 }
        options.decoding.beamCount = 3
        options.decoding.returnedSequences = 3
        let beams = try session.generateAll(encoded, [(index, options)])[0]
        #expect(beams.count == 3 && Set(beams.map(\.ids)).count == 3)
        #expect(beams.allSatisfy { $0.isFinished && ($0.ids.count == 3 || $0.ids.last == 1) })
    }

    @Test("options that contradict each other are refused")
    func refusals() throws {
        let golden = try GoldenCase("v1_0-relu-tied")
        let session = try session(golden)
        let encoded = try session.encode([golden.sequences[0].input])
        let changes: [(inout GenerationOptions) -> Void] = [
            { $0.maximumNewTokens = 0 }, { $0.decoding.beamCount = 0 }, { $0.decoding.returnedSequences = 0 },
            { $0.decoding.returnedSequences = 2 }, { $0.decoding.topP = 0 }, { $0.decoding.temperature = -1 },
            { $0.decoding.temperature = .nan },
            { $0.decoding.repetitionPenalty = 0 }, { $0.prefix = [100] }, { $0.prefix = [-1] },
            { $0.decoding.stop = ["x"] },
            {
                $0.decoding.beamCount = 2
                $0.decoding.temperature = 1
            },
        ]
        for change in changes {
            var options = GenerationOptions(maximumNewTokens: 3)
            change(&options)
            #expect(throws: T5Error.self) { try session.generate(encoded, [(0, options)]) }
        }
    }
}
