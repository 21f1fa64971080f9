import ArgumentParser
import CommandSupport
import JSON

/// Options that are settings of `train.json` too, each under its name with `_` for `-`: they are declared here once.
///
/// Every property is an optional text, number or `SettingValues`, or a flag.
protocol SettingOptions: ParsableArguments {}

extension SettingOptions {
    /// The options that were given, as members of the file.
    var settings: JSONObject {
        var settings = JSONObject()
        for (name, option) in Mirror(reflecting: self).children {
            let value: JSONValue? =
                switch option {
                case let option as Option<SettingValues?>: option.wrappedValue?.json
                case let option as Option<String?>: option.wrappedValue.map { .string($0) }
                case let option as Option<Int?>: option.wrappedValue.map { JSONValue($0) }
                case let flag as Flag<Bool>: flag.wrappedValue ? true : nil
                default: nil
                }
            // The property wrapper of `learningRate` is called `_learningRate`.
            let key = (name ?? "").dropFirst().map { $0.isUppercase ? "_" + $0.lowercased() : String($0) }
            if let value { settings[key.joined()] = value }
        }
        return settings
    }
}

/// A setting's value, or several separated by commas, each of which the run tries.
struct SettingValues: ExpressibleByArgument {
    /// A value, or an array of several: numbers where they are some.
    let json: JSONValue

    init(argument text: String) {
        // A text or path may have commas of its own.
        let parts = text.contains(":") ? [text] : text.split(separator: ",").map { String($0) }
        let values = parts.map { part -> JSONValue in
            switch try? JSONValue.parse(part) {
            case .number(let number)?: .number(number)
            case .bool(let value)?: .bool(value)
            default: .string(part)
            }
        }
        json = values.count == 1 ? values[0] : .array(values)
    }
}

/// Where and how the run computes.
struct RunOptions: SettingOptions {
    @Option(
        help: ArgumentHelp(
            "The core: a Hugging Face T5 directory with a tokenizer, or random:t5-small and such.",
            valueName: "dir"))
    var core: String?

    @Option(
        help: ArgumentHelp(
            "How scores are computed: float32, bfloat16 or int8 (default: as polyprompt serves here).",
            valueName: "type"))
    var precision: String?

    @Option(help: .threads)
    var threads: Int?
}

/// What the prompt is and how it begins.
struct MethodOptions: SettingOptions {
    @Option(
        help: ArgumentHelp(
            "prompt, residual-mlp1, residual-mlp2, residual-lstm1, residual-lstm2, full, dpt, ulpt or superpos.",
            valueName: "name"))
    var method: SettingValues?

    @Option(help: ArgumentHelp("Virtual tokens of the prompt.", valueName: "n"))
    var rows: SettingValues?

    @Option(
        help: ArgumentHelp(
            "How the prompt begins: vocabulary, uniform[:BOUND], labels, text:TEXT, file:PATH, task:NAME[@VERSION] "
                + "(of --store), or method for the method's own way.", valueName: "how"))
    var `init`: SettingValues?

    @Option(help: ArgumentHelp("Width of a residual network's inner layer.", valueName: "n"))
    var bottleneck: SettingValues?

    @Option(help: ArgumentHelp("A residual network's function: relu, tanh or sigmoid.", valueName: "name"))
    var activation: SettingValues?

    @Option(help: ArgumentHelp("Whether a LayerNorm ends a residual network.", valueName: "true|false"))
    var layerNorm: SettingValues?

    @Option(help: ArgumentHelp("Whether the rows are added to a network's output.", valueName: "true|false"))
    var residual: SettingValues?

    @Option(help: ArgumentHelp("Whether each row has a network of its own.", valueName: "true|false"))
    var separateNetworks: SettingValues?

    @Option(help: ArgumentHelp("The rank of dpt.", valueName: "n"))
    var rank: SettingValues?

    @Option(help: ArgumentHelp("Coordinates a row of ulpt.", valueName: "n"))
    var latent: SettingValues?

    @Option(help: ArgumentHelp("Embeddings that superpos mixes.", valueName: "n"))
    var bases: SettingValues?

    @Option(
        help: ArgumentHelp(
            "Train these core weights beside the prompt, and write the core that it then belongs to: tensor names "
                + "with * for any characters.", valueName: "pattern"))
    var trainWeights: String?
}

/// How the prompt is trained.
struct OptimizationOptions: SettingOptions {
    @Option(help: ArgumentHelp("The prompt's learning rate; for full tuning the weights'.", valueName: "x"))
    var learningRate: SettingValues?

    @Option(
        help: ArgumentHelp(
            "The learning rate of the prompt's network, and of --train-weights.", valueName: "x"))
    var networkLearningRate: SettingValues?

    @Option(help: ArgumentHelp("adamw or adafactor.", valueName: "name"))
    var optimizer: SettingValues?

