import Basics
import JSON

/// Over what the probability of an answer's pieces is taken in training.
public enum TrainingLoss: String, Sendable, CaseIterable {
    /// Over the pieces that the task's labels have at that place: the negative logarithm of the probability that
    /// serving gives the label.
    case labels
    /// Over all pieces.
    case vocabulary
}

/// How one prompt is trained: everything that decides its values but core, task and data.
public struct JobSettings: Sendable, Hashable {
    /// The method with its options.
    public var method = MethodSettings(.residualMLP1)
    /// What the prompt's rows are before training.
    public var initialization = PromptInitialization.vocabulary
    /// The optimizer with its options.
    public var optimizer = OptimizerSettings.adamW(AdamWSettings())
    /// Over what probabilities are taken; `nil` for the task's own way (`labels` unless its definition says otherwise
    /// or it has no labels).
    public var loss: TrainingLoss?
    /// The learning rate of the prompt; for full tuning that of the weights.
    public var learningRate = 0.3
    /// The learning rate of the network that the prompt goes through, and of `train_weights`.
    public var networkLearningRate = 0.001
    /// How the learning rates go over the run.
    public var schedule = LearningRateSchedule.Shape.linear
    /// Steps over which they rise from 0.
    public var warmUp = 0
    /// The gradients' common norm is scaled down to this; 0 for never.
    public var clip = 1.0
    /// How long to train; `nil` for twenty times all training rows, but 600 to 6,000 updates.
    public var length: Length?
    /// Rows of a mini-batch.
    public var batch = 32
    /// Mini-batches whose gradients make one step.
    public var accumulation = 1
    /// Steps from one look at the dev rows to the next; `nil` for a twentieth of the run.
    public var evaluateEvery: Int?
    /// Evaluations on the dev set without a better score after which training stops; 0 for never.
    public var patience = 0
    /// The core's dropout; 0 for none.
    public var dropout = 0.0
    /// Training rows a class; `nil` for all.
    public var fewShot: Int?
    /// The share of the training rows that become dev rows when there is no dev file.
    public var devShare = 0.1
    /// Decides every draw.
    public var seed: UInt64 = 0

    /// How long to train.
    public enum Length: Sendable, Hashable {
        /// So many updates.
        case steps(Int)
        /// So many times all training rows.
        case epochs(Int)
    }

    /// The defaults.
    public init() {}

    /// How prompts begin by default: as embeddings, where the method takes rows as they are.
    private static func initialization(of method: TrainingMethod) -> PromptInitialization {
        switch method {
        case .prompt, .residualMLP1, .residualMLP2, .residualLSTM1, .residualLSTM2, .full: .vocabulary
        case .dpt, .ulpt, .superpos: .method
        }
    }

    /// The number of updates for so many training rows.
    func steps(rows: Int) -> Int {
        func updates(_ epochs: Int) -> Int {
            max(1, (epochs * rows + batch * accumulation - 1) / (batch * accumulation))
        }
        return switch length {
        case .steps(let steps): steps
        case .epochs(let epochs): updates(epochs)
        case nil: min(max(updates(20), 600), 6000)
        }
    }

    /// Steps from one look at the dev rows to the next in a run of so many steps.
    func interval(steps: Int) -> Int { evaluateEvery ?? max(1, steps / 20) }
}

// MARK: - JSON

extension JobSettings {
    private static let ownKeys = [
        "init", "loss", "optimizer", "learning_rate", "network_learning_rate", "schedule", "warmup", "clip",
        "steps", "epochs", "batch", "accumulation", "evaluate_every", "patience", "dropout", "few_shot",
        "dev_share", "seed",
    ]
    static let methodKeys = distinct(TrainingMethod.allCases.flatMap(MethodSettings.keys(of:)))
    private static let optimizerKeys = distinct(
        (OptimizerSettings.adamW(AdamWSettings()).json.keys
            + OptimizerSettings.adafactor(AdafactorSettings()).json.keys).filter { $0 != "name" })

    /// The keys of the JSON form: the method's, the optimizer's and the others.
    public static let keys = methodKeys + ownKeys + optimizerKeys

