import Basics
import T5
import Tensors

/// One pass of a batch forward through the core and back, in one number format.
///
/// From forward to backward it keeps the residual stream before each sub-layer, and the layers' first products as
/// long as they fit in a bounded memory; beyond that they are computed again, and the attention's probabilities
/// always are.
final class ReversePass<Backward: BackwardOperations> {
    typealias Element = Backward.Forward.Element

    let forward: Backward.Forward
    let backward: Backward
    let batch: TrainingBatch
    let memory: PassMemory<Element>
    let trace: PassTrace<Backward>
    private let cross: CrossAttentionSpans

    let width: Int
    /// Rows of the encoder.
    let encoderRows: Int

    /// - Parameter batch: With at least one item.
    init(
        _ backward: Backward, _ batch: TrainingBatch, dropout: Dropout?, _ storage: PassStorage,
        keptBytes: Int
    ) {
        forward = backward.forward
        self.backward = backward
        self.batch = batch
        width = forward.configuration.modelWidth
        encoderRows = batch.encoderRows[batch.items.count]
        cross = CrossAttentionSpans(batch, forward)
        memory = PassMemory(
            backward, storage, batch, keepsKeysValues: !cross.projected.isEmpty, keptBytes: keptBytes)
        trace = PassTrace(backward, memory, dropout: dropout)
    }

    /// Adds the losses to those of the caller's sequences, and the gradients to those of the prompts.
    func run(prompts: [[Float]], losses: inout [Double], gradients: inout [[Float]]) {
        backward.beginWeightGradients(longest: batch.longest)
        fillEncoderInput(prompts)
        fillDecoderInput()
        forward.encode(memory.encoderStream[0], lengths: batch.encoderRows, trace)
        forward.decoderBias.cover(batch.longest.decoder)
        let answers = AnswerMemory(backward, memory, cross, encoderRows: encoderRows)
        forward.workspaces.lend { workspace in
            let part = Part(
                0..<batch.paths.count, of: batch.decoderRows, team: Team(pool: forward.pool),
                workspace: workspace)
            forward.decode(memory.decoderStream[0], answers, part, trace)
            let gradient = differentiateLoss(part, &losses)
            differentiateDecoder(part, answers, gradient)
        }
        forward.forEachPart(of: batch.encoderRows) { differentiateEncoder($0) }
        collectPromptGradients(&gradients)
        guard backward.tracksWeights else { return }
        collectEmbeddingGradients()
        backward.finishWeightGradients()
    }

    /// Rows of float32 in scratch memory.
    func floats(_ width: Int, _ count: Int, _ scratch: inout Scratch) -> Rows<Float> {
        Rows(start: scratch.reserve(count * width), stride: width)
    }

    // MARK: Input

    private func fillEncoderInput(_ prompts: [[Float]]) {
        let x = memory.encoderStream[0]
        for (index, item) in batch.items.enumerated() {
            let first = batch.encoderRows[index]
            if let prompt = item.prompt {
                prompts[prompt].withUnsafeBufferPointer { values in
                    if let start = values.baseAddress {
                        x.row(first).update(from: start, count: values.count)
                    }
                }
            }
            for (place, id) in item.inputIDs.enumerated() {
                forward.embedding.widenRow(Int(id), into: x.row(first + item.promptRows + place))
            }
        }
    }

    private func fillDecoderInput() {
        for (path, first) in zip(batch.paths, batch.decoderRows) {
            for (place, id) in path.tokens.enumerated() {
                forward.embedding.widenRow(Int(id), into: memory.decoderStream[0].row(first + place))
            }
        }
    }

    /// Each prompt's gradient is summed over its sequences in their order.
    private func collectPromptGradients(_ gradients: inout [[Float]]) {
        for (item, first) in zip(batch.items, batch.encoderRows) {
            guard let prompt = item.prompt else { continue }
            let rows = memory.encoderGradient.row(first)
            gradients[prompt].withUnsafeMutableBufferPointer { sum in
                for place in 0..<sum.count { sum[place] += rows[place] }
            }
        }
    }

    private func collectEmbeddingGradients() {
        for (index, item) in batch.items.enumerated() {
            let firstID = batch.encoderRows[index] + item.promptRows
            for (place, id) in item.inputIDs.enumerated() {
                backward.addEmbeddingGradient(id, memory.encoderGradient.row(firstID + place))
            }
        }
        for (path, first) in zip(batch.paths, batch.decoderRows) {
            for (place, id) in path.tokens.enumerated() {
                backward.addEmbeddingGradient(id, memory.decoderGradient.row(first + place))
            }
        }
    }
}
