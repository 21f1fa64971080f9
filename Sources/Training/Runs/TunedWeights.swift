import T5
import Tensors

/// The tensors of a core that is tuned, as a job sees them.
final class TunedWeights {
    /// The core.
    let core: TrainableCore
    /// The values that `keepBest` kept; none before.
    private(set) var best: [NamedValues] = []

    init(_ core: TrainableCore) { self.core = core }

    /// The tensors' shapes by name.
    var shapes: [(String, [Int])] { core.parameters.map { ($0.name, $0.shape) } }

    /// The tensors' values, for checkpoints.
    var state: [NamedValues] { core.parameters.map { NamedValues(name: $0.name, values: $0.values) } }

    /// Keeps a copy of the values.
    func keepBest() { best = state }

    /// Takes the best values for the present ones.
    func takeBest() throws(TrainingError) { try take(best) }

    /// Takes saved values.
    ///
    /// - Throws: `TrainingError` when a tensor is missing or of another size.
    func restore(_ state: [NamedValues]) throws(TrainingError) { try take(state) }

    /// Takes saved values for the best ones; entries that are no tensor's are left out.
    ///
    /// - Throws: `TrainingError` when a tensor is missing or of another size.
    func restore(best: [NamedValues]) throws(TrainingError) {
        let saved = try checked(best)
        self.best = best.filter { saved[$0.name] != nil }
    }

    private func take(_ state: [NamedValues]) throws(TrainingError) {
        let saved = try checked(state)
        for parameter in core.parameters { parameter.values = saved[parameter.name] ?? [] }
    }

    /// The saved values of every tensor.
    private func checked(_ state: [NamedValues]) throws(TrainingError) -> [String: [Float]] {
        let saved = Dictionary(state.map { ($0.name, $0.values) }) { first, _ in first }
        var values: [String: [Float]] = [:]
        for parameter in core.parameters {
            guard let own = saved[parameter.name], own.count == parameter.count else {
                throw TrainingError(
                    "its state is damaged: the tensor \(parameter.name) is missing or of another size")
            }
            values[parameter.name] = own
        }
        return values
    }

    /// Whether every value is a number.
    func isFinite(pool: WorkerPool) -> Bool {
        views.allSatisfy { squareSum($0.values, pool: pool).isFinite }
    }

    /// Sets the gradients to 0.
    func clearGradients() { core.zeroGradients() }

    /// Scales the gradients, and those of other parameters, so that their common norm is at most `maximum`, and
    /// returns the norm before.
    func clipGradients(with others: [TrainableParameter], maximum: Double?, pool: WorkerPool) -> Double {
        Self.withViews(of: others[...], views) { Training.clipGradients($0, maximum: maximum, pool: pool) }
    }

    /// Changes the values against their gradients.
    func step(_ optimizer: any Optimizer, learningRate: Double, pool: WorkerPool) {
        for view in views { optimizer.update(view, learningRate: learningRate, pool: pool) }
    }

    private var views: [ParameterView] {
        core.parameters.map { tensor in
            ParameterView(
                name: tensor.name, shape: tensor.shape,
                values: UnsafeMutableBufferPointer(start: tensor.memory.floats, count: tensor.count),
                gradient: UnsafeMutableBufferPointer(
                    start: tensor.gradientMemory.floats, count: tensor.count))
        }
    }

    /// Calls `body` with views of all parameters, and some before them.
    private static func withViews<Result>(
        of parameters: ArraySlice<TrainableParameter>, _ views: [ParameterView],
        _ body: ([ParameterView]) -> Result
    ) -> Result {
        guard let first = parameters.first else { return body(views) }
        return first.withView { withViews(of: parameters.dropFirst(), views + [$0], body) }
    }
}

/// Names with `*` for any characters: "decoder.block.0.*".
struct NamePattern: Sendable {
    private let parts: [[UInt8]]

    init(_ text: String) {
        parts = text.utf8.split(separator: UInt8(ascii: "*"), omittingEmptySubsequences: false).map {
            Array($0)
        }
    }

    /// Whether the whole name is of the pattern.
    func matches(_ name: String) -> Bool {
        guard let first = parts.first, let last = parts.last, parts.count > 1 else {
            return parts.first.map { $0.elementsEqual(name.utf8) } ?? false
        }
        var rest = Array(name.utf8)[...]
        guard rest.starts(with: first) else { return false }
        rest = rest.dropFirst(first.count)
        // Each part at its first place leaves the most for those that follow.
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let end = Self.end(of: part, in: rest) else { return false }
            rest = rest[end...]
        }
        return rest.count >= last.count && rest.suffix(last.count).elementsEqual(last)
    }

    private static func end(of part: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
        guard text.count >= part.count else { return nil }
        for start in text.startIndex...(text.endIndex - part.count)
        where text[start..<start + part.count].elementsEqual(part) {
            return start + part.count
        }
        return nil
    }
}
