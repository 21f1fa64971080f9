import JSON
import Training

/// Trains a prompt and publishes it.
func train(task: String, rows: String, core: String, store: String, folder: String) throws -> [JobResult] {
    let settings = JSONObject([
        ("core", .string(core)), ("task", .string(task)), ("train", .string(rows)),
        ("steps", 20), ("learning_rate", 0.3), ("store", .string(store)), ("publish", "my-{task}"),
    ])
    let description = try RunDescription(json: settings, at: "the settings")
    let run = try TrainingRun(description, folder: folder) { print("warning: \($0)") }
    return try run.run(progress: { progress in
        print("step \(progress.steps.done) of \(progress.steps.all)")
    })
}
