/// What is trained, and how the prompt depends on it. The raw value is the name on the command line.
public enum TrainingMethod: String, CaseIterable, Sendable {
    /// The rows themselves.
    case prompt
    /// The rows and one bottleneck network that they go through.
    case residualMLP1 = "residual-mlp1"
    /// The rows and two bottleneck networks one after the other.
    case residualMLP2 = "residual-mlp2"
    /// The rows and a bidirectional LSTM over them.
    case residualLSTM1 = "residual-lstm1"
    /// The rows and a bidirectional LSTM of two layers over them.
    case residualLSTM2 = "residual-lstm2"
    /// All of the core's weights; there is no prompt.
    case full
    /// The two factors of a prompt of low rank.
    case dpt
    /// A few coordinates a row, which a frozen random matrix projects up.
    case ulpt
    /// For each row the weights of a mix of sampled embeddings.
    case superpos

    /// Whether the prompt goes through a network, which has a learning rate of its own.
    var hasNetwork: Bool {
        switch self {
        case .residualMLP1, .residualMLP2, .residualLSTM1, .residualLSTM2: true
        case .prompt, .full, .dpt, .ulpt, .superpos: false
        }
    }
}

/// The function between a bottleneck network's two layers.
public enum Activation: String, CaseIterable, Sendable {
    /// max(0, x)
    case relu
    /// The hyperbolic tangent.
    case tanh
    /// 1 / (1 + e⁻ˣ)
    case sigmoid
}

/// A method with its options: with a seed, initial rows and a core's embeddings it describes a
/// ``PromptParameterization`` completely.
public struct MethodSettings: Sendable, Hashable {
    /// What is trained.
    public var method: TrainingMethod
    /// Virtual tokens, 1 to 65,536; without effect on full tuning.
    public var rows = 20
    /// Width of a bottleneck network's inner layer, 1 to 65,536. The paper's is 800 or 400; quality saturates
    /// above 50.
    public var bottleneck = 400
    /// The function between a bottleneck network's layers.
    public var activation = Activation.relu
    /// Whether a LayerNorm (eps 1e-5, with gain and shift) stands behind each bottleneck network.
    public var layerNorm = true
    /// Whether the rows are added to the network's output.
    public var residual = true
    /// Whether each row has a bottleneck network of its own instead of one for all.
    public var separateNetworks = false
    /// DPT: the prompt's rank, 1 to 256.
    public var rank = 10
    /// ULPT: coordinates a row, 1 to 1,024. 64 for 100 rows are a tenth of the prompt's size.
    public var latent = 64
    /// SuperPos: how many embeddings are mixed, 1 to 1,024.
    public var bases = 128

    /// A method with the default options.
    public init(_ method: TrainingMethod = .prompt) { self.method = method }
}
