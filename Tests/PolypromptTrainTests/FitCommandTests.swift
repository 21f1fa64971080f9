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

    /// A run of so many steps that ends with the signal as soon as it has a checkpoint.
    private func interrupted(_ steps: Int, by signal: Int32, _ settings: [String]) throws -> Command {
        try fit(settings + ["--steps", "\(steps)"], out: "parts") { process in
            let deadline = ContinuousClock.now + .seconds(60)
            while !folder.exists("parts/checkpoint.safetensors"), process.isRunning,
                ContinuousClock.now < deadline
            {
                usleep(2_000)
            }
            // As `timeout` does it: to the process and to its group.
            kill(process.processIdentifier, signal)
            usleep(1_000)
            kill(process.processIdentifier, signal)
        }
    }

    @Test("Ctrl-C, SIGTERM and SIGHUP save a checkpoint", arguments: [SIGINT, SIGTERM, SIGHUP])
    func signals(signal: Int32) throws {
        let stopped = try interrupted(10_000_000, by: signal, data + ["--dev", rows, "--batch", "2"])
        #expect(stopped.status == 130 && stopped.output.isEmpty)
        #expect(stopped.errors.contains("--resume"), "\(stopped.errors)")
        #expect(folder.exists("parts/checkpoint.safetensors") && !folder.exists("parts/result.json"))
    }

    @Test("one command, started again and again, ends as if it had been started once")
    func interruption() throws {
        let settings = data + ["--dev", rows, "--batch", "2", "--rows", "3", "--method", "prompt"]
        // A machine that is fast enough to end before the signal comes gets more steps.
        var steps = 40
        var stopped = try interrupted(steps, by: SIGINT, settings)
        while stopped.status == 0, steps < 1_000_000 {
            steps *= 4
            try folder.remove("parts")
            stopped = try interrupted(steps, by: SIGINT, settings)
        }
        #expect(stopped.status == 130)
        let command = settings + ["--steps", "\(steps)"]
        let refused = try fit(command, out: "parts")
        #expect(refused.status == 1 && refused.errors.contains("--overwrite"))
        for arguments in [["--resume", "--learning-rate", "0.2"], command + ["--resume", "--seed", "3"]] {
            let other = try fit(arguments, out: "parts")
            #expect(other.status == 1 && other.errors.contains("setting"), "\(other.errors)")
        }
        let resumed = try fit(["--resume"], out: "parts")
        #expect(resumed.status == 0 && !folder.exists("parts/checkpoint.safetensors"), "\(resumed.errors)")
        // Not begun, it begins.
        let whole = try fit(command + ["--resume"], out: "whole")
        #expect(whole.status == 0, "\(whole.errors)")
        let prompts = try ["whole", "parts"].map { try folder.bytes("\($0)/prompt.safetensors") }
        #expect(prompts[0] == prompts[1])
        // Finished, it says so.
        func times() throws -> [String: Date?] {
            let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("whole")) + ["."]
            return try Dictionary(
                uniqueKeysWithValues: names.map { name in
                    let path = folder.file("whole/\(name)")
                    return (
                        name,
                        try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
                    )
                })
        }
        let before = try times()
        for arguments in [command + ["--resume"], ["--resume"]] {
            let finished = try fit(arguments, out: "whole")
            #expect(finished.status == 0 && finished.output == whole.output)
            #expect(finished.errors.contains("is finished"), "\(finished.errors)")
        }
        #expect(try fit(command + ["--resume", "--seed", "3"], out: "whole").errors.contains("seed"))
        #expect(try fit(command, out: "whole").errors.contains("--overwrite"))
        #expect(try fit(["--resume"], out: "never").errors.contains("never has no run to go on from"))
        #expect(try times() == before)
        #expect(try fit(data + quick + ["--overwrite"], out: "whole").status == 0)
    }

    @Test(
        "says what is wrong, and with which file, key or option",
        arguments: [
            (["--rows", "0"], "rows"), (["--learning-rate", "x"], "\"learning_rate\": the string \"x\""),
            (["--train", "/nowhere.csv"], "/nowhere.csv"), (["--method", "magic"], "magic"),
            (["--core", "/nowhere"], "/nowhere"), (["--publish", "x"], "store"),
            (["--resume", "--overwrite"], "give one of them"),
            (["--steps", "4", "--epochs", "1"], "steps and epochs"),
            (["--seed", "1", "--seeds", "2"], "seed and seeds"), (["--store", "/nowhere"], "store"),
            (["--publish", "Urg", "--store", "/nowhere"], "Urg"),
            (["--dev", "x", "--dev-share", "0.1"], "dev_share"),
            (["--config", "/nowhere.json"], "/nowhere.json"), (["--init", "task:x"], "--store"),
        ])
    func refusals(arguments: [String], message: String) throws {
        let refused = try fit(data + quick + arguments)
        #expect([1, 64].contains(refused.status) && refused.output.isEmpty)
        #expect(refused.errors.contains(message), "\(refused.errors)")
        #expect(!folder.exists("out"))
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
