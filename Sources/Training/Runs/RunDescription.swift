import Basics
import Foundation
import JSON
import PromptStore
import T5
import Tasks

/// What a run trains: one job for each task and each combination of settings that are given as lists.
///
/// Its JSON form, `train.json`, has the keys of a run, of one task (or `tasks`, an array of objects with a task's keys
/// and settings of its own), and of a job's settings. A setting that is an array stands for each of its elements.
public struct RunDescription: Sendable {
    /// One prompt to be trained.
    public struct Job: Sendable {
        /// Its task and data.
        public let source: TaskSource
        /// Its settings.
        public let settings: JobSettings
        /// Where it is written below the run's folder; empty for a run of one job.
        public let folder: String
        /// What tells it from the run's other jobs of the same task, the seed aside.
        public let variant: String
        /// The name of its task.
        let task: String
        /// Keys of settings that have no effect on it.
        let idleKeys: Set<String>

        /// Its settings, those left out that have no effect.
        var settingsInEffect: JSONObject { settings.json.members { key, _ in !idleKeys.contains(key) } }
    }

    /// A core directory, or `random:SHAPE`.
    public let core: String
    /// How the serving engine computes scores; `nil` for the processor's default.
    public let precision: T5Core.Precision?
    /// How training computes; `nil` for the default of `precision`.
    public let trainingPrecision: T5Core.Precision?
    /// Threads; `nil` for one a processor.
    public let threads: Int?
    /// Most encoder rows of one pass forward and back.
    public let batchRows: Int
    /// Core weights that are trained beside the prompt: names with `*` for any characters; `nil` for none.
    public let trainWeights: String?
    /// The store to publish in, and to take other tasks' prompts from.
    public let store: String?
    /// The name to publish under; `{task}` stands for the task's name.
    public let publish: String?
    /// Whether every job's prompt is published, rather than each task's best by its dev score.
    public let publishesAll: Bool
    /// How prompts are stored; `nil` to measure it.
    public let elementType: PromptElementType?
    /// The jobs, tasks in the order given.
    public let jobs: [Job]
    /// The description as it was given, defaults not filled in.
    public let json: JSONObject

    /// Whether the core's own weights are trained, so that the run writes a core.
    var trainsCore: Bool {
        trainWeights != nil || jobs.contains { $0.settings.method.method == .full }
    }

    /// The name that a task's prompt is published under; `nil` when it is not.
    func publishedName(of task: String) -> String? {
        publish.map { $0.replacing("{task}", with: task) }
    }

    /// Most jobs of a run.
    public static let maximumJobs = 4096
    /// Most encoder rows of one pass unless said otherwise.
    public static let defaultBatchRows = 16_384

    /// The keys of a run, beside those of a task and of a job's settings.
    public static let runKeys = [
        "core", "precision", "training_precision", "threads", "batch_rows", "train_weights", "store",
        "publish",
        "publish_all", "element_type", "tasks", "seeds",
    ]

    /// Reads a description strictly.
    ///
    /// - Parameters:
    ///   - object: The description by its keys.
    ///   - place: Where it comes from, for messages.
    /// - Throws: `TrainingError` naming the key.
    public init(json object: JSONObject, at place: String) throws(TrainingError) {
        json = object
        let reader = try ObjectReader(
            object, at: place, keys: Self.runKeys + TaskSource.keys + JobSettings.keys, nullIsAbsent: true
        ) { TrainingError($0) }
        core = try reader.require("core", "give --core DIR").string()
        precision = try reader["precision"]?.choice()
        trainingPrecision = try reader["training_precision"]?.choice()
        guard trainingPrecision != .int8 else {
            throw reader.refusal("training_precision is int8; float32 or bfloat16 was expected")
        }
        threads = try reader["threads"]?.integer(in: 1...1024)
        batchRows = try reader["batch_rows"]?.integer(in: 1...1_000_000) ?? Self.defaultBatchRows
        trainWeights = try reader["train_weights"]?.string()
        store = try reader["store"]?.string()
        publish = try reader["publish"]?.string()
        publishesAll = try reader["publish_all"]?.boolean() ?? false
        elementType = try reader["element_type"]?.choice()
        guard publish == nil || store != nil else {
            throw reader.refusal("publish needs a store (--store PATH)")
        }
        guard publish != nil || !publishesAll else {
            throw reader.refusal("publish_all needs a name (--publish NAME)")
        }
        jobs = try Self.jobs(reader, trainsWeights: trainWeights != nil)
        try checkTogether(reader)
    }

