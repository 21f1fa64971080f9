import JSON
import PromptStore

extension MethodSettings {
    /// The keys of a method's JSON form in the order that ``json`` writes them: those of the options that it
    /// has.
    public static func keys(of method: TrainingMethod) -> [String] {
        let network = ["bottleneck", "activation", "layer_norm", "residual", "separate_networks"]
        return switch method {
        case .full: ["method"]
        case .prompt: ["method", "rows"]
        case .residualMLP1, .residualMLP2: ["method", "rows"] + network
        case .residualLSTM1, .residualLSTM2: ["method", "rows", "residual"]
        case .dpt: ["method", "rows", "rank"]
        case .ulpt: ["method", "rows", "latent"]
        case .superpos: ["method", "rows", "bases"]
        }
    }

    /// The object with every option that the method has.
    public var json: JSONObject {
        let all: [String: JSONValue] = [
            "method": .string(method.rawValue), "rows": JSONValue(rows), "bottleneck": JSONValue(bottleneck),
            "activation": .string(activation.rawValue), "layer_norm": .bool(layerNorm),
            "residual": .bool(residual), "separate_networks": .bool(separateNetworks),
            "rank": JSONValue(rank), "latent": JSONValue(latent), "bases": JSONValue(bases),
        ]
        return JSONObject(Self.keys(of: method).compactMap { key in all[key].map { (key, $0) } })
    }

    /// Reads the object strictly; what it lacks has its default.
    ///
    /// - Parameters:
    ///   - object: The settings by their keys.
    ///   - prefix: Written before a key's name in messages.
    /// - Throws: `TrainingError` for an unknown key, one that the method has no use for, a value of the
    ///   wrong type or out of range.
    public init(json object: JSONObject, at prefix: String = "") throws(TrainingError) {
        try self.init(ObjectReader(object, prefix: prefix) { TrainingError($0) })
    }

    init(_ reader: ObjectReader<TrainingError>) throws(TrainingError) {
        self.init()
        method = try reader["method"]?.choice() ?? method
        try reader.allow(Self.keys(of: method), of: "the method \(method.rawValue)")
        rows = try reader["rows"]?.integer(in: Self.rowCounts) ?? rows
        bottleneck = try reader["bottleneck"]?.integer(in: Self.widths) ?? bottleneck
        activation = try reader["activation"]?.choice() ?? activation
        layerNorm = try reader["layer_norm"]?.boolean() ?? layerNorm
        residual = try reader["residual"]?.boolean() ?? residual
        separateNetworks = try reader["separate_networks"]?.boolean() ?? separateNetworks
        rank = try reader["rank"]?.integer(in: Self.ranks) ?? rank
        latent = try reader["latent"]?.integer(in: Self.basisSizes) ?? latent
        bases = try reader["bases"]?.integer(in: Self.basisSizes) ?? bases
    }

    private static let rowCounts = 1...SoftPrompt.maximumRows
    private static let widths = 1...65_536
    private static let ranks = 1...256
    private static let basisSizes = 1...1_024
    /// 1 GiB in float32, for the values alone.
    private static let maximumCount = 1 << 28

    /// Refuses options out of range, and a prompt or network too large for a core's width.
    ///
    /// - Parameters:
    ///   - width: `d_model` of the core.
    ///   - prefix: Written before a key's name in messages.
    /// - Throws: `TrainingError` naming the key.
    public func validate(width: Int, at prefix: String = "") throws(TrainingError) {
        // Reading the written form applies every range.
        _ = try MethodSettings(json: json, at: prefix)
        guard method != .full else { return }
        func refuse(_ key: String, _ reason: String) -> TrainingError {
            TrainingError("\"\(prefix)\(key)\": \(reason)")
        }
        guard rows * width <= SoftPrompt.maximumCount else {
            throw refuse(
                "rows", "\(rows) rows of width \(width) are more than \(SoftPrompt.maximumCount) values")
        }
        switch method {
        case .residualMLP1, .residualMLP2:
            // Each factor is at most 2^16, so that the product does not overflow.
            let count = 2 * bottleneck * width * (separateNetworks ? rows : 1)
            guard count <= Self.maximumCount else {
                throw refuse(
                    separateNetworks ? "separate_networks" : "bottleneck",
                    "the networks would have \(count) weights, more than \(Self.maximumCount)")
            }
        case .residualLSTM1, .residualLSTM2:
            guard width.isMultiple(of: 2) else {
                throw refuse(
                    "method", "\(method.rawValue) needs a core of even width; this one's is \(width)")
            }
            guard width <= 8_192 else {
                throw refuse("method", "\(method.rawValue) takes cores up to 8192 wide, not \(width)")
            }
        case .prompt, .full, .dpt, .ulpt, .superpos: break
        }
    }
}
