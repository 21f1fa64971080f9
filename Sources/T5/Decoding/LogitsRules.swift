/// What is done to a row of scores before ids are chosen from it: the repetition penalty (Keskar et al.
/// 2019), then the end-of-sequence id's mask, in `transformers`' order.
struct LogitsRules: Sendable {
    /// What the decoder is given before it answers: the start id and the prefix.
    let given: [Int32]
    private let repetitionPenalty: Float
    private let minimumNewTokens: Int
    private let endID: Int32

    init(_ options: GenerationOptions, startID: Int32, endID: Int32) {
        given = [startID] + options.prefix
        repetitionPenalty = Float(options.decoding.repetitionPenalty)
        minimumNewTokens = options.decoding.minimumNewTokens
        self.endID = endID
    }

    /// Whether rows stay as they are once so many ids are generated.
    func areIdle(after count: Int) -> Bool { repetitionPenalty == 1 && count >= minimumNewTokens }

    /// Changes the scores of the id that follows those generated so far.
    func apply(to row: UnsafeMutableBufferPointer<Float>, after generated: [Int32]) {
        if repetitionPenalty != 1 {
            for id in Set(given).union(generated) {
                let score = row[Int(id)]
                row[Int(id)] = score < 0 ? score * repetitionPenalty : score / repetitionPenalty
            }
        }
        // A core may name an end-of-sequence id beyond its vocabulary: it then never ends by itself.
        if generated.count < minimumNewTokens, Int(endID) < row.count { row[Int(endID)] = -.infinity }
    }
}