    private static func distinct(_ keys: [String]) -> [String] {
        keys.enumerated().filter { keys.firstIndex(of: $0.element) == $0.offset }.map(\.element)
    }

    /// Reads settings strictly; what they lack has its default.
    ///
    /// - Parameters:
    ///   - settings: The settings by their keys.
    ///   - place: Where the settings come from, for messages.
    /// - Throws: `TrainingError` naming the key.
    public init(json settings: JSONObject, at place: String) throws(TrainingError) {
        self.init()
        // What is null is not given.
        let object = settings.members { !$1.isNull }
        let reader = try ObjectReader(object, at: place, keys: Self.keys) { TrainingError($0) }
        var own = object.members { key, _ in Self.methodKeys.hasSame(as: key) }
        if own["method"] == nil { own["method"] = .string(method.method.rawValue) }
        method = try MethodSettings(ObjectReader(own, at: place) { TrainingError($0) })
        own = object.members { key, _ in Self.optimizerKeys.hasSame(as: key) }
        own["name"] = object["optimizer"]
        optimizer = try OptimizerSettings(ObjectReader(own, at: place) { TrainingError($0) })
        initialization = Self.initialization(of: method.method)
        if let text = try reader["init"]?.string() {
            do { initialization = try PromptInitialization(parsing: text) } catch { throw error.at(place) }
        }
        if method.method == .full { learningRate = 0.0003 }
        loss = try reader["loss"]?.choice()
        learningRate = try reader["learning_rate"]?.number(in: 0...1000) ?? learningRate
        networkLearningRate =
            try reader["network_learning_rate"]?.number(in: 0...1000) ?? networkLearningRate
        schedule = try reader["schedule"]?.choice() ?? schedule
        warmUp = try reader["warmup"]?.integer(in: 0...10_000_000) ?? warmUp
        clip = try reader["clip"]?.number(in: 0...1e9) ?? clip
        let steps = try reader["steps"]?.integer(in: 1...10_000_000)
        let epochs = try reader["epochs"]?.integer(in: 1...1_000_000)
        guard steps == nil || epochs == nil else {
            throw reader.refusal("steps and epochs are both given; one was expected")
        }
        if let epochs { length = .epochs(epochs) }
        if let steps { length = .steps(steps) }
        batch = try reader["batch"]?.integer(in: 1...65_536) ?? batch
        accumulation = try reader["accumulation"]?.integer(in: 1...65_536) ?? accumulation
        evaluateEvery = try reader["evaluate_every"]?.integer(in: 1...10_000_000)
        patience = try reader["patience"]?.integer(in: 0...1_000_000) ?? patience
        dropout = try reader["dropout"]?.number(in: 0...0.9) ?? dropout
        fewShot = try reader["few_shot"]?.integer(in: 1...1_000_000)
        devShare = try reader["dev_share"]?.number(in: 0.001...0.9) ?? devShare
        seed = try reader["seed"]?.integer(in: 0...UInt64(Int.max)) ?? 0
    }

    /// Every setting that has an effect.
    public var json: JSONObject {
        var object = method.json
        object["init"] = .string(initialization.description)
        object["loss"] = JSONValue(loss?.rawValue)
        for (key, value) in optimizer.json {
            object[key == "name" ? "optimizer" : key] = value
        }
        object["learning_rate"] = JSONValue(learningRate)
        object["network_learning_rate"] = JSONValue(networkLearningRate)
        object["schedule"] = .string(schedule.rawValue)
        object["warmup"] = JSONValue(warmUp)
        object["clip"] = JSONValue(clip)
        switch length {
        case .steps(let steps): object["steps"] = JSONValue(steps)
        case .epochs(let epochs): object["epochs"] = JSONValue(epochs)
        case nil: object["steps"] = .null
        }
        object["batch"] = JSONValue(batch)
        object["accumulation"] = JSONValue(accumulation)
        object["evaluate_every"] = evaluateEvery.map { JSONValue($0) } ?? .null
        object["patience"] = JSONValue(patience)
        object["dropout"] = JSONValue(dropout)
        object["few_shot"] = fewShot.map { JSONValue($0) } ?? .null
        object["dev_share"] = JSONValue(devShare)
        object["seed"] = JSONValue(seed)
        return object
    }
}
