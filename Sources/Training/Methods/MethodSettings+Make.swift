import Basics
import Tensors

/// What a seed's draws are for: each purpose has a stream of its own, so that the initial rows of a seed are
/// the same whatever the method.
private enum Stream {
    static let rows: UInt64 = 1
    static let network: UInt64 = 2
    static let projection: UInt64 = 3
}

extension MethodSettings {
    /// The parameterization that these settings describe, at the start of training.
    ///
    /// The same arguments give the same object, bit for bit. What it starts from:
    ///
    /// - Prompt tuning and residual prompt tuning: P is the initial rows P₀; with the method's own start
    ///   uniform within ±0.5.
    /// - DPT: A·B is the best approximation of P₀ of that rank, its factors of equal norm; with the method's
    ///   own start both are uniform within ±0.5, as in the authors' code.
    /// - ULPT: b is the mean of P₀'s rows, s is 1, and Z comes from least squares of the rest over R; with
    ///   the method's own start Z is uniform within ±0.5 and b is 0.
    /// - SuperPos: the weights come from least squares of P₀ over the embeddings; with the method's own start
    ///   they are uniform and such that a row has the scale of an embedding.
    ///
    /// ULPT's R is normal with variance 1/latent, so that P has the scale of Z. SuperPos samples its
    /// embeddings from the source's vocabulary. Networks start as torch's do: linear layers uniform within
    /// ±1/√fan-in, LSTMs within ±1/√hidden, LayerNorm gains 1 and shifts 0.
    ///
    /// - Parameters:
    ///   - initialization: What the rows are before training.
    ///   - source: The core's embeddings and the task.
    ///   - seed: Decides all draws.
    ///   - pool: The threads that compute its passes.
    /// - Throws: `TrainingError` when an option is out of range or the method is ``TrainingMethod/full``,
    ///   which has no prompt; and as ``PromptInitialization/rows(_:from:using:)``.
    public func makeParameterization(
        initialization: PromptInitialization, source: InitializationSource, seed: UInt64, pool: WorkerPool
    ) throws(TrainingError) -> any PromptParameterization {
        try validate(width: source.width)
        guard method != .full else {
            throw TrainingError("the method full trains the core and has no prompt")
        }
        var generator = SplitMix64(seed: seed, stream: Stream.rows)
        let initial = try initialization.rows(rows, from: source, using: &generator)
        let width = source.width
        switch method {
        case .full, .prompt:
            return PlainPrompt(
                rows: rows, width: width, initialRows: initial ?? Self.uniform(rows * width, &generator))
        case .residualMLP1, .residualMLP2, .residualLSTM1, .residualLSTM2:
            return ResidualPrompt(
                rows: rows, width: width, initialRows: initial ?? Self.uniform(rows * width, &generator),
                isResidual: residual, networks: makeNetworks(width: width, seed: seed, pool: pool))
        case .dpt:
            let factors =
                initial.map {
                    LowRank.factors(of: $0, rows: rows, width: width, rank: rank, using: &generator)
                } ?? (Self.uniform(rows * rank, &generator), Self.uniform(rank * width, &generator))
            return FactoredPrompt(
                rows: rows, width: width, rank: rank, left: factors.0, right: factors.1, pool: pool)
        case .ulpt: return makeProjected(initial, width: width, seed: seed, &generator, pool)
        case .superpos:
            guard !source.vocabulary.candidates.isEmpty else {
                throw TrainingError("superpos needs pieces to sample embeddings of")
            }
            var sampling = SplitMix64(seed: seed, stream: Stream.projection)
            let embeddings = source.embeddings(source.vocabulary.draw(bases, using: &sampling))
            let bound = (3 / Float(bases)).squareRoot()
            let weights =
                initial.map { LeastSquares.coordinates(of: $0, over: embeddings, width: width) }
                ?? (0..<rows * bases).map { _ in generator.uniform(bound: bound) }
            return FactoredPrompt(
                rows: rows, width: width, weights: weights, embeddings: embeddings, pool: pool)
        }
    }

    private func makeNetworks(width: Int, seed: UInt64, pool: WorkerPool) -> [any PromptNetwork] {
        var generator = SplitMix64(seed: seed, stream: Stream.network)
        func bottleneck(_ name: String) -> BottleneckNetwork {
            BottleneckNetwork(name: name, width: width, settings: self, generator: &generator, pool: pool)
        }
        switch method {
        case .residualMLP1: return [bottleneck("network1")]
        case .residualMLP2: return [bottleneck("network1"), bottleneck("network2")]
        case .residualLSTM1, .residualLSTM2:
            return [
                RecurrentNetwork(
                    rows: rows, width: width, layers: method == .residualLSTM1 ? 1 : 2, generator: &generator,
                    pool: pool)
            ]
        case .prompt, .full, .dpt, .ulpt, .superpos: return []
        }
    }

    private func makeProjected(
        _ initial: [Float]?, width: Int, seed: UInt64, _ generator: inout SplitMix64, _ pool: WorkerPool
    ) -> ProjectedPrompt {
        var drawing = SplitMix64(seed: seed, stream: Stream.projection)
        let deviation = 1 / Float(latent).squareRoot()
        let projection = (0..<width * latent).map { _ in drawing.normal() * deviation }
        guard let initial else {
            return ProjectedPrompt(
                rows: rows, width: width, coordinates: Self.uniform(rows * latent, &generator),
                shift: [Float](repeating: 0, count: width), projection: projection, pool: pool)
        }
        var shift = [Float](repeating: 0, count: width)
        for index in initial.indices { shift[index % width] += initial[index] / Float(rows) }
        let rest = initial.indices.map { initial[$0] - shift[$0 % width] }
        // R's rows are the columns of its transpose.
        let basis = (0..<latent * width).map { projection[$0 % width * latent + $0 / width] }
        return ProjectedPrompt(
            rows: rows, width: width,
            coordinates: LeastSquares.coordinates(of: rest, over: basis, width: width), shift: shift,
            projection: projection, pool: pool)
    }

    /// Numbers within ±0.5.
    private static func uniform(_ count: Int, _ generator: inout SplitMix64) -> [Float] {
        (0..<count).map { _ in generator.uniform(bound: 0.5) }
    }
}
