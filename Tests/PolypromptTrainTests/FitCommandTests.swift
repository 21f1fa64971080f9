import Foundation
import JSON
import TestSupport
import Testing

@Suite("polyprompt-train fit")
struct FitCommandTests {
    let folder: TemporaryFolder
    private let task = Repository.file("prompts/spam/task.json")
    private let rows = Repository.file("prompts/spam/sample.jsonl")

    init() throws { folder = try TemporaryFolder() }

    private func fit(
        _ arguments: [String], out: String = "out", during: (Process) throws -> Void = { _ in }
    ) throws -> Command {
        try Command.train(["fit", "--out", folder.file(out)] + arguments, during: during)
    }

    private var data: [String] { ["--core", Repository.core, "--task", task, "--train", rows] }
    private let quick = ["--steps", "4", "--batch", "4", "--rows", "3", "--bottleneck", "16"]

    @Test("trains, publishes, and what it published is served and evaluated")
    func trainsAndPublishes() throws {
        let store = folder.file("store")
        let fitted = try fit(
            data + quick + ["--dev", rows, "--test", rows, "--store", store, "--publish", "mine"])
        #expect(fitted.status == 0, "\(fitted.errors)")
        #expect(try fitted.lines == [folder.json("out/result.json")])
        #expect(try fitted.lines[0]["published"] == "mine@1")
        #expect(fitted.errors.contains("published as mine@1") && !fitted.errors.contains("\r"))
        let evaluated = try Command.train([
            "evaluate", "--core", Repository.core, "--store", store, "--task", "mine", "--data", rows,
        ])
        #expect(evaluated.status == 0, "\(evaluated.errors)")
        #expect(try evaluated.lines[0]["metrics"] == (try fitted.lines[0]["test"]))
        let again = try Command.polyprompt([
            "prompts", "register", "--core", Repository.core, "--store", store, folder.file("out"),
        ])
        #expect(again.output == "spam@1\n", "\(again.errors)")
    }

    @Test("takes its settings from a file, and options win")
    func configuration() throws {
        let file = try folder.write(
            "train.json",
            JSONValue.object(
                JSONObject([
                    ("core", .string(Repository.core)), ("task", .string(task)), ("train", .string(rows)),
                    ("steps", 4), ("batch", 4), ("method", "prompt"), ("rows", [2, 3]), ("seed", 7),
                ])
            ).indented)
        let fitted = try fit(["--config", file, "--rows", "5", "--seeds", "2"])
        #expect(fitted.status == 0, "\(fitted.errors)")
        #expect(try fitted.lines.map { $0["seed"] } == [0, 1])
        #expect(try fitted.lines.allSatisfy { $0["rows"] == 5 && $0["method"] == "prompt" })
        #expect(try folder.json("out/seed-1/train.json")["steps"] == 4)
        #expect(try folder.json("out/summary.json")["results"]?.array?.count == 1)
    }

    @Test("Ctrl-C saves a checkpoint, and --resume ends as if there had been none")
    func interruption() throws {
        let settings =
            data + ["--dev", rows, "--steps", "80", "--batch", "2", "--rows", "3", "--method", "prompt"]
        let whole = try fit(settings, out: "whole")
        #expect(whole.status == 0, "\(whole.errors)")
        let stopped = try fit(settings, out: "parts") { process in
            // The log's first line is written just before the first step.
            let deadline = ContinuousClock.now + .seconds(60)
            while !folder.exists("parts/log.jsonl"), ContinuousClock.now < deadline { usleep(5_000) }
            kill(process.processIdentifier, SIGINT)
        }
        #expect(stopped.status == 130 && stopped.output.isEmpty)
        #expect(stopped.errors.contains("--resume"), "\(stopped.errors)")
        #expect(folder.exists("parts/checkpoint.safetensors") && !folder.exists("parts/result.json"))
        let refused = try fit(settings, out: "parts")
        #expect(refused.status == 1 && refused.errors.contains("--resume"))
        let other = try fit(["--resume", "--learning-rate", "0.2"], out: "parts")
        #expect(other.status == 1 && other.errors.contains("setting"), "\(other.errors)")
        let resumed = try fit(["--resume"], out: "parts")
        #expect(resumed.status == 0 && !folder.exists("parts/checkpoint.safetensors"), "\(resumed.errors)")
        let prompts = try ["whole", "parts"].map { try folder.bytes("\($0)/prompt.safetensors") }
        #expect(prompts[0] == prompts[1])
    }

    @Test(
        "says what is wrong, and with which file, key or option",
        arguments: [
            (["--rows", "0"], "rows"), (["--learning-rate", "x"], "\"learning_rate\": the string \"x\""),
            (["--train", "/nowhere.csv"], "/nowhere.csv"), (["--method", "magic"], "magic"),
            (["--core", "/nowhere"], "/nowhere"), (["--publish", "x"], "store"),
            (["--resume"], "no checkpoint"),
            (["--config", "/nowhere.json"], "/nowhere.json"), (["--init", "task:x"], "--store"),
        ])
    func refusals(arguments: [String], message: String) throws {
        let refused = try fit(data + quick + arguments)
        #expect(refused.status == 1 && refused.output.isEmpty)
        #expect(refused.errors.contains(message), "\(refused.errors)")
    }

    @Test("every setting of the file is an option")
    func settingsAreOptions() throws {
        let help = try Command.train(["fit", "--help"]).output
        for key in [
            "method", "rows", "bottleneck", "activation", "layer_norm", "residual", "separate_networks",
            "rank",
            "latent", "bases", "init", "loss", "optimizer", "learning_rate", "network_learning_rate",
            "schedule",
            "warmup", "clip", "steps", "epochs", "batch", "accumulation", "evaluate_every", "patience",
            "dropout",
            "few_shot", "dev_share", "seed", "weight_decay", "beta1", "beta2", "epsilon", "decay",
            "clip_threshold",
            "parameter_scaling", "core", "precision", "training_precision", "threads", "batch_rows",
            "train_weights", "store", "publish", "publish_all", "element_type", "seeds", "task", "train",
            "dev",
            "test", "map",
        ] {
            #expect(help.contains("--" + key.replacing("_", with: "-") + " "), "\(key)")
        }
    }
}
