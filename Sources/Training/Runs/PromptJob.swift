import Basics
import JSON
import T5
import Tasks
import Tensors

/// One prompt in training: its parameters, its optimizer, its rows and their order, and the best it has been.
///
/// Nothing in it depends on which other jobs train beside it.
final class PromptJob {
    /// The best prompt so far.
    struct Best {
        /// The updates it had.
        var step: Int
        /// The dev rows' score, and the mean log-probability of their right labels, which tells equal scores apart.
        var score: Double
        var confidence: Double
        /// The projected rows; empty for full tuning.
        var rows: [Float]
    }

    /// Why a job ended before its last step.
    enum Ending: String, CaseIterable {
        /// The dev score did not get better for as long as `patience` says.
        case patience
        /// Its numbers left the range of single precision.
        case diverged
    }

    let description: RunDescription.Job
    let data: TaskData
    let selection: DataSelection
    /// Updates to be made.
    let totalSteps: Int
    /// Updates made.
    var step = 0
    var best: Best?
    var reports: [TrainingReport] = []
    var ending: Ending?
    /// What became of the job's numbers, and in which step; `nil` while nothing is wrong.
    var failure: String?

    let parameterization: (any PromptParameterization)?
    let weights: TunedWeights?
    let optimizer: any Optimizer
    private let schedule: LearningRateSchedule
    private let interval: Int
    private let loss: TrainingLoss
    private let pool: WorkerPool
    var order: ExampleOrder
    /// For the parameterization's own dropout, and the seeds of the core's.
    var dropout: SplitMix64
    /// Rows since the last report and the sum of their losses.
    var lossSum = 0.0
    var lossCount = 0
    /// Evaluations on the dev set since the score was last the best.
    var staleReports = 0

    /// A job before its first step.
    ///
    /// - Parameters:
    ///   - parameterization: The prompt; `nil` when only the core's weights are trained.
    ///   - weights: Core weights that are trained; `nil` for none.
    init(
        _ description: RunDescription.Job, data: TaskData, parameterization: (any PromptParameterization)?,
        weights: TunedWeights?, pool: WorkerPool
    ) throws(TrainingError) {
        let settings = description.settings
        self.description = description
        self.data = data
        self.parameterization = parameterization
        self.weights = weights
        self.pool = pool
        loss = try Self.loss(settings.loss, data.definition)
        selection = try DataSelection(
            data, fewShot: settings.fewShot, devShare: settings.devShare, seed: settings.seed)
        optimizer = settings.optimizer.makeOptimizer()
        totalSteps = settings.steps(rows: selection.train.count)
        interval = settings.interval(steps: totalSteps)
        schedule = LearningRateSchedule(
            settings.schedule, warmUpSteps: settings.warmUp, totalSteps: totalSteps)
        order = ExampleOrder(count: selection.train.count, seed: settings.seed)
        dropout = SplitMix64(seed: settings.seed, stream: DataStream.dropout)
    }

    private static func loss(
        _ asked: TrainingLoss?, _ definition: TaskDefinition
    ) throws(TrainingError) -> TrainingLoss {
        let natural: TrainingLoss =
            definition.verbalizer != nil && definition.normalize == .labels ? .labels : .vocabulary
        guard asked == .labels, definition.verbalizer == nil else { return asked ?? natural }
        throw TrainingError(
            "loss is labels, but the task \(definition.name) has none; vocabulary was expected")
    }

    /// The settings with what follows from the data filled in.
    var resolvedSettings: JSONObject {
        var object = description.settingsInEffect
        if description.settings.length == nil { object["steps"] = JSONValue(totalSteps) }
        object["evaluate_every"] = JSONValue(interval)
        return object
    }

    /// Values of the prompt; 0 for full tuning.
    var promptCount: Int { (parameterization?.rows ?? 0) * (parameterization?.width ?? 0) }

    /// The most values that a checkpoint holds of it: what is trained, about twice that for the optimizer, and the best.
    var stateCount: Int {
        let weights = weights?.shapes.reduce(0) { $0 + $1.1.reduce(1, *) } ?? 0
        return 3 * ((parameterization?.trainableCount ?? 0) + weights) + promptCount + weights
    }

    /// Evaluations on the dev set, at most.
    var totalReports: Int { totalSteps / interval + 2 }

    /// Whether there is nothing left to train.
    var isFinished: Bool { step >= totalSteps || ending != nil }

    /// Whether it is time to evaluate on the dev set.
    var isDue: Bool {
        ending != .diverged && reports.last?.step != step && (step % interval == 0 || step >= totalSteps)
    }

    // MARK: One step

    /// A part of a step that goes through the core at once.
    struct Unit {
        /// The sequences; their `prompt` is 0, or `nil` without a prompt.
        var sequences: [TrainingSequence]
        /// Rows that they take: the encoder's, and the decoder's of alternatives.
        var rows: Int
        /// The seed of the core's dropout.
        var dropoutSeed: UInt64
    }

