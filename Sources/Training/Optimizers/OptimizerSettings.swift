import JSON

/// Which optimizer, with its options.
public enum OptimizerSettings: Sendable, Hashable {
    /// Adam with decoupled weight decay.
    case adamW(AdamWSettings)
    /// Adafactor.
    case adafactor(AdafactorSettings)

    /// AdamW with the defaults.
    public static let adamW = OptimizerSettings.adamW(AdamWSettings())
    /// Adafactor with the defaults.
    public static let adafactor = OptimizerSettings.adafactor(AdafactorSettings())

    /// A new optimizer that remembers nothing yet.
    public func makeOptimizer() -> any Optimizer {
        switch self {
        case .adamW(let settings): AdamW(settings)
        case .adafactor(let settings): Adafactor(settings)
        }
    }
}

/// The options of AdamW: those of `torch.optim.AdamW`, with the weight decay of the reference prompt tuning.
public struct AdamWSettings: Sendable, Hashable {
    /// Decay of the mean of gradients, at least 0 and below 1.
    public var beta1 = 0.9
    /// Decay of the mean of their squares, at least 0 and below 1.
    public var beta2 = 0.999
    /// Added to the square root of that mean, above 0 and at most 1.
    public var epsilon = 1e-8
    /// Each step takes this share times the learning rate off the values, 0 to 1.
    public var weightDecay = 1e-5

    /// The defaults.
    public init() {}
}

/// The options of Adafactor, with the defaults of Lester et al. 2021.
public struct AdafactorSettings: Sendable, Hashable {
    /// The mean of squares decays with 1 - step^-decay, 0 to 1.
    public var decay = 0.8
    /// Updates whose root mean square is above this are scaled down to it; above 0 and at most 1,000,000.
    public var clipThreshold = 1.0
    /// Whether the learning rate is multiplied with the root mean square of the parameter's values, at least
    /// 0.001.
    public var parameterScaling = false
    /// Decay of the mean of updates, at least 0 and below 1; `nil` for no such mean.
    public var beta1: Double?
    /// Each step takes this share times the learning rate off the values, 0 to 1.
    public var weightDecay = 1e-5

    /// The defaults.
    public init() {}
}

extension OptimizerSettings {
    /// The object with every option.
    public var json: JSONObject {
        switch self {
        case .adamW(let settings):
            JSONObject([
                ("name", "adamw"), ("beta1", JSONValue(settings.beta1)), ("beta2", JSONValue(settings.beta2)),
                ("epsilon", JSONValue(settings.epsilon)), ("weight_decay", JSONValue(settings.weightDecay)),
            ])
        case .adafactor(let settings):
            JSONObject([
                ("name", "adafactor"), ("decay", JSONValue(settings.decay)),
                ("clip_threshold", JSONValue(settings.clipThreshold)),
                ("parameter_scaling", .bool(settings.parameterScaling)),
                ("beta1", settings.beta1.map { JSONValue($0) } ?? .null),
                ("weight_decay", JSONValue(settings.weightDecay)),
            ])
        }
    }

    private enum Name: String, CaseIterable { case adamw, adafactor }

    /// Reads the object strictly; what it lacks has its default. `name` is `adamw` (the default) or
    /// `adafactor`.
    ///
    /// - Parameters:
    ///   - object: The settings by their keys.
    ///   - prefix: Written before a key's name in messages.
    /// - Throws: `TrainingError` for an unknown key, a value of the wrong type or out of range.
    public init(json object: JSONObject, at prefix: String = "optimizer.") throws(TrainingError) {
        try self.init(ObjectReader(object, prefix: prefix) { TrainingError($0) })
    }

    init(_ reader: ObjectReader<TrainingError>) throws(TrainingError) {
        let shares = 0.0...1.0
        switch try reader["name"]?.choice() ?? Name.adamw {
        case .adamw:
            try reader.allow(Self.adamW.json.keys, of: "the optimizer adamw")
            var settings = AdamWSettings()
            settings.beta1 = try reader["beta1"]?.number(in: 0..<1) ?? settings.beta1
            settings.beta2 = try reader["beta2"]?.number(in: 0..<1) ?? settings.beta2
            settings.epsilon = try reader["epsilon"]?.number(in: 1e-30...1) ?? settings.epsilon
            settings.weightDecay = try reader["weight_decay"]?.number(in: shares) ?? settings.weightDecay
            self = .adamW(settings)
        case .adafactor:
            try reader.allow(Self.adafactor.json.keys, of: "the optimizer adafactor")
            var settings = AdafactorSettings()
            settings.decay = try reader["decay"]?.number(in: shares) ?? settings.decay
            settings.clipThreshold =
                try reader["clip_threshold"]?.number(in: 1e-6...1e6) ?? settings.clipThreshold
            settings.parameterScaling =
                try reader["parameter_scaling"]?.boolean() ?? settings.parameterScaling
            if let beta1 = reader["beta1"], !beta1.value.isNull {
                settings.beta1 = try beta1.number(in: 0..<1)
            }
            settings.weightDecay = try reader["weight_decay"]?.number(in: shares) ?? settings.weightDecay
            self = .adafactor(settings)
        }
    }
}
