import Basics
import Foundation
import JSON
import Serving
import T5
import Tensors
import Tokenization

/// Language-model adaptation (Lester et al. 2021): all weights of a core are trained on raw text, with the prefix
/// language-model objective of Raffel et al. 2020. A window of text is cut in two at random; the encoder reads the
/// first part, the decoder is to give the second. Both end with the end-of-sequence id.
public final class CoreAdaptation {
    /// What came of it.
    public struct Outcome: Sendable {
        /// Updates made.
        public let steps: Int
        /// Seconds that they took.
        public let seconds: Double
        /// The loss an id on text that was held out, before and after.
        public let loss: (before: Double, after: Double)
        /// Whether there was nothing left to do.
        public var wasFinished = false

        /// The object that `adapt` prints.
        public var json: JSONObject {
            JSONObject([
                ("steps", JSONValue(steps)), ("seconds", JSONValue((seconds * 1000).rounded() / 1000)),
                ("loss", ["before": JSONValue(loss.before), "after": JSONValue(loss.after)]),
            ])
        }
    }

    let settings: AdaptationSettings
    private let destination: String
    let notice: (String) -> Void
    let pool: WorkerPool
    private let core: TrainableCore
    let weights: TunedWeights
    let optimizer: any Optimizer = AdamW()
    /// All texts' ids in a row.
    private let ids: [Int32]
    /// What a checkpoint must have been made with, beside the settings.
    let textHash: String
    let coreHash: String
    /// Windows for training; those that follow are held out.
    private let trainingWindows: Int
    var order: ExampleOrder
    var generator: SplitMix64
    var step = 0
    var earlierSeconds = 0.0
    var before: Double?
    var timer = CheckpointTimer()
    var hasCheckpoint = false

    /// Most windows that are held out; a fiftieth of all are.
    private static let maximumHeldOut = 64
    /// Most encoder rows of a pass.
    private static let passRows = 8192

    private static func checkpointPath(_ destination: String) -> String {
        destination + ".checkpoint.safetensors"
    }
    var checkpointPath: String { Self.checkpointPath(destination) }
    /// In the directory that was written: what it was made with, so that it is known again.
    private static let record = "adaptation.json"

    /// Loads core and texts.
    ///
    /// - Parameters:
    ///   - settings: What to read, and how to train.
    ///   - destination: The directory that is written at the end; nothing may be there.
    ///   - resume: Go on from the checkpoint beside the destination, or begin where there is none.
    ///   - overwrite: Begin anew where there is one. A directory is never replaced.
    ///   - notice: Called with each warning, a sentence.
    /// - Throws: `TrainingError` naming the file or setting at fault.
    public init(
        _ settings: AdaptationSettings, to destination: String, resume: Bool = false, overwrite: Bool = false,
        notice: @escaping (String) -> Void = { _ in }
    ) throws(TrainingError) {
        // What lies beside it has its name too.
        var destination = destination
        while destination.count > 1, destination.hasSuffix("/") { destination.removeLast() }
        try settings.validate()
        guard !FileManager.default.fileExists(atPath: destination) else {
            throw TrainingError("\(destination) exists already; name a directory that does not")
        }
        let checkpointPath = Self.checkpointPath(destination)
        let isBegun = FileManager.default.fileExists(atPath: checkpointPath)
        guard !isBegun || resume || overwrite else {
            throw TrainingError(
                "\(checkpointPath) is of an unfinished adaptation; go on with --resume, or begin anew with --overwrite"
            )
        }
        let folder = (destination as NSString).deletingLastPathComponent
        try RunFolder.checkWritable(folder: folder.isEmpty ? "." : folder)
        self.settings = settings
        self.destination = destination
        self.notice = notice
        pool = WorkerPool(threadCount: settings.threads ?? WorkerPool.availableProcessors)
        do {
            core = try TrainableCore(directory: settings.core, pool: pool, dropout: Float(settings.dropout))
            guard
                let tokenizer = try CoreTokenizer.load(
                    settings.core, vocabularySize: core.configuration.vocabularySize)
            else {
                throw TrainingError("the core \(settings.core) has no tokenizer, which text needs")
            }
            var ids: [Int32] = []
            for path in settings.texts {
                let bytes = try FileAccess.read(path, limit: LabelledFile.maximumSize)
                ids += tokenizer.encodePieces(bytes: bytes)
            }
            self.ids = ids
        } catch {
            throw TrainingError(wrapping: error)
        }
        let windows = ids.count / settings.length
        guard windows >= 2 else {
            throw TrainingError(
                "the text has \(ids.count) ids; at least two windows of \(settings.length) were expected")
        }
        weights = TunedWeights(core)
        var hash = SHA256()
        ids.withUnsafeBytes { hash.update($0) }
        textHash = hash.digest.hexadecimal
        hash = SHA256()
        for array in weights.state { array.values.withUnsafeBytes { hash.update($0) } }
        coreHash = hash.digest.hexadecimal
        trainingWindows = windows - min(Self.maximumHeldOut, max(1, windows / 50))
        order = ExampleOrder(count: trainingWindows, seed: settings.seed)
        generator = SplitMix64(seed: settings.seed, stream: DataStream.windows)
        if resume, isBegun { try restore(Checkpoint(path: checkpointPath)) }
        let bytes = weights.shapes.reduce(0) { $0 + $1.1.reduce(1, *) * 4 }
        // Checkpoints hold the weights and the optimizer's two means; the last stays until the next is written.
        try RunChecks.checkRoom(
            in: folder.isEmpty ? "." : folder, bytes: bytes * (isBegun ? 4 : 7), "the adaptation")
    }

