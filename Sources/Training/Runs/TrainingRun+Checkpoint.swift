import Foundation
import JSON

extension TrainingRun {
    static func checkpointPath(_ folder: String) -> String { folder + "/checkpoint.safetensors" }

    /// The folder's checkpoint when it is to be gone on from.
    static func checkpoint(in folder: String, resume: Bool) throws(TrainingError) -> Checkpoint? {
        let path = checkpointPath(folder)
        let exists = FileManager.default.fileExists(atPath: path)
        if resume {
            guard exists else {
                throw TrainingError("\(folder) has no checkpoint to go on from; begin without --resume")
            }
            return try Checkpoint(path: path)
        }
        guard !exists else {
            throw TrainingError(
                "\(folder) has the checkpoint of an unfinished run; go on with --resume, or remove \(path)")
        }
        return nil
    }

    /// What a checkpoint must have been made with: else it is another run's.
    private var identity: JSONObject {
        JSONObject([
            ("core", .string(training.core.fingerprint)), ("precision", .string(training.precisions)),
            ("batch_rows", JSONValue(description.batchRows)),
            ("train_weights", JSONValue(description.trainWeights)),
            (
                "jobs",
                .array(
                    jobs.map { job in
                        .object(
                            JSONObject([
                                ("folder", .string(job.description.folder)),
                                ("settings", .object(job.resolvedSettings)),
                                ("definition", .object(job.data.definition.json)),
                                ("data", .array(job.data.hashes.map { .string($0.hash) })),
                            ]))
                    })
            ),
        ])
    }

    func saveCheckpoint() throws(TrainingError) {
        var states: [JSONValue] = []
        var arrays: [NamedValues] = []
        for (index, job) in jobs.enumerated() {
            let (state, values) = job.save(prefix: "\(index)/")
            states.append(.object(state))
            arrays += values
        }
        try Checkpoint(
            state: JSONObject([
                ("run", .object(identity)), ("seconds", JSONValue(seconds)), ("jobs", .array(states)),
            ]), arrays: arrays
        ).write(to: Self.checkpointPath(folder))
        lastCheckpoint = .now
    }

    func restore(_ checkpoint: Checkpoint) throws(TrainingError) {
        let path = Self.checkpointPath(folder)
        let reader = try ObjectReader(checkpoint.state, at: path) { message in
            TrainingError("\(message); begin anew without --resume")
        }
        let run = try reader.require("run").object().object
        let present = identity
        for key in present.keys where run[key] != present[key] {
            throw TrainingError(
                "\(path) was made with another \(key == "jobs" ? "task, data or setting" : key); "
                    + "go on with the same, or begin anew without --resume")
        }
        let states = try reader.require("jobs").elements(of: "objects", count: jobs.count...jobs.count)
        for (index, (job, state)) in zip(jobs, states).enumerated() {
            let state = try state.object().object
            let prefix = "\(index)/"
            do {
                try job.restore(
                    state,
                    checkpoint.arrays.filter { $0.name.hasPrefix(prefix) }.map {
                        NamedValues(name: String($0.name.dropFirst(prefix.count)), values: $0.values)
                    })
            } catch {
                throw error.at(path)
            }
        }
        earlierSeconds = try reader.require("seconds").number()
    }
}