    /// The prompt's rows for the next step, and its mini-batches.
    ///
    /// How they are cut into units depends on this job alone, so that its sums have one order whatever else trains.
    ///
    /// - Parameter limit: Rows that a unit may have; one sequence may have more.
    /// - Returns: `nil` when the prompt is not finite any more: the job has ended.
    func beginStep(limit: Int) -> (prompt: [Float], units: [Unit])? {
        var generator: SplitMix64? = dropout
        let prompt = parameterization?.forward(dropout: &generator) ?? []
        dropout = generator ?? dropout
        guard prompt.allSatisfy(\.isFinite) else {
            diverge("the prompt has a value that is not finite", in: step + 1)
            return nil
        }
        let settings = description.settings
        let weight = 1 / Float(settings.batch * settings.accumulation)
        let promptRows = parameterization?.rows ?? 0
        var units: [Unit] = []
        for _ in 0..<settings.accumulation {
            var unit = Unit(sequences: [], rows: 0, dropoutSeed: dropout.next())
            for _ in 0..<settings.batch {
                let sequence = nextSequence(weight: weight)
                // Alternatives are rows of the decoder, many beside one answer's.
                let rows =
                    promptRows + sequence.inputIDs.count
                    + (sequence.alternatives ?? []).reduce(0) { $0 + $1.count }
                if !unit.sequences.isEmpty, unit.rows + rows > limit {
                    units.append(unit)
                    unit = Unit(sequences: [], rows: 0, dropoutSeed: dropout.next())
                }
                unit.sequences.append(sequence)
                unit.rows += rows
            }
            units.append(unit)
        }
        return (prompt, units)
    }

    private func nextSequence(weight: Float) -> TrainingSequence {
        let (place, epoch) = order.next()
        let index = selection.train[place]
        // A row with several right answers is trained on one after the other.
        let answers = data.answers[index]
        let answer = answers[epoch % answers.count]
        var sequence = TrainingSequence(
            prompt: parameterization == nil ? nil : 0, inputIDs: data.train[index].ids,
            targetPrefix: data.served.prefix, target: answer.ids, weight: weight)
        // The negative logarithm of the probability that serving gives the label.
        if loss == .labels {
            switch data.definition.normalize {
            case .labels: sequence.candidates = answer.candidates
            case .vocabulary: sequence.alternatives = answer.alternatives
            }
        }
        return sequence
    }

    /// Takes the step, given the gradient of the prompt's rows and the losses of the step's sequences.
    ///
    /// Where a number is not finite the job ends instead: it takes no step that cannot be gone on from.
    ///
    /// - Parameter gradient: `[rows, d_model]`; empty without a prompt.
    func finishStep(gradient: [Float], losses: [Float]) {
        parameterization?.clearGradients()
        parameterization?.backward(gradient)
        let settings = description.settings
        let parameters = parameterization?.parameters ?? []
        let maximum = settings.clip > 0 ? settings.clip : nil
        let factor = schedule.factor(step: step)
        let (promptRate, networkRate) = (
            settings.learningRate * factor, settings.networkLearningRate * factor
        )
        let norm =
            weights?.clipGradients(with: parameters, maximum: maximum, pool: pool)
            ?? clipGradients(parameters, maximum: maximum, pool: pool)
        guard norm.isFinite else {
            diverge("the gradient is not finite", in: step + 1)
            return
        }
        // Full tuning goes by the learning rate proper; weights beside a prompt by that of the network.
        weights?.step(
            optimizer, learningRate: parameterization == nil ? promptRate : networkRate, pool: pool)
        optimizer.step(parameters, pool: pool) { $0 == .prompt ? promptRate : networkRate }
        weights?.clearGradients()
        guard parameters.allSatisfy({ $0.withView { squareSum($0.values, pool: pool).isFinite } }),
            weights?.isFinite(pool: pool) ?? true
        else {
            diverge("the update makes a parameter that is not finite", in: step + 1)
            return
        }
        lossSum += losses.reduce(0) { $0 + Double($1) }
        lossCount += losses.count
        step += 1
    }

    /// Ends the job: its numbers are out of range.
    func diverge(_ what: String, in step: Int) {
        ending = .diverged
        fail("step \(step): \(what)")
    }

    /// Takes note of what is wrong with the job.
    func fail(_ what: String) {
        let name = [data.definition.name, description.folder].filter { !$0.isEmpty }.joined(separator: " ")
        failure = "\(name): \(what)"
    }

    // MARK: Evaluations on the dev set

    /// The projected prompt as it is now; `nil` when it is not finite.
    func projectedRows() -> [Float]? {
        guard let parameterization else { return [] }
        let rows = parameterization.evaluate()
        return rows.allSatisfy(\.isFinite) ? rows : nil
    }

    /// Takes note of the dev rows' score.
    ///
    /// - Returns: Whether it is the best so far.
    @discardableResult
    func report(score: Double, confidence: Double?, rows: [Float], seconds: Double) -> Bool {
        reports.append(
            TrainingReport(
                step: step, loss: lossCount == 0 ? nil : lossSum / Double(lossCount), dev: score,
                seconds: seconds))
        lossSum = 0
        lossCount = 0
        let confidence = confidence ?? 0
        let isBetter = best.map { score > $0.score } ?? true
        staleReports = isBetter ? 0 : staleReports + 1
        let patience = description.settings.patience
        if patience > 0, staleReports >= patience { ending = ending ?? .patience }
        guard isBetter || best.map({ score == $0.score && confidence > $0.confidence }) ?? true else {
            return false
        }
        best = Best(step: step, score: score, confidence: confidence, rows: rows)
        weights?.keepBest()
        return true
    }
}
