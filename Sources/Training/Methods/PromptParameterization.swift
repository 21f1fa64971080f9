import Basics
import Tensors

/// A soft prompt as a function of trainable parameters: P = f(θ).
///
/// Not thread safe: one object serves one job. Passes compute on the pool that it was made with, so none may
/// run inside that pool's `parallel`. Their results do not depend on how many threads the pool has.
///
/// What follows from the settings, the seed and the core rather than from training (a frozen projection,
/// sampled embeddings) is no parameter: an object made of the same has the same.
public protocol PromptParameterization: AnyObject {
    /// The number of virtual tokens.
    var rows: Int { get }
    /// `d_model` of the core.
    var width: Int { get }
    /// The trainable parameters, always in the same order.
    var parameters: [TrainableParameter] { get }

    /// The projected prompt `[rows, width]`, row-major: what is published.
    ///
    /// - Parameter dropout: What the method's own dropout draws from when training; `nil` in evaluation,
    ///   where nothing is dropped. Methods without dropout draw nothing.
    func forward(dropout: inout SplitMix64?) -> [Float]

    /// Adds the parameters' gradients, given that of the rows that the last ``forward(dropout:)`` gave, with
    /// the same parameters.
    ///
    /// - Precondition: There has been a pass forward, and the gradient has `rows × width` elements.
    func backward(_ gradient: [Float])
}

extension PromptParameterization {
    /// The projected prompt as it is served: without dropout.
    public func evaluate() -> [Float] {
        var none: SplitMix64?
        return forward(dropout: &none)
    }

    /// The number of values that training changes.
    public var trainableCount: Int { parameters.reduce(0) { $0 + $1.values.count } }

    /// Sets all gradients to 0.
    public func clearGradients() { parameters.forEach { $0.clearGradient() } }

    /// The parameters' values by name, for checkpoints: restored, they give the same prompt bit for bit.
    public var state: [NamedValues] { parameters.map { NamedValues(name: $0.name, values: $0.values) } }

    /// Takes the values of a saved state; other entries in it are ignored.
    ///
    /// - Throws: `TrainingError` when a parameter is missing, of another size or not finite; nothing has
    ///   changed then.
    public func restore(_ state: [NamedValues]) throws(TrainingError) {
        let saved = Dictionary(state.map { ($0.name, $0.values) }) { first, _ in first }
        var restored: [[Float]] = []
        for parameter in parameters {
            guard let values = saved[parameter.name] else {
                throw TrainingError("the saved state lacks the parameter \(parameter.name)")
            }
            guard values.count == parameter.values.count else {
                throw TrainingError(
                    "the saved parameter \(parameter.name) has \(values.count) values; "
                        + "\(parameter.shape) was expected")
            }
            guard values.allSatisfy(\.isFinite) else {
                throw TrainingError("the saved parameter \(parameter.name) holds a number that is not finite")
            }
            restored.append(values)
        }
        for (parameter, values) in zip(parameters, restored) { parameter.values = values }
    }
}
