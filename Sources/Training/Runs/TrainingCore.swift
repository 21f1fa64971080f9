import T5
import Tensors

/// The core of a run: what it is trained through, and what its scores are served by.
final class TrainingCore {
    /// The core as it was loaded, in the precision that scores are computed in.
    let core: T5Core
    /// What gradients come from.
    let differentiable: any DifferentiableCore
    /// The core's weights that are trained; `nil` when it is frozen.
    let weights: TunedWeights?
    /// The precisions of scores and of training.
    let precisions: String

    private let pool: WorkerPool

    /// Loads a description's core.
    init(_ description: RunDescription, pool: WorkerPool) throws(TrainingError) {
        self.pool = pool
        let rates = Set(description.jobs.map(\.settings.dropout))
        guard let dropout = rates.first.map({ Float($0) }), rates.count == 1 else {
            throw TrainingError("dropout is that of the one core: all jobs of a run have the same")
        }
        do {
            core = try T5Core(description.core, precision: description.precision, pool: pool)
            if description.trainWeights != nil
                || description.jobs.contains(where: { $0.settings.method.method == .full })
            {
                let pattern = NamePattern(description.trainWeights ?? "*")
                let trained = try TrainableCore(
                    directory: description.core, trainable: pattern.matches, pool: pool, dropout: dropout)
                differentiable = trained
                weights = TunedWeights(trained)
                precisions = "\(core.precision.rawValue) float32"
            } else {
                let precision =
                    description.trainingPrecision ?? (core.precision == .float32 ? .float32 : .bfloat16)
                let trained =
                    core.precision == precision
                    ? core : try T5Core(description.core, precision: precision, pool: pool)
                differentiable = try FrozenCore(core: trained, pool: pool, dropout: dropout)
                weights = nil
                precisions = "\(core.precision.rawValue) \(precision.rawValue)"
            }
        } catch {
            throw TrainingError(wrapping: error)
        }
    }

    /// The core that scores are served by at this moment; in float32 while its weights are trained.
    func servingCore() throws(TrainingError) -> T5Core {
        guard let weights else { return core }
        do { return try weights.core.servingCore() } catch { throw TrainingError(wrapping: error) }
    }

    /// The core that the results belong to. Where its weights were trained, the best of them are written first, and
    /// read again.
    ///
    /// - Parameter folder: Where to write it.
    func finishedCore(folder: String) throws(TrainingError) -> T5Core {
        guard let weights else { return core }
        try weights.takeBest()
        do {
            try weights.core.write(to: folder)
            return try T5Core(folder, precision: core.precision, pool: pool)
        } catch {
            throw TrainingError(wrapping: error)
        }
    }
}
