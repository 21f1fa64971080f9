import Basics
import Foundation
import JSON
import Serving
import T5
import Tensors
import Tokenization

/// How a core is adapted to continue text.
public struct AdaptationSettings: Sendable, Hashable {
    /// The core's directory.
    public var core: String
    /// Files of raw text.
    public var texts: [String]
    /// Updates, 1 to 10,000,000.
    public var steps = 1000
    /// Windows of a mini-batch, 1 to 65,536.
    public var batch = 16
    /// Ids of a window, 2 to 131,072; it is cut in two at a random place.
    public var length = 256
    /// The learning rate, which falls to 0 in a straight line.
    public var learningRate = 0.0003
    /// Steps over which it rises from 0.
    public var warmUp = 0
    /// The gradients' norm is scaled down to this; 0 for never.
    public var clip = 1.0
    /// The core's dropout.
    public var dropout = 0.0
    /// Decides every draw.
    public var seed: UInt64 = 0
    /// Threads; `nil` for one a processor.
    public var threads: Int?

    /// The defaults for a core and its texts.
    public init(core: String, texts: [String]) {
        self.core = core
        self.texts = texts
    }

    fileprivate func validate() throws(TrainingError) {
        func check(_ passes: Bool, _ what: String) throws(TrainingError) {
            guard passes else { throw TrainingError(what) }
        }
        try check(!texts.isEmpty, "no text is given (--text FILE)")
        try check((1...10_000_000).contains(steps), "steps is \(steps); 1 to 10000000 was expected")
        try check((1...65_536).contains(batch), "batch is \(batch); 1 to 65536 was expected")
        try check((2...131_072).contains(length), "length is \(length); 2 to 131072 was expected")
        try check(warmUp >= 0, "warmup is \(warmUp); 0 or more was expected")
        try check(learningRate >= 0 && learningRate.isFinite, "learning_rate is \(learningRate)")
        try check(clip >= 0 && clip.isFinite, "clip is \(clip); 0 or more was expected")
    }

