import Tensors

/// Changes parameters against their gradients, and remembers what it needs for that.
///
/// Not thread safe: one object serves one job. It computes on a pool's threads, so no call may come from
/// inside that pool's `parallel`; the results do not depend on how many threads there are.
public protocol Optimizer: AnyObject {
    /// What it was made with.
    var settings: OptimizerSettings { get }

    /// Changes one parameter once. Its name says which state belongs to it, so all parameters of one
    /// optimizer have distinct names, and each keeps its shape.
    func update(_ parameter: ParameterView, learningRate: Double, pool: WorkerPool)

    /// What it remembers, for checkpoints: restored, it goes on bit for bit. Empty before the first update.
    var state: [NamedValues] { get }

    /// Takes a saved state; entries of other parameters are ignored.
    ///
    /// - Parameters:
    ///   - state: What `state` was.
    ///   - shapes: The parameters' shapes by name. One that the state does not hold begins anew.
    /// - Throws: `TrainingError` when an entry is of another size; nothing has changed then.
    func restore(_ state: [NamedValues], shapes: [String: [Int]]) throws(TrainingError)
}

extension Optimizer {
    /// Changes each parameter once, with its group's learning rate. Gradients stay as they are.
    public func step(
        _ parameters: [TrainableParameter], pool: WorkerPool, learningRate: (ParameterGroup) -> Double
    ) {
        for parameter in parameters {
            let rate = learningRate(parameter.group)
            parameter.withView { update($0, learningRate: rate, pool: pool) }
        }
    }

    /// Takes the saved state of these parameters: see ``restore(_:shapes:)``.
    public func restore(_ state: [NamedValues], for parameters: [TrainableParameter]) throws(TrainingError) {
        try restore(state, shapes: Dictionary(parameters.map { ($0.name, $0.shape) }) { first, _ in first })
    }
}

/// Elements that one thread takes at a time: enough that handing them out costs nothing beside them.
let optimizerGrain = 1 << 14

/// The saved arrays of one parameter: `state` under "name.part".
struct SavedState {
    private let values: [String: [Float]]

    init(_ state: [NamedValues]) {
        values = Dictionary(state.map { ($0.name, $0.values) }) { first, _ in first }
    }

    /// The part's numbers, or `nil` when none are saved.
    func part(_ part: String, of name: String, count: Int) throws(TrainingError) -> [Float]? {
        guard let values = values["\(name).\(part)"] else { return nil }
        guard values.count == count else {
            throw TrainingError(
                "the saved optimizer state \(name).\(part) has \(values.count) values; \(count) were expected"
            )
        }
        return values
    }

    /// The part's numbers beside others that are saved.
    func require(_ part: String, of name: String, count: Int) throws(TrainingError) -> [Float] {
        guard let values = try self.part(part, of: name, count: count) else {
            throw TrainingError("the saved optimizer state lacks \(name).\(part)")
        }
        return values
    }

    /// The number of updates so far, `nil` when nothing is saved. A float holds it exactly up to 16,777,216.
    func step(of name: String) throws(TrainingError) -> Int? {
        guard let step = try part("step", of: name, count: 1)?.first else { return nil }
        guard let count = Int(exactly: step), count > 0 else {
            throw TrainingError(
                "the saved optimizer state \(name).step is \(step); a number of steps was expected")
        }
        return count
    }
}