    /// Refuses what cannot be done together.
    private func checkTogether(_ reader: ObjectReader<TrainingError>) throws(TrainingError) {
        let tasks = Set(jobs.map(\.source)).count
        if let publish, tasks > 1, !publish.contains("{task}") {
            throw reader.refusal(
                "publish is \(publish.quoted) for \(tasks) tasks; put {task} where each one's name goes")
        }
        for job in jobs {
            guard let name = publishedName(of: job.task), !TaskName.isValid(name) else { continue }
            throw reader.refusal(
                "publish makes the name \"\(name.prefix(200))\"; 1 to 128 of a-z, 0-9, \".\", \"_\" and \"-\", beginning "
                    + "with a letter or digit, were expected")
        }
        let takesFromStore = jobs.contains { job in
            if case .task = job.settings.initialization { true } else { false }
        }
        if store != nil, publish == nil, !takesFromStore {
            throw reader.refusal(
                "store is given, but nothing is published there (--publish NAME), and no prompt begins with one of its "
                    + "tasks (--init task:NAME)")
        }
        let changesCore = trainsCore
        if changesCore, core.hasPrefix("random:") {
            throw reader.refusal(
                "core is \(core), and its weights are to be trained (method full or train_weights), which takes a directory"
            )
        }
        if changesCore, let trainingPrecision, trainingPrecision != .float32 {
            throw reader.refusal(
                "training_precision is \(trainingPrecision.rawValue); the core's weights (method full or train_weights) are "
                    + "trained in float32")
        }
        if elementType != nil, jobs.contains(where: { $0.settings.method.method == .full }) {
            throw reader.refusal("element_type is how a prompt is stored; the method full makes none")
        }
        if changesCore, jobs.count > 1 {
            throw reader.refusal(
                "the core's weights are trained (method full or train_weights), which takes one job a run, not "
                    + "\(jobs.count)")
        }
        if changesCore, publish != nil {
            throw reader.refusal(
                "publish: what is trained belongs to the core that this run writes; register it there with "
                    + "polyprompt prompts register")
        }
        if trainWeights != nil, jobs.contains(where: { $0.settings.method.method == .full }) {
            throw reader.refusal("train_weights goes with a prompt; the method full trains all weights")
        }
    }

    // MARK: Jobs

    private static func jobs(
        _ reader: ObjectReader<TrainingError>, trainsWeights: Bool
    ) throws(TrainingError) -> [Job] {
        var common = reader.object.members { key, _ in JobSettings.keys.hasSame(as: key) }
        if let count = try reader["seeds"]?.integer(in: 1...maximumJobs) {
            guard common["seed"] == nil else {
                throw reader.refusal("seed and seeds are both given; one was expected")
            }
            common["seed"] = count == 1 ? 0 : JSONValue(Array(0..<count))
        }
        var jobs: [Job] = []
        let tasks = try self.tasks(reader)
        var names: [String] = []
        var given = Set(common.members { !$1.isNull }.keys)
        for (index, task) in tasks.enumerated() {
            let name = try task.source.definition().name
            guard !names.contains(name) else {
                throw reader.refusal("two of the tasks are called \(name.quoted); rename one of them")
            }
            names.append(name)
            var settings = common
            for (key, value) in task.own {
                settings[key] = value
                if !value.isNull { given.insert(key) }
            }
            let place = reader.place + (tasks.count > 1 ? ": tasks[\(index)]" : "")
            let combinations = try combinations(of: settings, at: place)
            guard jobs.count + combinations.count <= maximumJobs else {
                throw TrainingError("\(place): there are more than \(maximumJobs) jobs")
            }
            for (settings, varied) in combinations {
                let parts = (tasks.count > 1 ? [name] : []) + (varied.isEmpty ? [] : [folder(varied)])
                let settings = try JobSettings(json: settings, at: place)
                jobs.append(
                    Job(
                        source: task.source, settings: settings, folder: parts.joined(separator: "/"),
                        variant: folder(varied.filter { $0.key != "seed" }), task: name,
                        idleKeys: idleKeys(of: settings, task.source, trainsWeights: trainsWeights)))
            }
        }
        guard Set(jobs.map(\.folder)).count == jobs.count else {
            throw reader.refusal("a list of settings names a value twice")
        }
        // What some job has a use for may stand there for all.
        for key in JobSettings.keys
        where given.contains(key) && jobs.allSatisfy({ $0.idleKeys.contains(key) }) {
            throw reader.refusal("\(key) has no effect: \(reasonForIdle(key))")
        }
        return jobs
    }