    /// What a checkpoint must have been made with.
    fileprivate var json: JSONObject {
        JSONObject([
            ("steps", JSONValue(steps)), ("batch", JSONValue(batch)), ("length", JSONValue(length)),
            ("learning_rate", JSONValue(learningRate)), ("warmup", JSONValue(warmUp)),
            ("clip", JSONValue(clip)),
            ("dropout", JSONValue(dropout)), ("seed", JSONValue(seed)),
        ])
    }
}

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

        /// The object that `adapt` prints.
        public var json: JSONObject {
            JSONObject([
                ("steps", JSONValue(steps)), ("seconds", JSONValue((seconds * 1000).rounded() / 1000)),
                ("loss", ["before": JSONValue(loss.before), "after": JSONValue(loss.after)]),
            ])
        }
    }

    private let settings: AdaptationSettings
    private let destination: String
    private let pool: WorkerPool
    private let core: TrainableCore
    private let weights: TunedWeights
    private let optimizer: any Optimizer = AdamW()
    /// All texts' ids in a row.
    private let ids: [Int32]
    /// Windows for training; those that follow are held out.
    private let trainingWindows: Int
    private var order: ExampleOrder
    private var generator: SplitMix64
    private var step = 0
    private var earlierSeconds = 0.0
    private var before: Double?

    /// Most windows that are held out; a fiftieth of all are.
    private static let maximumHeldOut = 64
    /// Most encoder rows of a pass.
    private static let passRows = 8192

    private var checkpointPath: String { destination + ".checkpoint.safetensors" }

    /// Loads core and texts.
    ///
    /// - Parameters:
    ///   - settings: What to read, and how to train.
    ///   - destination: The directory that is written at the end; nothing may be there.
    ///   - resume: Go on from the checkpoint beside the destination.
    /// - Throws: `TrainingError` naming the file or setting at fault.
    public init(
        _ settings: AdaptationSettings, to destination: String, resume: Bool = false
    ) throws(TrainingError) {
        try settings.validate()
        guard !FileManager.default.fileExists(atPath: destination) else {
            throw TrainingError("\(destination) exists already; name a directory that does not")
        }
        self.settings = settings
        self.destination = destination
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
        trainingWindows = windows - min(Self.maximumHeldOut, max(1, windows / 50))
        order = ExampleOrder(count: trainingWindows, seed: settings.seed)
        generator = SplitMix64(seed: settings.seed, stream: DataStream.windows)
        if resume { try restore() }
    }

    /// Trains, and writes the core.
    ///
    /// - Parameters:
    ///   - isInterrupted: Asked before each step; when it says so, a checkpoint is saved and the run ends.
    ///   - progress: Called after each step with the steps made and the step's loss an id.
    /// - Throws: `TrainingError`, also when it was asked to stop.
    public func run(
        isInterrupted: () -> Bool = { false }, progress: (Int, Double) -> Void = { _, _ in }
    ) throws(TrainingError) -> Outcome {
        let start = ContinuousClock.now
        let schedule = LearningRateSchedule(
            .linear, warmUpSteps: settings.warmUp, totalSteps: settings.steps)
        let before = if let known = self.before { known } else { try heldOutLoss() }
        self.before = before
        func seconds() -> Double { earlierSeconds + (ContinuousClock.now - start) / .seconds(1) }
        while step < settings.steps {
            if isInterrupted() {
                try save(seconds: seconds())
                throw TrainingError.interruption(
                    "interrupted after step \(step); \(checkpointPath) has the state. The same command with "
                        + "--resume goes on from there")
            }
            let sequences = (0..<settings.batch).map { _ in nextSequence() }
            let count = sequences.reduce(0) { $0 + $1.target.count }
            let loss = try pass(sequences, weight: 1 / Float(count)) / Double(count)
            let maximum = settings.clip > 0 ? settings.clip : nil
            if weights.clipGradients(with: [], maximum: maximum, pool: pool).isFinite {
                weights.step(
                    optimizer, learningRate: settings.learningRate * schedule.factor(step: step), pool: pool)
            }
            weights.clearGradients()
            step += 1
            progress(step, loss)
        }
        let after = try heldOutLoss()
        do { try core.write(to: destination) } catch { throw TrainingError(wrapping: error) }
        try? FileManager.default.removeItem(atPath: checkpointPath)
        return Outcome(steps: step, seconds: seconds(), loss: (before, after))
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
    private func heldOutLoss() throws(TrainingError) -> Double {
        let sequences = (trainingWindows..<ids.count / settings.length).map {
            sequence(window: $0, cut: max(1, settings.length / 2))
        }
        let total = try pass(sequences, weight: 0)
        weights.clearGradients()
        return total / Double(sequences.reduce(0) { $0 + $1.target.count })
    }

    /// Passes of bounded size; the sum of the losses.
    private func pass(_ sequences: [TrainingSequence], weight: Float) throws(TrainingError) -> Double {
        var total = 0.0
        var rest = sequences.map { sequence in
            var sequence = sequence
            sequence.weight = weight
            return sequence
        }[...]
        let dropoutSeed = weight > 0 ? generator.next() : 0
        while !rest.isEmpty {
            let part = rest.prefix(max(1, Self.passRows / settings.length))
            rest = rest.dropFirst(part.count)
            do {
                total += try core.gradients(
                    prompts: [], sequences: Array(part), dropoutSeed: dropoutSeed &+ UInt64(rest.count)
                ).losses.reduce(0) { $0 + Double($1) }
            } catch {
                throw TrainingError("step \(step): \(error.message)")
            }
        }
        return total
    }

    // MARK: Checkpoints

    private func save(seconds: Double) throws(TrainingError) {
        func named(_ group: String, _ values: [NamedValues]) -> [NamedValues] {
            values.map { NamedValues(name: "\(group)/\($0.name)", values: $0.values) }
        }
        try Checkpoint(
            state: JSONObject([
                ("settings", .object(settings.json)), ("ids", JSONValue(ids.count)),
                ("step", JSONValue(step)),
                ("order", JSONValue(bits: order.state.generator)), ("epoch", JSONValue(order.state.epoch)),
                ("position", JSONValue(order.state.position)), ("draws", JSONValue(bits: generator.state)),
                ("before", before.map { JSONValue($0) } ?? .null), ("seconds", JSONValue(seconds)),
            ]), arrays: named("weights", weights.state) + named("optimizer", optimizer.state)
        ).write(to: checkpointPath)
    }

    private func restore() throws(TrainingError) {
        guard FileManager.default.fileExists(atPath: checkpointPath) else {
            throw TrainingError("there is no \(checkpointPath) to go on from; begin without --resume")
        }
        let checkpoint = try Checkpoint(path: checkpointPath)
        let state = checkpoint.state
        guard state["settings"] == .object(settings.json), state["ids"]?.int == ids.count else {
            throw TrainingError(
                "\(checkpointPath) was made with other settings or text; go on with the same, or begin without --resume"
            )
        }
        let reader = try ObjectReader(state, at: checkpointPath, nullIsAbsent: true) { TrainingError($0) }
        func group(_ name: String) -> [NamedValues] {
            checkpoint.arrays.filter { $0.name.hasPrefix(name + "/") }.map {
                NamedValues(name: String($0.name.dropFirst(name.count + 1)), values: $0.values)
            }
        }
        try weights.restore(group("weights"), best: [])
        do {
            try optimizer.restore(
                group("optimizer"), shapes: Dictionary(weights.shapes) { first, _ in first })
        } catch {
            throw error.at(checkpointPath)
        }
        try order.restore(
            generator: reader.require("order").bits(), epoch: reader.require("epoch").integer(),
            position: reader.require("position").integer())
        generator = SplitMix64(state: try reader.require("draws").bits())
        step = try reader.require("step").integer(in: 0...settings.steps)
        before = try reader["before"]?.number()
        earlierSeconds = try reader.require("seconds").number()
    }
}
