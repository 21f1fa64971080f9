import Foundation
import JSON
import PromptStore
import Serving
import T5
import Tasks
import Tensors
import Tokenization

/// Trains the jobs of a description together, through one core, and writes what came of them.
///
/// Used by one thread at a time.
public final class TrainingRun {
    /// Where a run stands.
    public struct Progress: Sendable {
        /// Jobs that still train, and all.
        public let jobs: (training: Int, all: Int)
        /// The step of the job that is furthest, and the most that any will take.
        public let steps: (done: Int, all: Int)
        /// The mean of the jobs' last losses.
        public let loss: Double?
        /// The mean of the jobs' best dev scores.
        public let dev: Double?
        /// Encoder rows and answer ids a second.
        public let tokensPerSecond: Double
        /// An estimate from the steps so far.
        public let secondsLeft: Double
    }

    /// What is trained.
    public let description: RunDescription
    /// The folder that it is written to.
    public let folder: String

    /// Called with a job's folder when its prompt is written and has not passed the exactness gate yet.
    package var didWritePrompt: ((String) throws -> Void)?

    let pool: WorkerPool
    let tokenizer: any Tokenizer
    let training: TrainingCore
    private(set) var jobs: [PromptJob] = []
    private var trainer: JobTrainer
    private let notice: (String) -> Void
    /// Seconds of the run before it was resumed.
    var earlierSeconds = 0.0
    private var start = ContinuousClock.now
    var lastCheckpoint = ContinuousClock.now

    /// Least time from one checkpoint to the next.
    private static let checkpointInterval = Duration.seconds(30)

    /// Loads the core and the data and prepares every job.
    ///
    /// - Parameters:
    ///   - description: What to train.
    ///   - folder: Where to write; made when missing.
    ///   - resume: Go on from the folder's checkpoint.
    ///   - notice: Called with each warning, a sentence.
    /// - Throws: `TrainingError` naming the file, key or row at fault.
    public init(
        _ description: RunDescription, folder: String, resume: Bool = false,
        notice: @escaping (String) -> Void = { _ in }
    ) throws(TrainingError) {
        self.description = description
        self.folder = folder
        self.notice = notice
        let pool = WorkerPool(threadCount: description.threads ?? WorkerPool.availableProcessors)
        self.pool = pool
        let checkpoint = try Self.checkpoint(in: folder, resume: resume)
        training = try TrainingCore(description, pool: pool)
        training.core.warnings.forEach(notice)
        try training.checkDestination(folder + "/core")
        let core = training.core
        do {
            guard
                let tokenizer = try CoreTokenizer.load(
                    description.core, vocabularySize: core.configuration.vocabularySize)
            else {
                throw TrainingError(
                    "the core \(description.core) has no tokenizer, which training on text needs")
            }
            self.tokenizer = tokenizer
        } catch {
            throw TrainingError(wrapping: error)
        }
        trainer = JobTrainer(
            core: training.differentiable, batchRows: description.batchRows,
            hasDropout: description.jobs.contains { $0.settings.dropout > 0 })
        try makeJobs()
        if let checkpoint { try restore(checkpoint) }
    }

    private func makeJobs() throws(TrainingError) {
        var loaded: [TaskSource: TaskData] = [:]
        let maker = try ParameterizationMaker(
            description, core: training.core, tokenizer: tokenizer, pool: pool)
        for job in description.jobs {
            let data: TaskData
            if let known = loaded[job.source] {
                data = known
            } else {
                data = try TaskData(
                    job.source, tokenizer: tokenizer, configuration: training.core.configuration, pool: pool)
                loaded[job.source] = data
                data.notices.forEach(notice)
            }
            let ready = try PromptJob(
                job, data: data, parameterization: try maker.make(job.settings, data.served),
                weights: training.weights, pool: pool)
            if let text = ready.selection.notice { notice(text) }
            jobs.append(ready)
        }
    }

    // MARK: The run

