import Foundation
import JSON
import T5
import Tensors

/// What transformers generates from a golden core with other options than `golden.json`'s: the file
/// `decoding.json` that `Golden/make_decoding_golden.py` wrote.
struct DecodingGolden {
    struct Run {
        /// The index of its sequence among the golden case's.
        let sequence: Int
        let options: GenerationOptions
        /// The returned sequences, the best first.
        let ids: [[Int32]]
    }

    struct Filter {
        let temperature: Float
        let topK: Int
        let topP: Double
        /// The ids that remain, of the first sequence's first logits.
        let probabilities: [Int32: Double]
    }

    let golden: GoldenCase
    let runs: [Run]
    let filters: [Filter]

    init(_ name: String) throws {
        let golden = try GoldenCase(name)
        self.golden = golden
        let url = URL(fileURLWithPath: golden.directory + "/decoding.json")
        guard let json = try JSONValue.parse(Data(contentsOf: url)).object else {
            throw GoldenCase.GoldenError(name)
        }
        let limit = json["max_new_tokens"]?.int ?? 0
        runs = try (json["sequences"]?.array ?? []).flatMap { value -> [Run] in
            guard let object = value.object,
                let index = golden.sequences.firstIndex(where: { $0.name == object["name"]?.string })
            else { throw GoldenCase.GoldenError(name) }
            return (object["runs"]?.array ?? []).compactMap(\.object).map { run in
                Run(
                    sequence: index, options: Self.options(run, limit: limit),
                    ids: (run["ids"]?.array ?? []).map(Self.ids))
            }
        }
        filters = (json["filters"]?.array ?? []).compactMap(\.object).map { filter in
            var probabilities: [Int32: Double] = [:]
            for (id, probability) in filter["probabilities"]?.object ?? JSONObject() {
                probabilities[Int32(id) ?? -1] = probability.double
            }
            return Filter(
                temperature: Float(filter["temperature"]?.double ?? 0), topK: filter["top_k"]?.int ?? -1,
                topP: filter["top_p"]?.double ?? 0, probabilities: probabilities)
        }
    }

    private static func ids(_ value: JSONValue?) -> [Int32] {
        (value?.array ?? []).compactMap { $0.int.map(Int32.init) }
    }

    private static func options(_ run: JSONObject, limit: Int) -> GenerationOptions {
        var options = GenerationOptions(prefix: ids(run["prefix"]), maximumNewTokens: limit)
        options.decoding.beamCount = run["num_beams"]?.int ?? 1
        options.decoding.lengthPenalty = run["length_penalty"]?.double ?? 1
        options.decoding.earlyStopping = run["early_stopping"] == true
        options.decoding.returnedSequences = run["num_return_sequences"]?.int ?? 1
        options.decoding.repetitionPenalty = run["repetition_penalty"]?.double ?? 1
        options.decoding.minimumNewTokens = run["min_new_tokens"]?.int ?? 0
        return options
    }
}

extension T5Session {
    /// Generates for some of a case's sequences together; all returned sequences of each.
    func generateAll(
        _ encoded: EncodedBatch, _ requests: [(sequence: Int, options: GenerationOptions)]
    ) throws -> [[Generation]] {
        let batch = GenerationBatch(session: self)
        let tickets = try requests.map { try batch.add(encoded, sequence: $0.sequence, $0.options) }
        var results: [Int: [Generation]] = [:]
        while !batch.isEmpty {
            for finished in batch.step() { results[finished.ticket] = finished.generations }
        }
        return tickets.map { results[$0] ?? [] }
    }
}