    /// The outcome of an adaptation that has written its directory.
    ///
    /// - Returns: `nil` when it has not.
    /// - Throws: `TrainingError` when the directory is not an adaptation's, or one's with other settings.
    public static func outcome(
        of settings: AdaptationSettings, at destination: String
    ) throws(TrainingError) -> Outcome? {
        guard FileManager.default.fileExists(atPath: destination) else { return nil }
        let path = "\(destination)/\(record)"
        guard FileManager.default.fileExists(atPath: path) else {
            throw TrainingError("\(destination) exists already, and no adaptation wrote it")
        }
        let reader = try ObjectReader(parsing: FileAccess.read(path, limit: 1 << 20), at: path) {
            TrainingError($0)
        }
        if let difference = settings.difference(from: try reader.require("settings").object().object) {
            throw TrainingError(
                "\(destination) is a finished adaptation, but \(difference); name another directory")
        }
        let loss = try reader.require("loss").object()
        var outcome = Outcome(
            steps: try reader.require("steps").integer(), seconds: try reader.require("seconds").number(),
            loss: (try loss.require("before").number(), try loss.require("after").number()))
        outcome.wasFinished = true
        return outcome
    }

    /// Trains, and writes the core.
    ///
    /// - Parameters:
    ///   - isInterrupted: Asked before each step and each pass over the text held out; when it says so, a checkpoint is
    ///     saved and the run ends.
    ///   - progress: Called after each step with the steps made and the step's loss an id.
    /// - Throws: `TrainingError`, also when it was asked to stop, and when a loss, gradient or weight is not finite: the
    ///   last checkpoint then stays as it is.
    public func run(
        isInterrupted: () -> Bool = { false }, progress: (Int, Double) -> Void = { _, _ in }
    ) throws(TrainingError) -> Outcome {
        let start = ContinuousClock.now
        func seconds() -> Double { earlierSeconds + (ContinuousClock.now - start) / .seconds(1) }
        do throws(TrainingError) {
            let before = if let known = self.before { known } else { try heldOutLoss(isInterrupted) }
            self.before = before
            while step < settings.steps {
                if isInterrupted() { throw TrainingError.interruption("interrupted") }
                progress(step + 1, try takeStep())
                if timer.isDue { try saveIfPossible(seconds: seconds()) }
            }
            let outcome = Outcome(
                steps: step, seconds: seconds(), loss: (before, try heldOutLoss(isInterrupted)))
            try save(seconds: seconds())
            try write(outcome)
            return outcome
        } catch {
            guard error.isInterruption else { throw error }
            try save(seconds: seconds())
            throw TrainingError.interruption(
                "interrupted after step \(step); \(checkpointPath) has the state. The same command with --resume goes "
                    + "on from there")
        }
    }