    @Option(help: ArgumentHelp("Decoupled weight decay.", valueName: "x"))
    var weightDecay: SettingValues?

    @Option(help: ArgumentHelp("Decay of the mean of gradients.", valueName: "x"))
    var beta1: SettingValues?

    @Option(help: ArgumentHelp("AdamW's decay of the mean of squares.", valueName: "x"))
    var beta2: SettingValues?

    @Option(help: ArgumentHelp("AdamW's epsilon.", valueName: "x"))
    var epsilon: SettingValues?

    @Option(help: ArgumentHelp("Adafactor's decay exponent.", valueName: "x"))
    var decay: SettingValues?

    @Option(help: ArgumentHelp("Adafactor's largest root mean square of an update.", valueName: "x"))
    var clipThreshold: SettingValues?

    @Option(
        help: ArgumentHelp(
            "Whether Adafactor scales the learning rate by the parameter.", valueName: "true|false"))
    var parameterScaling: SettingValues?

    @Option(help: ArgumentHelp("constant, linear or cosine.", valueName: "name"))
    var schedule: SettingValues?

    @Option(help: ArgumentHelp("Steps over which the learning rate rises from 0.", valueName: "n"))
    var warmup: SettingValues?

    @Option(help: ArgumentHelp("Largest norm of the gradient; 0 for none.", valueName: "x"))
    var clip: SettingValues?

    @Option(help: ArgumentHelp("Updates.", valueName: "n"))
    var steps: SettingValues?

    @Option(help: ArgumentHelp("Passes over the training rows, instead of --steps.", valueName: "n"))
    var epochs: SettingValues?

    @Option(help: ArgumentHelp("Rows of a mini-batch.", valueName: "n"))
    var batch: SettingValues?

    @Option(help: ArgumentHelp("Mini-batches a step.", valueName: "n"))
    var accumulation: SettingValues?

    @Option(help: ArgumentHelp("labels (as labels are served) or vocabulary.", valueName: "name"))
    var loss: SettingValues?

    @Option(help: ArgumentHelp("The core's dropout in training.", valueName: "x"))
    var dropout: SettingValues?

    @Option(help: ArgumentHelp("Steps from one look at the dev rows to the next.", valueName: "n"))
    var evaluateEvery: SettingValues?

    @Option(
        help: ArgumentHelp(
            "Looks at the dev rows without a better score after which training stops; 0 for never.",
            valueName: "n"
        ))
    var patience: SettingValues?

    @Option(help: ArgumentHelp("One seed, or several separated by commas.", valueName: "n,…"))
    var seed: SettingValues?

    @Option(help: ArgumentHelp("Train with the seeds 0 to n-1, together.", valueName: "n"))
    var seeds: Int?

    @Option(help: ArgumentHelp("Encoder rows of one pass forward and back.", valueName: "n"))
    var batchRows: Int?

    @Option(help: ArgumentHelp("How training computes: float32 or bfloat16.", valueName: "type"))
    var trainingPrecision: String?
}

/// The task and its rows.
struct DataOptions: SettingOptions {
    @Option(help: ArgumentHelp("The task: task.json, or a folder with one.", valueName: "file"))
    var task: String?

    @Option(help: ArgumentHelp("Training rows: JSON Lines, .csv or .tsv with a header.", valueName: "file"))
    var train: String?

    @Option(
        help: ArgumentHelp(
            "Rows that prompts are chosen by (default: a tenth of the training rows, drawn by the seed).",
            valueName: "file"))
    var dev: String?

    @Option(help: ArgumentHelp("Rows that are asked once, at the end.", valueName: "file"))
    var test: String?

    @Option(help: ArgumentHelp("Train on this many rows a class, drawn by the seed.", valueName: "k"))
    var fewShot: SettingValues?

    @Option(
        help: ArgumentHelp(
            "The share of the training rows that --dev is made of without a file.", valueName: "x"))
    var devShare: SettingValues?
}

/// What labels of the files are called.
struct LabelMapOptions: SettingOptions {
    @Option(help: ArgumentHelp("The files' labels under the task's names: FROM=TO,…", valueName: "map"))
    var map: String?
}

/// Where the result goes.
struct PublishingOptions: SettingOptions {
    @Option(help: ArgumentHelp("The prompt store to publish in.", valueName: "path"))
    var store: String?

    @Option(
        help: ArgumentHelp(
            "Publish the best prompt under this name; {task} stands for the task's.", valueName: "name"))
    var publish: String?

    @Flag(help: "Publish every job's prompt, the best last, so that the name stands for it.")
    var publishAll = false

    @Option(
        help: ArgumentHelp(
            "How the prompt is stored: float32, float16, bfloat16 or int8 (default: the smallest whose dev score is "
                + "float32's).", valueName: "type"))
    var elementType: String?
}