    /// Trains until every job is finished, writes the results and publishes.
    ///
    /// - Parameters:
    ///   - isInterrupted: Asked before each step; when it says so, the run saves a checkpoint and ends.
    ///   - progress: Called after each step.
    /// - Returns: The jobs' results, in their order.
    /// - Throws: `TrainingError`, also when it was asked to stop.
    public func run(
        isInterrupted: () -> Bool = { false }, progress: (Progress) -> Void = { _ in }
    ) throws(TrainingError) -> [JobResult] {
        try FileAccess.makeFolder(folder)
        try writeDescriptions()
        start = .now
        lastCheckpoint = .now
        let resumedAt = jobs.map(\.step).max() ?? 0
        while true {
            try evaluateOnDevRows(of: jobs.filter { $0.isDue })
            if ContinuousClock.now - lastCheckpoint > Self.checkpointInterval { try saveCheckpoint() }
            let training = jobs.filter { !$0.isFinished }
            guard !training.isEmpty else { break }
            if isInterrupted() {
                try saveCheckpoint()
                throw TrainingError.interruption(
                    "interrupted after step \(jobs.map(\.step).max() ?? 0); a checkpoint is in \(folder). The same "
                        + "command with --resume goes on from there")
            }
            try trainer.step(training, notice: notice)
            progress(state(training.count, resumedAt: resumedAt))
        }
        let results = try RunFinish(self).finish()
        try? FileManager.default.removeItem(atPath: Self.checkpointPath(folder))
        return results
    }

    /// Seconds since the run began.
    var seconds: Double { earlierSeconds + (ContinuousClock.now - start) / .seconds(1) }

    private func state(_ training: Int, resumedAt: Int) -> Progress {
        func mean(_ values: [Double]) -> Double? {
            values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
        }
        let elapsed = (ContinuousClock.now - start) / .seconds(1)
        let done = jobs.map(\.step).max() ?? 0
        let all = jobs.filter { !$0.isFinished }.map(\.totalSteps).max() ?? done
        return Progress(
            jobs: (training, jobs.count), steps: (done, all),
            loss: mean(jobs.compactMap { $0.reports.last?.loss }),
            dev: mean(jobs.compactMap { $0.best?.score }), tokensPerSecond: Double(trainer.tokens) / elapsed,
            secondsLeft: elapsed / Double(max(1, done - resumedAt)) * Double(max(0, all - done)))
    }

    /// Has the serving engine answer the dev rows of some jobs, and writes their logs.
    private func evaluateOnDevRows(of due: [PromptJob]) throws(TrainingError) {
        guard !due.isEmpty else { return }
        var candidates: [Evaluator.Candidate] = []
        var asked: [PromptJob] = []
        for job in due {
            guard let rows = job.projectedRows() else {
                notice("\(job.description.folder): the prompt is not finite after step \(job.step)")
                job.diverge()
                continue
            }
            candidates.append(
                Evaluator.Candidate(task: job.data.served, prompt: rows, rows: job.selection.dev))
            asked.append(job)
        }
        let evaluator = Evaluator(core: try training.servingCore(), tokenizer: tokenizer, pool: pool)
        for ((job, candidate), answers) in zip(zip(asked, candidates), try evaluator.answers(candidates)) {
            let scores = try Scores(
                answers.predictions, candidate.rows.map(\.example), job.data.definition)
            job.report(
                score: scores.primary, confidence: answers.confidence, rows: candidate.prompt,
                seconds: seconds)
            try FileAccess.write(
                job.reports.map { JSONValue.object($0.json).line + "\n" }.joined(),
                to: path(of: job) + "/log.jsonl")
        }
    }

    // MARK: Files

    /// The folder of a job.
    func path(of job: PromptJob) -> String {
        job.description.folder.isEmpty ? folder : "\(folder)/\(job.description.folder)"
    }

    private func writeDescriptions() throws(TrainingError) {
        for job in jobs {
            try FileAccess.makeFolder(path(of: job))
            try FileAccess.write(
                JSONValue.object(description.resolved(job)).indented,
                to: path(of: job) + "/train.json")
        }
        if jobs.count > 1 || jobs.first?.description.folder.isEmpty == false {
            try FileAccess.write(JSONValue.object(description.json).indented, to: folder + "/train.json")
        }
    }
}

extension RunDescription {
    /// A job's description with every setting filled in: its `train.json`.
    func resolved(_ job: PromptJob) -> JSONObject {
        var object = JSONObject()
        for key in Self.runKeys where !["tasks", "seeds"].contains(key) {
            if let value = json[key] { object[key] = value }
        }
        for (key, value) in job.data.source.json { object[key] = value }
        for (key, value) in job.resolvedSettings { object[key] = value }
        return object
    }
}
