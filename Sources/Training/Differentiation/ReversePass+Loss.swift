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
        clear(gradient, part)
        let restricted = batch.positions.filter { $0.candidates != nil }
        if !restricted.isEmpty { differentiateCandidates(restricted, gradient, &losses) }
        let full = batch.positions.filter { $0.candidates == nil }
        for start in stride(from: 0, to: full.count, by: Self.blockRows) {
            let block = full[start..<min(start + Self.blockRows, full.count)]
            differentiateVocabulary(Array(block), gradient, part, &losses)
        }
        return gradient
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
        let heads = FloatBuffer(count: places.count * d)
        for (id, place) in places { arithmetic.headRow(id, into: heads.pointer + place * d) }
        for position in positions {
            let hidden = memory.decoded.row(position.row)
            let candidates = position.candidates ?? []
            let rows = candidates.map { heads.pointer + (places[$0] ?? 0) * d }
            let logits = rows.map { Double(pp_f32_dot(hidden, $0, d)) }
            let largest = logits.max() ?? 0
            let total = largest + log(logits.reduce(0) { $0 + exp($1 - largest) })
            let out = gradient.row(position.row)
            for (place, id) in candidates.enumerated() {
                let isTarget = id == position.target
                if isTarget { losses[batch.items[position.item].sequence] += total - logits[place] }
                let factor = position.weight * Float(exp(logits[place] - total) - (isTarget ? 1 : 0))
                for index in 0..<d { out[index] += factor * rows[place][index] }
                if arithmetic.tracksWeights { arithmetic.addHeadRowGradient(id, factor, hidden) }
            }
        }
    }

    /// Over all pieces.
    private func differentiateVocabulary(
        _ positions: [TrainingBatch.Position], _ gradient: Rows<Float>, _ part: Part, _ losses: inout [Double]
    ) {
        let vocabulary = arithmetic.configuration.vocabularySize
        let hidden = floats(width, positions.count, &part.workspace.contextGradient)
        for (place, position) in positions.enumerated() {
            hidden.row(place).update(from: memory.decoded.row(position.row), count: width)
        }
        let logits = floats(vocabulary, positions.count, &part.workspace.logits)
        arithmetic.logits(hidden, positions.count, into: logits, part)
        let parts = part.team.map(positions.count) { place -> Double in
            let position = positions[place]
            let total = pp_f32_log_sum_exp(logits.row(place), vocabulary)
            let loss = total - Double(logits.row(place)[Int(position.target)])
            withUnsafePointer(to: arithmetic.cpu) { cpu in
                pp_f32_likelihood_gradient(
                    cpu, logits.row(place), vocabulary, Float(total), position.weight, Int(position.target))
            }
            return loss
        }
        for (position, loss) in zip(positions, parts) { losses[batch.items[position.item].sequence] += loss }
        let hiddenGradient = floats(width, positions.count, &part.workspace.normGradient)
        arithmetic.headGradient(logits, hidden, positions.count, into: hiddenGradient, part)
        for (place, position) in positions.enumerated() {
            gradient.row(position.row).update(from: hiddenGradient.row(place), count: width)
        }
    }
}
