import CKernels

/// Greedy decoding and sampling: chains of ids, each of which goes on until it ends.
struct ChainDecoding: DecodingState {
    private let options: GenerationOptions
    private let rules: LogitsRules
    private let endID: Int32
    /// `nil` takes the likeliest id.
    private let sampler: TokenSampler?
    /// What each of the returned sequences has generated.
    private(set) var generations: [Generation]
    /// The sequences that choose from each branch: all of them from the first one, then each from its own.
    private var chains: [[Int]]
    private(set) var branches: [DecodingBranch]

    init(_ options: GenerationOptions, startID: Int32, endID: Int32) {
        self.options = options
        self.endID = endID
        rules = LogitsRules(options, startID: startID, endID: endID)
        let decoding = options.decoding
        if decoding.isSampling {
            sampler = TokenSampler(
                temperature: Float(decoding.temperature), topK: decoding.topK, topP: decoding.topP,
                seed: decoding.seed ?? UInt64.random(in: 0 ... .max))
        } else {
            sampler = nil
        }
        generations = Array(repeating: Generation(), count: decoding.returnedSequences)
        chains = [Array(generations.indices)]
        branches = [DecodingBranch(origin: 0, tokens: rules.given)]
    }

    /// Ids that every running chain has.
    private var length: Int { chains.first?.first.map { generations[$0].ids.count } ?? 0 }

    var takesLikeliest: Bool { sampler == nil && rules.areIdle(after: length) }

    func choose(branch: Int, logits: UnsafeMutableBufferPointer<Float>) -> [TokenScore] {
        rules.apply(to: logits, after: chains[branch].first.map { generations[$0].ids } ?? [])
        let row = UnsafeBufferPointer(logits)
        let likeliest = Int32(pp_f32_argmax(row.baseAddress, row.count))
        guard let sampler else { return [TokenScore(id: likeliest, score: 0)] }
        let distribution = sampler.distribution(of: row)
        return chains[branch].map { chain in
            TokenScore(
                id: sampler.draw(from: distribution, stream: chain, step: length) ?? likeliest, score: 0)
        }
    }

    mutating func advance(_ choices: [[TokenScore]], onToken: (Int, Int32) -> Void) {
        var running: [[Int]] = []
        branches = []
        for (branch, tokens) in choices.enumerated() {
            for (chain, token) in zip(chains[branch], tokens) {
                generations[chain].ids.append(token.id)
                onToken(chain, token.id)
                let ids = generations[chain].ids
                generations[chain].isFinished = token.id == endID || options.isComplete?(ids) == true
                if generations[chain].isFinished || ids.count >= options.maximumNewTokens { continue }
                running.append([chain])
                branches.append(DecodingBranch(origin: branch, tokens: [token.id]))
            }
        }
        chains = running
    }
}
