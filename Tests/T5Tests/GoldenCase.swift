import Foundation
import JSON
import T5
import Tensors
import TestSupport

/// A core that `Golden/make_golden.py` made, with what transformers computes on it; see `Golden/README.md`.
struct GoldenCase {
    struct Sequence {
        let name: String
        let input: T5Input
        let greedy: [Int32]
        let beam4: [Int32]
        let labels: [[Int32]]
        let labelLogLikelihood: [Double]
    }

    static let names = [
        "v1_0-relu-tied", "v1_1-gated-untied", "sharded-bfloat16", "float16-padded-head",
        "transformers5-untied",
        "transformers5-tied", "duplicate-embeddings", "byt5-like", "mt5-like",
    ]

    let directory: String
    let sequences: [Sequence]
    private let tensors: SafetensorsFile

    init(_ name: String) throws {
        directory = Repository.goldenCore(name)
        let tensors = try SafetensorsFile(path: directory + "/golden.safetensors")
        self.tensors = tensors
        let json = try JSONValue.parse(Data(contentsOf: URL(fileURLWithPath: directory + "/golden.json")))
        sequences = try (json.object?["sequences"]?.array ?? []).map { value in
            guard let object = value.object else { throw GoldenError(name) }
            func ids(_ value: JSONValue?) -> [Int32] {
                (value?.array ?? []).compactMap { $0.int.map(Int32.init) }
            }
            let prompt = try object["prompt"]?.string.flatMap { try tensors.tensor($0)?.values() } ?? []
            return Sequence(
                name: object["name"]?.string ?? "",
                input: T5Input(rows: prompt, ids: ids(object["input_ids"])), greedy: ids(object["greedy"]),
                beam4: ids(object["beam4"]),
                labels: (object["labels"]?.array ?? []).map(ids),
                labelLogLikelihood: (object["label_log_likelihood"]?.array ?? []).compactMap(\.double))
        }
    }

    /// A tensor of the case; `nil` when the file has none of that name.
    func values(_ name: String) throws -> [Float]? { try tensors.tensor(name)?.values() }

    struct GoldenError: Error {
        let name: String
        init(_ name: String) { self.name = name }
    }
}

/// The largest difference of two vectors as a share of the reference's range; infinite when they cannot be
/// compared.
func relativeDifference(_ values: [Float], _ reference: [Float]) -> Float {
    guard values.count == reference.count, let low = reference.min(), let high = reference.max() else {
        return .infinity
    }
    let difference = zip(values, reference).map { abs($0 - $1) }.max() ?? 0
    return difference.isFinite ? difference / max(high - low, 1e-6) : .infinity
}
