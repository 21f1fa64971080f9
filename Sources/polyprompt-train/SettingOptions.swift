import ArgumentParser
import JSON

/// An option as a member of `train.json`.
struct Setting {
    let key: String
    let value: JSONValue

    /// A text; `nil` for an option that was not given.
    init?(_ key: String, text: String?) {
        guard let text else { return nil }
        self.key = key
        value = .string(text)
    }

    /// A value, or several separated by commas, each of which the run tries: numbers where they are some.
    init?(_ key: String, list text: String?) {
        guard let text else { return nil }
        self.key = key
        // A text or path may have commas of its own.
        let parts = text.contains(":") ? [text] : text.split(separator: ",").map { String($0) }
        let values = parts.map { part -> JSONValue in
            switch try? JSONValue.parse(part) {
            case .number(let number)?: .number(number)
            case .bool(let value)?: .bool(value)
            default: .string(part)
            }
        }
        value = values.count == 1 ? values[0] : .array(values)
    }

    /// A number.
    init?(_ key: String, number: Int?) {
        guard let number else { return nil }
        self.key = key
        value = JSONValue(number)
    }

    /// A switch, which is only written when it is on.
    init?(_ key: String, flag: Bool) {
        guard flag else { return nil }
        self.key = key
        value = true
    }
}

/// What the prompt is and how it begins.
struct MethodOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "prompt, residual-mlp1, residual-mlp2, residual-lstm1, residual-lstm2, full, dpt, ulpt or superpos.",
            valueName: "name"))
    var method: String?

    @Option(help: ArgumentHelp("Virtual tokens of the prompt.", valueName: "n"))
    var rows: String?

    @Option(
        help: ArgumentHelp(
            "How the prompt begins: vocabulary, uniform[:BOUND], labels, text:TEXT, file:PATH, task:NAME[@VERSION] "
                + "(of --store), or method for the method's own way.", valueName: "how"))
    var `init`: String?

    @Option(help: ArgumentHelp("Width of a residual network's inner layer.", valueName: "n"))
    var bottleneck: String?

    @Option(help: ArgumentHelp("A residual network's function: relu, tanh or sigmoid.", valueName: "name"))
    var activation: String?

    @Option(help: ArgumentHelp("Whether a LayerNorm ends a residual network.", valueName: "true|false"))
    var layerNorm: String?

    @Option(help: ArgumentHelp("Whether the rows are added to a network's output.", valueName: "true|false"))
    var residual: String?

    @Option(help: ArgumentHelp("Whether each row has a network of its own.", valueName: "true|false"))
    var separateNetworks: String?

    @Option(help: ArgumentHelp("The rank of dpt.", valueName: "n"))
    var rank: String?

    @Option(help: ArgumentHelp("Coordinates a row of ulpt.", valueName: "n"))
    var latent: String?

    @Option(help: ArgumentHelp("Embeddings that superpos mixes.", valueName: "n"))
    var bases: String?

    @Option(
        help: ArgumentHelp(
            "Train these core weights beside the prompt, and write the core that it then belongs to: tensor names "
                + "with * for any characters.", valueName: "pattern"))
    var trainWeights: String?

    var settings: [Setting?] {
        [
            Setting("method", list: method), Setting("rows", list: rows), Setting("init", list: self.`init`),
            Setting("bottleneck", list: bottleneck), Setting("activation", list: activation),
            Setting("layer_norm", list: layerNorm), Setting("residual", list: residual),
            Setting("separate_networks", list: separateNetworks), Setting("rank", list: rank),
            Setting("latent", list: latent), Setting("bases", list: bases),
            Setting("train_weights", text: trainWeights),
        ]
    }
}