    /// One update; the loss an id before it.
    private func takeStep() throws(TrainingError) -> Double {
        func refuse(_ what: String) -> TrainingError {
            TrainingError(
                "step \(step + 1): \(what); lower the learning rate"
                    + (hasCheckpoint ? ". The last good checkpoint is \(checkpointPath)" : ""))
        }
        let schedule = LearningRateSchedule(
            .linear, warmUpSteps: settings.warmUp, totalSteps: settings.steps)
        let sequences = (0..<settings.batch).map { _ in nextSequence() }
        let count = sequences.reduce(0) { $0 + $1.target.count }
        let loss = try pass(sequences, weight: 1 / Float(count)) / Double(count)
        let maximum = settings.clip > 0 ? settings.clip : nil
        guard loss.isFinite, weights.clipGradients(with: [], maximum: maximum, pool: pool).isFinite else {
            throw refuse("the loss or the gradient is not finite")
        }
        weights.step(
            optimizer, learningRate: settings.learningRate * schedule.factor(step: step), pool: pool)
        weights.clearGradients()
        guard weights.isFinite(pool: pool) else {
            throw refuse("the update makes a weight that is not finite")
        }
        step += 1
        return loss
    }

    /// Writes the core with a record of what it was made with.
    private func write(_ outcome: Outcome) throws(TrainingError) {
        var record = outcome.json
        record["settings"] = .object(settings.json)
        do {
            try core.write(
                to: destination, others: [(Self.record, JSONValue.object(record).indented)])
        } catch {
            throw TrainingError(wrapping: error)
        }
        unlink(checkpointPath)
    }

    // MARK: Windows

    private func nextSequence() -> TrainingSequence {
        let window = order.next().index
        return sequence(window: window, cut: 1 + generator.integer(below: settings.length - 1))
    }

    /// A window cut in two before the id at `cut`.
    private func sequence(window: Int, cut: Int) -> TrainingSequence {
        let start = window * settings.length
        let end = core.configuration.endOfSequenceID
        return TrainingSequence(
            prompt: nil, inputIDs: Array(ids[start..<start + cut]) + [end],
            target: Array(ids[start + cut..<start + settings.length]) + [end])
    }

    /// The loss an id of the windows held out, each cut in the middle.
    private func heldOutLoss(_ isInterrupted: () -> Bool) throws(TrainingError) -> Double {
        let sequences = (trainingWindows..<ids.count / settings.length).map {
            sequence(window: $0, cut: max(1, settings.length / 2))
        }
        let total = try pass(sequences, weight: 0, isInterrupted)
        weights.clearGradients()
        return total / Double(sequences.reduce(0) { $0 + $1.target.count })
    }

    /// Passes of bounded size; the sum of the losses.
    private func pass(
        _ sequences: [TrainingSequence], weight: Float, _ isInterrupted: () -> Bool = { false }
    ) throws(TrainingError) -> Double {
        var total = 0.0
        var rest = sequences.map { sequence in
            var sequence = sequence
            sequence.weight = weight
            return sequence
        }[...]
        let dropoutSeed = weight > 0 ? generator.next() : 0
        while !rest.isEmpty {
            if isInterrupted() { throw TrainingError.interruption("interrupted") }
            let part = rest.prefix(max(1, Self.passRows / settings.length))
            rest = rest.dropFirst(part.count)
            do {
                total += try core.gradients(
                    prompts: [], sequences: Array(part), dropoutSeed: dropoutSeed &+ UInt64(rest.count)
                ).losses.reduce(0) { $0 + Double($1) }
            } catch {
                throw TrainingError(
                    "step \(step + 1): \(error.message)"
                        + (hasCheckpoint ? ". The last good checkpoint is \(checkpointPath)" : ""))
            }
        }
        return total
    }
}