    /// The settings that have no effect beside the others.
    private static func idleKeys(
        of settings: JobSettings, _ source: TaskSource, trainsWeights: Bool
    ) -> Set<String> {
        let method = settings.method.method
        var keys = Set(JobSettings.methodKeys).subtracting(MethodSettings.keys(of: method))
        if source.dev != nil { keys.insert("dev_share") }
        if method == .full { keys.insert("init") }
        if !(method.hasNetwork || (trainsWeights && method != .full)) { keys.insert("network_learning_rate") }
        return keys
    }

    private static func reasonForIdle(_ key: String) -> String {
        switch key {
        case "dev_share": "there is a dev file"
        case "init": "the method full has no prompt"
        case "network_learning_rate": "the method has no network, and train_weights is not given"
        default: "none of the methods has it"
        }
    }

    /// The tasks with the settings that are their own.
    private static func tasks(
        _ reader: ObjectReader<TrainingError>
    ) throws(TrainingError) -> [(source: TaskSource, own: JSONObject)] {
        guard let list = try reader["tasks"]?.elements(of: "objects", count: 1...maximumJobs) else {
            return [(try source(reader), JSONObject())]
        }
        for key in TaskSource.keys where reader.object[key] != nil {
            throw reader.refusal("\(key) and tasks are both given; one was expected")
        }
        var tasks: [(TaskSource, JSONObject)] = []
        for element in list {
            let task = try element.object(keys: TaskSource.keys + JobSettings.keys)
            let own = task.object.members { key, _ in !TaskSource.keys.hasSame(as: key) }
            tasks.append((try source(task), own))
        }
        return tasks
    }

    private static func source(_ reader: ObjectReader<TrainingError>) throws(TrainingError) -> TaskSource {
        try TaskSource(
            task: reader.require("task", "give --task task.json").string(),
            train: reader.require("train", "give --train FILE").string(), dev: reader["dev"]?.string(),
            test: reader["test"]?.string(), map: reader["map"]?.string())
    }

    /// Every combination of the settings that are lists, with the values chosen.
    private static func combinations(
        of settings: JSONObject, at place: String
    ) throws(TrainingError) -> [(settings: JSONObject, varied: [(key: String, value: JSONValue)])] {
        var results: [(settings: JSONObject, varied: [(key: String, value: JSONValue)])] = [(settings, [])]
        for key in JobSettings.keys {
            guard let values = settings[key]?.array else { continue }
            guard !values.isEmpty, results.count * values.count <= maximumJobs else {
                throw TrainingError(
                    "\(place): \(key) is a list of \(values.count); 1 to \(maximumJobs) jobs altogether were expected"
                )
            }
            results = results.flatMap { result in
                values.map { value in
                    var settings = result.settings
                    settings[key] = value
                    return (settings, values.count > 1 ? result.varied + [(key, value)] : result.varied)
                }
            }
        }
        // A method takes no notice of the options of others that stand in the same list.
        guard settings["method"]?.array != nil else { return results }
        return results.map { result in
            guard let method = result.settings["method"]?.string.flatMap(TrainingMethod.init(rawValue:))
            else {
                return result
            }
            let foreign = Set(TrainingMethod.allCases.flatMap(MethodSettings.keys(of:))).subtracting(
                MethodSettings.keys(of: method))
            var settings = result.settings
            for key in foreign { settings[key] = nil }
            return (settings, result.varied)
        }
    }

    /// A folder's name that says the values: "rows-10_learning_rate-0.3_seed-1".
    private static func folder(_ varied: [(key: String, value: JSONValue)]) -> String {
        varied.map { key, value in
            let text = value.string ?? value.line
            let safe = text.map { $0.isLetter || $0.isNumber || ".-_".contains($0) ? String($0) : "-" }
            return "\(key)-\(safe.joined().prefix(60))"
        }.joined(separator: "_")
    }
}
