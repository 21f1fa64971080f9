import Foundation
import Tensors

/// A frozen T5: its configuration and weights, loaded once and shared by all sessions.
public final class T5Core: Sendable {
    /// How the core computes.
    public enum Precision: String, Sendable, CaseIterable {
        /// Float32 on OpenBLAS: the reference mode.
        case float32
    }

    /// The core's configuration.
    public let configuration: T5Configuration
    /// Identifies the core: 64 hexadecimal digits over its tensors and the configuration fields that change
    /// the result. Prompts are bound to it.
    public let fingerprint: String
    /// How the core computes.
    public let precision: Precision

    let weights: T5Weights

    /// Loads a core.
    ///
    /// - Parameters:
    ///   - source: A Hugging Face T5 directory (`config.json` and `model.safetensors`, or its sharded form), or
    ///     `random:SHAPE` for a randomly initialised core of a published shape.
    ///   - precision: How to compute.
    ///   - pool: The threads that load.
    /// - Throws: `T5Error` naming the file, key or tensor at fault.
    public init(_ source: String, precision: Precision = .float32, pool: WorkerPool) throws(T5Error) {
        self.precision = precision
        if let shape = Self.randomShape(source) {
            guard let configuration = RandomCoreSource.configuration(shape: shape) else {
                let shapes = RandomCoreSource.shapes.map { "random:\($0)" }.joined(separator: ", ")
                throw T5Error(.configuration, "there is no core \(source); there are \(shapes)")
            }
            self.configuration = configuration
            var tensors = RandomCoreSource(configuration: configuration, pool: pool)
            weights = try T5Weights(configuration, from: &tensors)
            fingerprint = CoreFingerprint().digest(
                configuration: configuration, facts: "\(source)\n", pool: pool)
        } else {
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: source, isDirectory: &isDirectory),
                isDirectory.boolValue
            else { throw T5Error(.unreadable, "there is no core directory \(source)") }
            configuration = try T5Configuration(path: source + "/config.json")
            var tensors = try T5CheckpointSource(directory: source, configuration: configuration)
            weights = try T5Weights(configuration, from: &tensors)
            fingerprint = tensors.fingerprint.digest(
                configuration: configuration, facts: "head_scale \(weights.headScale.bitPattern)\n",
                pool: pool)
        }
    }

    /// The shape's name when a core is named `random:SHAPE`.
    public static func randomShape(_ source: String) -> String? {
        source.hasPrefix("random:") ? String(source.dropFirst("random:".count)) : nil
    }
}
