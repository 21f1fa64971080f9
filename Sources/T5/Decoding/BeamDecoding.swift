import CKernels
import Foundation
import Tensors

/// Beam search, with the decisions of `transformers` 4.57's `generate`.
struct BeamDecoding: DecodingState {
    private struct Beam {
        var ids: [Int32] = []
        /// The sum of its ids' log-probabilities.
        var score: Float = 0
    }

    private let options: GenerationOptions
    private var decoding: DecodingOptions { options.decoding }
    private let rules: LogitsRules
    private let endID: Int32
    private let processor: Processor
    /// Running sequences, the likeliest first: one at the start, then as many as there are beams.
    private var running = [Beam()]
    /// The best finished sequences, at most as many as there are beams, the best first. Their scores have the
    /// length penalty applied.
    private var finished: [(generation: Generation, score: Float)] = []
    private(set) var branches: [DecodingBranch]

    let takesLikeliest = false

    init(_ options: GenerationOptions, startID: Int32, endID: Int32, processor: Processor) {
        self.options = options
        self.endID = endID
        self.processor = processor
        rules = LogitsRules(options, startID: startID, endID: endID)
        branches = [DecodingBranch(origin: 0, tokens: rules.given)]
    }

    var generations: [Generation] { finished.prefix(decoding.returnedSequences).map(\.generation) }

    /// Continuations considered in a step: of these at most `beamCount` end with the end-of-sequence id, so
    /// that enough remain to go on.
    private var candidateCount: Int { 2 * decoding.beamCount }

    func choose(branch: Int, logits: UnsafeMutableBufferPointer<Float>) -> [TokenScore] {
        let total = Float(pp_f32_log_sum_exp(processor.kernels, logits.baseAddress, logits.count))
        for id in logits.indices { logits[id] -= total }
        rules.apply(to: logits, after: running[branch].ids)
        return TokenScore.highest(candidateCount, of: UnsafeBufferPointer(logits))
    }

    /// No id is certain before the search is done.
    mutating func advance(_ choices: [[TokenScore]], onToken: (Int, Int32) -> Void) {
        var candidates: [(score: Float, branch: Int, id: Int32)] = []
        for (branch, tokens) in choices.enumerated() {
            candidates += tokens.map { (running[branch].score + $0.score, branch, $0.id) }
        }
        candidates.sort {
            $0.score > $1.score || ($0.score == $1.score && ($0.branch, $0.id) < ($1.branch, $1.id))
        }

        let length = (running.first?.ids.count ?? 0) + 1
        let divisor = Float(pow(Double(length), decoding.lengthPenalty))
        var continued: [Beam] = []
        branches = []
        for (rank, candidate) in candidates.prefix(candidateCount).enumerated() {
            // Only the best `beamCount` may finish, the others are there to go on.
            guard rank < decoding.beamCount || continued.count < decoding.beamCount else { break }
            let ids = running[candidate.branch].ids + [candidate.id]
            let isEnd = candidate.id == endID || options.isComplete?(ids) == true
            if isEnd || length >= options.maximumNewTokens {
                guard rank < decoding.beamCount else { continue }
                finish(Generation(ids: ids, isFinished: isEnd), score: candidate.score / divisor)
            } else if continued.count < decoding.beamCount {
                continued.append(Beam(ids: ids, score: candidate.score))
                branches.append(DecodingBranch(origin: candidate.branch, tokens: [candidate.id]))
            }
        }
        running = continued
        if isDecided(bestRunningScore: (running.first?.score ?? 0) / divisor) { branches = [] }
    }

    private mutating func finish(_ generation: Generation, score: Float) {
        let place = finished.firstIndex { $0.score < score } ?? finished.count
        finished.insert((generation, score), at: place)
        if finished.count > decoding.beamCount { finished.removeLast() }
    }

    /// Whether there are enough finished sequences and none of the running ones, as good as it now is, beats
    /// the worst of them.
    private func isDecided(bestRunningScore: Float) -> Bool {
        guard finished.count == decoding.beamCount, let worst = finished.last else { return false }
        return decoding.earlyStopping || !(bestRunningScore > worst.score)
    }
}
