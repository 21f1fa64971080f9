import Basics
import Tensors

/// Cores of the published shapes with random weights, for measurements without a download: the scales are
/// those that `transformers` initializes T5 with, the values depend on name and index alone.
struct RandomCoreSource: T5TensorSource {
    let configuration: T5Configuration
    let pool: WorkerPool

    /// The configuration of a shape's name, `nil` when there is no such shape.
    static func configuration(shape: String) -> T5Configuration? {
        var c = T5Configuration()
        switch shape {
        case "t5-small": break
        case "t5-base", "t5-v1_1-base":
            c.modelWidth = 768
            c.feedForwardWidth = 3072
            c.encoderLayers = 12
            c.decoderLayers = 12
            c.heads = 12
            if shape == "t5-v1_1-base" {
                c.feedForwardWidth = 2048
                c.feedForward = .gatedGELU
                c.tieWordEmbeddings = false
            }
        case "t5-large":
            c.modelWidth = 1024
            c.feedForwardWidth = 4096
            c.encoderLayers = 24
            c.decoderLayers = 24
            c.heads = 16
        default: return nil
        }
        return c
    }

    /// The names that `configuration(shape:)` knows.
    static let shapes = ["t5-small", "t5-base", "t5-large", "t5-v1_1-base"]

    func embedding(_ shape: [Int]) -> StoredTensor { tensor("shared.weight", shape) }

    func untiedHead(_ shape: [Int], embedding: StoredTensor) -> StoredTensor? {
        configuration.tieWordEmbeddings ? nil : tensor("lm_head.weight", shape)
    }

    func tensor(_ name: String, _ shape: [Int]) -> StoredTensor {
        let count = shape.reduce(1, *)
        let buffer = AlignedBuffer(count, of: Float.self)
        let d = Float(configuration.modelWidth)
        let deviation: Float? =
            if name.hasSuffix("layer_norm.weight") {
                nil
            } else if name.hasSuffix(".q.weight") {
                1 / (d * Float(configuration.headWidth)).squareRoot()
            } else if name.hasSuffix(".o.weight") {
                1 / Float(configuration.innerWidth).squareRoot()
            } else if name.hasSuffix(".wo.weight") {
                1 / Float(configuration.feedForwardWidth).squareRoot()
            } else if name == "shared.weight" || name == "lm_head.weight" {
                1
            } else {
                1 / d.squareRoot()
            }
        let seed = fnv1a(name.utf8)
        pool.ranges(of: count, grain: 4096) { range in
            guard let deviation else {
                (buffer.floats + range.lowerBound).update(repeating: 1, count: range.count)
                return
            }
            // Uniform values of that deviation: as good as normal ones here, and much faster to draw.
            let scale = deviation * Float(3).squareRoot() / Float(1 << 23)
            for index in range {
                let draw = SplitMix64.mix(seed &+ UInt64(index) &* SplitMix64.gamma)
                let bits = Int32(truncatingIfNeeded: draw >> 40) - (1 << 23)
                buffer.floats[index] = (Float(bits) + 0.5) * scale
            }
        }
        return StoredTensor(
            name: name, elementType: .float32, shape: shape, path: "random",
            bytes: UnsafeRawBufferPointer(start: buffer.floats, count: count * 4), owner: buffer)
    }
}
