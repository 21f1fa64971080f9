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
    public var folder: String { output.path }
    /// What became of jobs whose numbers left the range of single precision, a sentence each. They have the best prompt
    /// that they had until then.
    public var failures: [String] { jobs.compactMap(\.failure) }

    /// Called with a job's folder when its prompt is written and has not passed the exactness gate yet.
    package var didWritePrompt: ((String) throws -> Void)?

    let pool: WorkerPool
    let tokenizer: any Tokenizer
    let training: TrainingCore
    private(set) var jobs: [PromptJob] = []
    private var trainer: JobTrainer
    let notice: (String) -> Void
    let output: RunFolder
    /// Whether what an earlier run left in the folder goes when this one begins.
    private let overwrites: Bool
    /// Seconds of the run before it was resumed.
    var earlierSeconds = 0.0
    private var start = ContinuousClock.now
    private var checkpointTimer = CheckpointTimer()
    /// Whether the run goes on from a checkpoint.
    let isResumed: Bool
    /// Whether the folder has a checkpoint of this run.
    private(set) var hasCheckpoint = false

    /// Loads the core and the data and prepares every job.
    ///
    /// - Parameters:
    ///   - description: What to train.
    ///   - folder: Where to write; made when missing.
    ///   - resume: Go on from the folder's checkpoint, or begin where there is none.
    ///   - overwrite: Replace what an earlier run left in the folder.
    ///   - notice: Called with each warning, a sentence.
    /// - Throws: `TrainingError` naming the file, key or row at fault.
    public init(
        _ description: RunDescription, folder: String, resume: Bool = false, overwrite: Bool = false,
        notice: @escaping (String) -> Void = { _ in }
    ) throws(TrainingError) {
        self.description = description
        output = RunFolder(path: folder)
        overwrites = overwrite
        self.notice = notice
        let checkpoint = try output.checkpoint(resume: resume, overwrite: overwrite)
        isResumed = checkpoint != nil
        try output.check(description, isResumed: isResumed)
        let pool = WorkerPool(threadCount: description.threads ?? WorkerPool.availableProcessors)
        self.pool = pool
        training = try TrainingCore(description, pool: pool)
        training.core.warnings.forEach(notice)
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
        if let checkpoint {
            try restore(checkpoint)
            hasCheckpoint = true
        }
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
    /// Before the first step everything is looked at that could keep the results from being written and published. A
    /// checkpoint comes with the first step and then every 30 seconds; it goes when everything is written and published.
    ///
    /// - Parameters:
    ///   - isInterrupted: Asked before each step and between batches of rows that are answered; when it says so, the run
    ///     saves a checkpoint and ends.
    ///   - progress: Called after each step.
    /// - Returns: The jobs' results, in their order.
    /// - Throws: `TrainingError`, also when it was asked to stop, and when no job's numbers stayed in the range of single
    ///   precision.
    public func run(
        isInterrupted: @escaping () -> Bool = { false }, progress: (Progress) -> Void = { _ in }
    ) throws(TrainingError) -> [JobResult] {
        try RunChecks(self).check()
        if overwrites { try output.clear(for: description) }
        try FileAccess.makeFolder(folder)
        try writeDescriptions()
        start = .now
        do {
            try train(isInterrupted, progress)
            try saveCheckpointIfPossible()
            let results = try RunFinish.finish(self, isInterrupted: isInterrupted)
            output.removeCheckpoint()
            return results
        } catch {
            guard error.isInterruption else { throw error }
            try saveCheckpoint()
            throw TrainingError.interruption(
                "interrupted after step \(jobs.map(\.step).max() ?? 0); a checkpoint is in \(folder). The same "
                    + "command with --resume goes on from there")
        }
    }

    /// Takes every job's steps.
    private func train(
        _ isInterrupted: () -> Bool, _ progress: (Progress) -> Void
    ) throws(TrainingError) {
        let resumedAt = jobs.map(\.step).max() ?? 0
        var known = Set(failures)
        var hasStepped = false
        while true {
            if isInterrupted() { throw TrainingError.interruption("interrupted") }
            try evaluateOnDevRows(of: jobs.filter { $0.isDue }, isInterrupted)
            try note(&known)
            // What is saved has proved itself: nothing in it is out of range.
            if hasStepped, checkpointTimer.isDue { try saveCheckpointIfPossible() }
            let training = jobs.filter { !$0.isFinished }
            guard !training.isEmpty else { break }
            trainer.step(training)
            hasStepped = true
            try note(&known)
            progress(state(training.count, resumedAt: resumedAt))
        }
    }

    /// Says which jobs' numbers have left their range.
    ///
    /// - Throws: `TrainingError` when those of all have: then nothing is saved over the last checkpoint.
    private func note(_ known: inout Set<String>) throws(TrainingError) {
        let failures = failures
        guard failures.count < jobs.count else {
            throw TrainingError(
                failures.joined(separator: "\n")
                    + (hasCheckpoint ? "\nThe last good checkpoint is in \(folder)" : ""))
        }
        for failure in failures where known.insert(failure).inserted {
            notice("\(failure); the job ends with the best prompt it had")
        }
    }

    /// Saves a checkpoint in the middle of the run. When one is there already, and this one cannot be written, the run
    /// goes on: the disk may have room later.
    private func saveCheckpointIfPossible() throws(TrainingError) {
        let begun = ContinuousClock.now
        do { try saveCheckpoint() } catch {
            guard hasCheckpoint else { throw error }
            notice("no checkpoint could be saved: \(error.message)")
        }
        checkpointTimer.note(begun: begun)
    }

    private func saveCheckpoint() throws(TrainingError) {
        try checkpoint().write(to: output.checkpointPath)
        hasCheckpoint = true
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
    private func evaluateOnDevRows(
        of due: [PromptJob], _ isInterrupted: () -> Bool
    ) throws(TrainingError) {
        guard !due.isEmpty else { return }
        var candidates: [Evaluator.Candidate] = []
        var asked: [PromptJob] = []
        for job in due {
            guard let rows = job.projectedRows() else {
                job.diverge("the prompt has a value that is not finite", in: job.step)
                continue
            }
            candidates.append(
                Evaluator.Candidate(task: job.data.served, prompt: rows, rows: job.selection.dev))
            asked.append(job)
        }
        let evaluator = Evaluator(core: try training.servingCore(), tokenizer: tokenizer, pool: pool)
        let answered = try evaluator.answers(candidates, isInterrupted: isInterrupted)
        for ((job, candidate), answers) in zip(zip(asked, candidates), answered) {
            let scores: Scores
            let confidence: Double?
            do throws(TrainingError) {
                let answers = try answers.get()
                confidence = answers.confidence
                scores = try Scores(
                    answers.predictions, candidate.rows.map(\.example), job.data.definition)
            } catch {
                // What the engine refuses before the first step is no fault of the training.
                guard job.step > 0 else { throw error }
                job.diverge(error.message, in: job.step)
                continue
            }
            job.report(
                score: scores.primary, confidence: confidence, rows: candidate.prompt, seconds: seconds)
            do {
                try FileAccess.write(
                    job.reports.map { JSONValue.object($0.json).line + "\n" }.joined(),
                    to: path(of: job) + "/log.jsonl")
            } catch {
                // A line more comes with the next; the run is worth more than its log.
                guard job.step > 0 else { throw error }
                notice(error.message)
            }
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
        var object = planned(job.description)
        for (key, value) in job.resolvedSettings { object[key] = value }
        return object
    }

    /// The same without what follows from the data.
    func planned(_ job: Job) -> JSONObject {
        var object = JSONObject()
        for key in Self.runKeys where !["tasks", "seeds"].contains(key) {
            if let value = json[key] { object[key] = value }
        }
        for (key, value) in job.source.json { object[key] = value }
        for (key, value) in job.settingsInEffect { object[key] = value }
        return object
    }
}
