import Basics
import JSON

extension TrainingRun {
    /// The members of a run's identity, and of a job's.
    private enum Key {
        static let core = "core"
        static let jobs = "jobs"
        static let folder = "folder"
        static let settings = "settings"
        static let definition = "definition"
        static let data = "data"
        static let map = "map"
    }

    /// What a checkpoint must have been made with: else it is another run's.
    var identity: JSONObject {
        JSONObject([
            (Key.core, .string(training.core.fingerprint)), ("precision", .string(training.precisions)),
            ("batch_rows", JSONValue(description.batchRows)),
            ("train_weights", JSONValue(description.trainWeights)),
            ("element_type", JSONValue(description.elementType?.rawValue)),
            (
                Key.jobs,
                .array(
                    jobs.map { job in
                        .object(
                            JSONObject([
                                (Key.folder, .string(job.description.folder)),
                                (
                                    Key.definition,
                                    .string(
                                        SHA256.digest(
                                            of: JSONValue.object(job.data.definition.json).lineBytes
                                        ).hexadecimal)
                                ),
                                (
                                    Key.data,
                                    .object(
                                        JSONObject(job.data.hashes.map { ($0.role, .string($0.hash)) }))
                                ),
                                (Key.map, JSONValue(job.data.source.map)),
                                (Key.settings, .object(job.resolvedSettings)),
                            ]))
                    })
            ),
        ])
    }

    /// The run as it stands.
    func checkpoint() -> Checkpoint {
        var states: [JSONValue] = []
        var arrays: [NamedValues] = []
        for (index, job) in jobs.enumerated() {
            let (state, values) = job.save()
            states.append(.object(state))
            arrays += values.named("\(index)")
        }
        return Checkpoint(
            state: JSONObject([
                ("run", .object(identity)), ("seconds", JSONValue(seconds)), ("jobs", .array(states)),
            ]), arrays: arrays)
    }

    /// Goes on where a checkpoint was made.
    ///
    /// - Throws: `TrainingError` naming what the checkpoint was made with that is another now.
    func restore(_ checkpoint: Checkpoint) throws(TrainingError) {
        let path = output.checkpointPath
        let reader = try ObjectReader(checkpoint.state, at: path) { message in
            TrainingError("\(message); begin anew with --overwrite")
        }
        if let difference = difference(from: try reader.require("run").object().object) {
            throw TrainingError(
                "\(path): \(difference); go on with what the run was begun with, or begin anew with --overwrite"
            )
        }
        let states = try reader.require("jobs").elements(of: "objects", count: jobs.count...jobs.count)
        let arrays = checkpoint.arrays.groups
        for (index, (job, state)) in zip(jobs, states).enumerated() {
            let state = try state.object().object
            do { try job.restore(state, arrays["\(index)"] ?? []) } catch { throw error.at(path) }
        }
        earlierSeconds = try reader.require("seconds").number()
    }

    /// The first thing that another run was made with; `nil` when it is this one.
    private func difference(from run: JSONObject) -> String? {
        let present = identity
        func other(_ key: String, _ saved: JSONValue?, _ value: JSONValue?) -> String {
            "the checkpoint was made with another setting: \(key) was \(Self.text(saved)) and is \(Self.text(value)) now"
        }
        if run[Key.core] != present[Key.core] {
            return "the checkpoint was made with another core than \(description.core) is now"
        }
        let saved = run[Key.jobs]?.array ?? []
        let folders = saved.compactMap { $0.object?[Key.folder]?.string }
        guard folders == jobs.map(\.description.folder) else {
            return "the checkpoint was made of other jobs: tasks, seeds or lists of settings are others now"
        }
        for (job, (saved, present)) in zip(jobs, zip(saved, present[Key.jobs]?.array ?? [])) {
            guard let saved = saved.object, let present = present.object else { continue }
            if saved[Key.definition] != present[Key.definition] {
                return "the checkpoint was made with another task than \(job.data.source.task) is now"
            }
            if saved[Key.map] != present[Key.map] { return other(Key.map, saved[Key.map], present[Key.map]) }
            let (files, hashes) = (saved[Key.data]?.object, present[Key.data]?.object)
            for (role, path) in job.data.source.json where ["train", "dev", "test"].contains(role) {
                guard files?[role] != hashes?[role] else { continue }
                return
                    "the checkpoint was made with other data: the \(role) file \(path.string ?? "") has changed, or another was given"
            }
            for role in files?.keys ?? [] where hashes?[role] == nil {
                return "the checkpoint was made with other data: it had a \(role) file"
            }
            let (own, now) = (saved[Key.settings]?.object, present[Key.settings]?.object)
            for key in (now?.keys ?? []) + (own?.keys ?? []) where own?[key] != now?[key] {
                return other(key, own?[key], now?[key])
            }
        }
        for key in present.keys where key != Key.jobs && run[key] != present[key] {
            return other(key, run[key], present[key])
        }
        return nil
    }

    /// A setting's value in a message.
    private static func text(_ value: JSONValue?) -> String {
        guard let value, !value.isNull else { return "not given" }
        return String((value.string ?? value.line).prefix(100))
    }
}
