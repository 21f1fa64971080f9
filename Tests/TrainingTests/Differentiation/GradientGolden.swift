import Foundation
import JSON
import T5
import Tensors
import TestSupport
import Training

/// A batch whose losses and gradients `Golden/make_gradients.py` computed with torch, on a small core.
struct GradientGolden {
    static let names = [
        "v1_0-relu-tied", "v1_1-gated-untied", "float16-padded-head", "byt5-like", "duplicate-embeddings",
    ]
    /// Those with the gradients of all weights.
    static let namesWithWeights = ["v1_1-gated-untied", "duplicate-embeddings"]

    /// The core's directory.
    let directory: String
    let prompts: [[Float]]
    let sequences: [TrainingSequence]
    let losses: [Double]
    let gradients: [[Float]]
    /// By checkpoint name.
    let weights: [String: [Float]]

    init(_ name: String) throws {
        directory = Repository.goldenCore(name)
        let folder = Repository.file("Tests/TrainingTests/Golden/\(name)")
        let file = try SafetensorsFile(path: folder + "/gradients.safetensors")
        func values(_ name: String) throws -> [Float] {
            guard let tensor = try file.tensor(name) else { throw Missing(name: name) }
            return tensor.values()
        }
        prompts = [try values("prompt.0"), try values("prompt.1")]
        gradients = [try values("gradient.0"), try values("gradient.1")]
        var weights: [String: [Float]] = [:]
        for name in file.entries.keys.map(\.string) where name.hasPrefix("weight.") {
            weights[String(name.dropFirst("weight.".count))] = try values(name)
        }
        self.weights = weights
        let batch = try JSONValue.parse(Data(contentsOf: URL(fileURLWithPath: folder + "/batch.json")))
        var sequences: [TrainingSequence] = []
        var losses: [Double] = []
        for value in batch.object?["sequences"]?.array ?? [] {
            guard let object = value.object, let loss = object["loss"]?.double,
                let weight = object["weight"]?.double
            else { throw Missing(name: name) }
            func ids(_ value: JSONValue?) -> [Int32] {
                (value?.array ?? []).compactMap { $0.int.map(Int32.init) }
            }
            sequences.append(
                TrainingSequence(
                    prompt: object["prompt"]?.int, inputIDs: ids(object["input_ids"]),
                    targetPrefix: ids(object["prefix"]), target: ids(object["target"]),
                    candidates: object["candidates"]?.array?.map { ids($0) },
                    alternatives: object["alternatives"]?.array?.map { ids($0) }, weight: Float(weight)))
            losses.append(loss)
        }
        self.sequences = sequences
        self.losses = losses
    }

    struct Missing: Error { let name: String }
}

/// The largest difference of two vectors as a share of the reference's largest magnitude; infinite when they cannot be
/// compared.
func relativeError(_ values: [Float], _ reference: [Float]) -> Float {
    guard values.count == reference.count, let largest = reference.map(abs).max(), largest > 0 else {
        return .infinity
    }
    let difference = zip(values, reference).map { abs($0 - $1) }.max() ?? 0
    return difference.isFinite ? difference / largest : .infinity
}

/// The cosine of the angle between two vectors.
func cosine(_ a: [Float], _ b: [Float]) -> Double {
    func dot(_ a: [Float], _ b: [Float]) -> Double {
        zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    return a.count == b.count ? dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot() : 0
}
