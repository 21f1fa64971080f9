/// The decoding of one request, without the core: it says what the decoder is to read, chooses from the
/// logits that follow, and ends with the generated ids.
protocol DecodingState: Sendable {
    /// What the decoder is to read in the next pass; none once the request is done.
    var branches: [DecodingBranch] { get }

    /// Whether the next ids are the likeliest ones, so that no logits need to be written.
    var takesLikeliest: Bool { get }

    /// The ids that may follow a branch. Changes the logits, and may be called for several branches at once.
    func choose(branch: Int, logits: UnsafeMutableBufferPointer<Float>) -> [TokenScore]

    /// Goes on to the next pass with what was chosen for each branch.
    ///
    /// - Parameter onToken: Called with each id that is certain to be in an answer, and with the answer's place
    ///   among `generations`.
    mutating func advance(_ choices: [[TokenScore]], onToken: (_ generation: Int, _ id: Int32) -> Void)

    /// The generated sequences, the best first, once the request is done.
    var generations: [Generation] { get }
}

/// A sequence that goes on: which of the last pass's branches it continues, and the ids that it reads next.
struct DecodingBranch: Sendable, Equatable {
    let origin: Int
    let tokens: [Int32]
}
