import T5

/// A sequence of a training batch: what the encoder reads and what the decoder shall answer.
public struct TrainingSequence: Sendable {
    /// Which of the batch's prompts goes before the text's ids; `nil` for none.
    public var prompt: Int?
    /// The text's ids, the end-of-sequence id included.
    public var inputIDs: [Int32]
    /// Ids that the decoder is given after its start id, before the answer; no loss is taken of them.
    public var targetPrefix: [Int32]
    /// The answer's ids, the end-of-sequence id included.
    public var target: [Int32]
    /// For each id of the answer the ids over which its probability is taken, itself among them, as label scoring
    /// does it over the children of a trie's node; `nil` for all pieces.
    public var candidates: [[Int32]]?
    /// The other answers that this one is chosen among, by a softmax over the log-likelihoods that all pieces give
    /// them; `nil` when the answer stands alone.
    public var alternatives: [[Int32]]?
    /// What its loss is multiplied with in the sum that is differentiated.
    public var weight: Float

    /// A sequence of a training batch.
    public init(
        prompt: Int?, inputIDs: [Int32], targetPrefix: [Int32] = [], target: [Int32],
        candidates: [[Int32]]? = nil, alternatives: [[Int32]]? = nil, weight: Float = 1
    ) {
        self.prompt = prompt
        self.inputIDs = inputIDs
        self.targetPrefix = targetPrefix
        self.target = target
        self.candidates = candidates
        self.alternatives = alternatives
        self.weight = weight
    }
}

/// What one pass forward and back gives.
public struct PromptGradients: Sendable {
    /// For each sequence the negative logarithm of its answer's probability, not weighted: the sum over the answer's
    /// ids, or among alternatives that of the choice.
    public var losses: [Float]
    /// For each prompt of the batch the gradient `[rows, d_model]` of the weighted sum of the losses.
    public var prompts: [[Float]]

    /// What one pass forward and back gives.
    public init(losses: [Float], prompts: [[Float]]) {
        self.losses = losses
        self.prompts = prompts
    }
}

/// A core that a loss can be differentiated through, down to the rows of soft prompts.
///
/// Sequences of any lengths, with prompts of any lengths, stand in one ragged batch without padding, as in serving.
public protocol DifferentiableCore: AnyObject {
    /// The core's configuration.
    var configuration: T5Configuration { get }

    /// One pass forward and back.
    ///
    /// - Parameters:
    ///   - prompts: The prompts' rows `[rows, d_model]`, row-major.
    ///   - sequences: The batch; at least one sequence.
    ///   - dropoutSeed: Decides which elements the core's dropout drops; without effect when its rate is 0.
    /// - Throws: `T5Error` when an id is out of range, an answer is empty or not among its candidates, an answer has
    ///   candidates and alternatives, a prompt is not of the core's width, or a number is not finite.
    func gradients(
        prompts: [[Float]], sequences: [TrainingSequence], dropoutSeed: UInt64
    ) throws(T5Error) -> PromptGradients
}
