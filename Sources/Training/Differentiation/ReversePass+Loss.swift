import Basics
import CKernels
import Foundation
import T5
import Tensors

/// The negative log-likelihood of the answers, and its gradient at the decoder's output.
extension ReversePass {
    /// Positions whose logits over all pieces are in memory at once.
    private static var blockRows: Int { 64 }

    /// Adds each sequence's loss, and returns the gradient of their weighted sum.
    func differentiateLoss(_ part: Part, _ losses: inout [Double]) -> Rows<Float> {
        let gradient = floats(width, part.count, &part.workspace.lossGradient)
        gradient.clear(part, width: width)
        let restricted = batch.positions.filter { $0.candidates != nil }
        if !restricted.isEmpty { differentiateCandidates(restricted, gradient, &losses) }
        let full = batch.positions.filter { $0.candidates == nil }
        let weights = chooseAnswers(full, part, &losses)
        forEachBlock(full) { differentiateVocabulary($0, weights, gradient, part, &losses) }
        return gradient
    }

    private func forEachBlock(
        _ positions: [TrainingBatch.Position], _ body: ([TrainingBatch.Position]) -> Void
    ) {
        for start in stride(from: 0, to: positions.count, by: Self.blockRows) {
            body(Array(positions[start..<min(start + Self.blockRows, positions.count)]))
        }
    }

    /// Which sequence a position belongs to.
    private func item(of position: TrainingBatch.Position) -> TrainingBatch.Item {
        batch.items[batch.paths[position.path].item]
    }

    /// What the negative log-likelihood of each path counts for in the sum that is differentiated.
    ///
    /// An answer alone counts with its sequence's weight. Among alternatives the loss is `-log softmax(l)[answer]`
    /// over the paths' log-likelihoods `l`: its derivative by `-l[path]` is 1 for the answer, less the path's
    /// probability. These losses are added here.
    ///
    /// - Parameter positions: All whose probability is over all pieces.
    private func chooseAnswers(
        _ positions: [TrainingBatch.Position], _ part: Part, _ losses: inout [Double]
    ) -> [Float] {
        var weights = batch.paths.map { batch.items[$0.item].weight }
        let chosen = positions.filter { item(of: $0).isChoice }
        guard !chosen.isEmpty else { return weights }
        let vocabulary = forward.configuration.vocabularySize
        var likelihoods = [Double](repeating: 0, count: batch.paths.count)
        forEachBlock(chosen) { block in
            let (_, logits) = multiplyHead(block, part)
            let parts = part.team.map(block.count) { place in
                Double(logits.row(place)[Int(block[place].target)])
                    - pp_f32_log_sum_exp(forward.kernels, logits.row(place), vocabulary)
            }
            for (position, likelihood) in zip(block, parts) { likelihoods[position.path] += likelihood }
        }
        for item in batch.items where item.isChoice {
            let largest = likelihoods[item.paths].max() ?? 0
            let total = largest + log(likelihoods[item.paths].reduce(0) { $0 + exp($1 - largest) })
            let answer = item.paths.lowerBound
            losses[item.sequence] += total - likelihoods[answer]
            for path in item.paths {
                weights[path] *= Float((path == answer ? 1 : 0) - exp(likelihoods[path] - total))
            }
        }
        return weights
    }

    /// The decoder's output of some positions, and their logits over all pieces.
    private func multiplyHead(
        _ positions: [TrainingBatch.Position], _ part: Part
    ) -> (hidden: Rows<Float>, logits: Rows<Float>) {
        let hidden = floats(width, positions.count, &part.workspace.contextGradient)
        for (place, position) in positions.enumerated() {
            hidden.row(place).update(from: memory.decoded.row(position.row), count: width)
        }
        let logits = floats(
            forward.configuration.vocabularySize, positions.count, &part.workspace.logits)
        forward.logits(hidden, positions.count, into: logits, part)
        return (hidden, logits)
    }

    /// Over each position's candidates: only their rows of the head are multiplied.
    private func differentiateCandidates(
        _ positions: [TrainingBatch.Position], _ gradient: Rows<Float>, _ losses: inout [Double]
    ) {
        let d = width
        var places: [Int32: Int] = [:]
        for id in positions.flatMap({ $0.candidates ?? [] }) where places[id] == nil {
            places[id] = places.count
        }
        let heads = AlignedBuffer(places.count * d, of: Float.self)
        for (id, place) in places { backward.headRow(id, into: heads.floats + place * d) }
        for position in positions {
            let item = item(of: position)
            let hidden = memory.decoded.row(position.row)
            let candidates = position.candidates ?? []
            let rows = candidates.map { heads.floats + (places[$0] ?? 0) * d }
            let logits = rows.map { Double(pp_f32_dot(forward.kernels, hidden, $0, d)) }
            let largest = logits.max() ?? 0
            let total = largest + log(logits.reduce(0) { $0 + exp($1 - largest) })
            let out = gradient.row(position.row)
            for (place, id) in candidates.enumerated() {
                let isTarget = id == position.target
                if isTarget { losses[item.sequence] += total - logits[place] }
                let factor = item.weight * Float(exp(logits[place] - total) - (isTarget ? 1 : 0))
                for index in 0..<d { out[index] += factor * rows[place][index] }
                if backward.tracksWeights { backward.addHeadRowGradient(id, factor, hidden) }
            }
        }
    }

    /// Over all pieces.
    ///
    /// - Parameter weights: What each path counts for.
    private func differentiateVocabulary(
        _ positions: [TrainingBatch.Position], _ weights: [Float], _ gradient: Rows<Float>, _ part: Part,
        _ losses: inout [Double]
    ) {
        let vocabulary = forward.configuration.vocabularySize
        let (hidden, logits) = multiplyHead(positions, part)
        let parts = part.team.map(positions.count) { place -> Double in
            let position = positions[place]
            let total = pp_f32_log_sum_exp(forward.kernels, logits.row(place), vocabulary)
            let loss = total - Double(logits.row(place)[Int(position.target)])
            pp_f32_likelihood_gradient(
                forward.kernels, logits.row(place), vocabulary, Float(total), weights[position.path],
                Int(position.target))
            return loss
        }
        for (position, loss) in zip(positions, parts) {
            let item = item(of: position)
            if !item.isChoice { losses[item.sequence] += loss }
        }
        let hiddenGradient = floats(width, positions.count, &part.workspace.normGradient)
        backward.headGradient(logits, hidden, positions.count, into: hiddenGradient, part)
        for (place, position) in positions.enumerated() {
            gradient.row(position.row).update(from: hiddenGradient.row(place), count: width)
        }
    }
}