/// How the prompt is trained.
struct OptimizationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The prompt's learning rate; for full tuning the weights'.", valueName: "x"))
    var learningRate: String?

    @Option(
        help: ArgumentHelp(
            "The learning rate of the prompt's network, and of --train-weights.", valueName: "x"))
    var networkLearningRate: String?

    @Option(help: ArgumentHelp("adamw or adafactor.", valueName: "name"))
    var optimizer: String?

    @Option(help: ArgumentHelp("Decoupled weight decay.", valueName: "x"))
    var weightDecay: String?

    @Option(help: ArgumentHelp("Decay of the mean of gradients.", valueName: "x"))
    var beta1: String?

    @Option(help: ArgumentHelp("AdamW's decay of the mean of squares.", valueName: "x"))
    var beta2: String?

    @Option(help: ArgumentHelp("AdamW's epsilon.", valueName: "x"))
    var epsilon: String?

    @Option(help: ArgumentHelp("Adafactor's decay exponent.", valueName: "x"))
    var decay: String?

    @Option(help: ArgumentHelp("Adafactor's largest root mean square of an update.", valueName: "x"))
    var clipThreshold: String?

    @Option(
        help: ArgumentHelp(
            "Whether Adafactor scales the learning rate by the parameter.", valueName: "true|false"))
    var parameterScaling: String?

    @Option(help: ArgumentHelp("constant, linear or cosine.", valueName: "name"))
    var schedule: String?

    @Option(help: ArgumentHelp("Steps over which the learning rate rises from 0.", valueName: "n"))
    var warmup: String?

    @Option(help: ArgumentHelp("Largest norm of the gradient; 0 for none.", valueName: "x"))
    var clip: String?

    @Option(help: ArgumentHelp("Updates.", valueName: "n"))
    var steps: String?

    @Option(help: ArgumentHelp("Passes over the training rows, instead of --steps.", valueName: "n"))
    var epochs: String?

    @Option(help: ArgumentHelp("Rows of a mini-batch.", valueName: "n"))
    var batch: String?

    @Option(help: ArgumentHelp("Mini-batches a step.", valueName: "n"))
    var accumulation: String?

    @Option(help: ArgumentHelp("labels (as labels are served) or vocabulary.", valueName: "name"))
    var loss: String?

    @Option(help: ArgumentHelp("The core's dropout in training.", valueName: "x"))
    var dropout: String?

    @Option(help: ArgumentHelp("Steps from one look at the dev rows to the next.", valueName: "n"))
    var evaluateEvery: String?

    @Option(
        help: ArgumentHelp(
            "Looks at the dev rows without a better score after which training stops; 0 for never.",
            valueName: "n"
        ))
    var patience: String?

    @Option(help: ArgumentHelp("One seed, or several separated by commas.", valueName: "n,…"))
    var seed: String?

    @Option(help: ArgumentHelp("Train with the seeds 0 to n-1, together.", valueName: "n"))
    var seeds: Int?

    @Option(help: ArgumentHelp("Encoder rows of one pass forward and back.", valueName: "n"))
    var batchRows: Int?

    @Option(help: ArgumentHelp("How training computes: float32 or bfloat16.", valueName: "type"))
    var trainingPrecision: String?

    var settings: [Setting?] {
        [
            Setting("learning_rate", list: learningRate),
            Setting("network_learning_rate", list: networkLearningRate),
            Setting("optimizer", list: optimizer),
            Setting("weight_decay", list: weightDecay), Setting("beta1", list: beta1),
            Setting("beta2", list: beta2), Setting("epsilon", list: epsilon), Setting("decay", list: decay),
            Setting("clip_threshold", list: clipThreshold),
            Setting("parameter_scaling", list: parameterScaling), Setting("schedule", list: schedule),
            Setting("warmup", list: warmup), Setting("clip", list: clip), Setting("steps", list: steps),
            Setting("epochs", list: epochs), Setting("batch", list: batch),
            Setting("accumulation", list: accumulation), Setting("loss", list: loss),
            Setting("dropout", list: dropout), Setting("evaluate_every", list: evaluateEvery),
            Setting("patience", list: patience), Setting("seed", list: seed), Setting("seeds", number: seeds),
            Setting("batch_rows", number: batchRows), Setting("training_precision", text: trainingPrecision),
        ]
    }
}

/// The task and its rows.
struct DataOptions: ParsableArguments {
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

    @Option(help: ArgumentHelp("The files' labels under the task's names: FROM=TO,…", valueName: "map"))
    var map: String?

    @Option(help: ArgumentHelp("Train on this many rows a class, drawn by the seed.", valueName: "k"))
    var fewShot: String?

    @Option(
        help: ArgumentHelp(
            "The share of the training rows that --dev is made of without a file.", valueName: "x"))
    var devShare: String?

    var settings: [Setting?] {
        [
            Setting("task", text: task), Setting("train", text: train), Setting("dev", text: dev),
            Setting("test", text: test), Setting("map", text: map), Setting("few_shot", list: fewShot),
            Setting("dev_share", list: devShare),
        ]
    }
}

/// Where the result goes.
struct PublishingOptions: ParsableArguments {
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

    var settings: [Setting?] {
        [
            Setting("store", text: store), Setting("publish", text: publish),
            Setting("publish_all", flag: publishAll), Setting("element_type", text: elementType),
        ]
    }
}
