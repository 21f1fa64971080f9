import CKernels
import T5
import Tensors

/// One pass of a batch forward through the core and back, in one arithmetic.
///
/// From forward to backward it keeps the residual stream before each sub-layer, and the layers' first products as
/// long as they fit in a bounded memory; beyond that they are computed again, and the attention's probabilities
/// always are.
final class ReversePass<A: Arithmetic> {
    typealias Element = A.Element

    let arithmetic: A
    let batch: TrainingBatch
    let dropout: Dropout?
    let memory: PassMemory<Element>
    private let storage: PassStorage

    let width: Int
    let inner: Int
    /// Rows of encoder and decoder.
    let encoderRows: Int
    let decoderRows: Int

    /// - Parameter batch: With at least one item.
    init(_ arithmetic: A, _ batch: TrainingBatch, dropout: Dropout?, _ storage: PassStorage, keptBytes: Int) {
        self.arithmetic = arithmetic
        self.batch = batch
        self.dropout = dropout
        self.storage = storage
        width = arithmetic.configuration.modelWidth
        inner = arithmetic.configuration.innerWidth
        encoderRows = batch.encoderRows[batch.items.count]
        decoderRows = batch.decoderRows[batch.paths.count]
        memory = PassMemory(arithmetic, storage, batch, keptBytes: keptBytes)
    }

    /// Adds the losses to those of the caller's sequences, and the gradients to those of the prompts.
    func run(prompts: [[Float]], losses: inout [Double], gradients: inout [[Float]]) {
        arithmetic.encoderBias.prepare(batch.longest.encoder)
        arithmetic.decoderBias.prepare(batch.longest.decoder)
        fillEncoderInput(prompts)
        fillDecoderInput()
        let groups = arithmetic.groups(batch.encoderRows)
        forEachGroup(groups) { encode($0) }
        storage.workspaces.lend { workspace in
            let part = decoderPart(workspace)
            decode(part)
            let gradient = differentiateLoss(part, &losses)
            differentiateDecoder(part, gradient)
        }
        forEachGroup(groups) { differentiateEncoder($0) }
        collectPromptGradients(&gradients)
        guard arithmetic.tracksWeights else { return }
        collectEmbeddingGradients()
        arithmetic.encoderBias.finish()
        arithmetic.decoderBias.finish()
    }

    // MARK: Parts

    /// With a group or more for each thread, a thread takes its rows through all layers without waiting for any
    /// other; with fewer, all threads share each step.
    private func forEachGroup(_ groups: [Range<Int>], _ body: (Part) -> Void) {
        let pool = arithmetic.pool
        func part(_ group: Range<Int>, _ team: Team, _ workspace: PassWorkspace) -> Part {
            let first = batch.encoderRows[group.lowerBound]
            let spans = group.map { item in
                let rows = batch.encoderRows[item] - first..<batch.encoderRows[item + 1] - first
                return AttentionSpan(queries: rows, keys: rows)
            }
            return Part(
                first: first, count: batch.encoderRows[group.upperBound] - first, items: group, spans: spans,
                team: team, workspace: workspace)
        }
        if groups.count > 1, groups.count >= pool.threadCount {
            pool.parallel(groups.count) { index in
                storage.workspaces.lend { body(part(groups[index], Team(pool: nil), $0)) }
            }
        } else {
            for group in groups { storage.workspaces.lend { body(part(group, Team(pool: pool), $0)) } }
        }
    }

    private func decoderPart(_ workspace: PassWorkspace) -> Part {
        let spans = batch.paths.indices.map { path in
            let rows = batch.decoderRows[path]..<batch.decoderRows[path + 1]
            return AttentionSpan(queries: rows, keys: rows)
        }
        return Part(
            first: 0, count: decoderRows, items: batch.items.indices, spans: spans,
            team: Team(pool: arithmetic.pool), workspace: workspace)
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
                arithmetic.embed(id, into: x.row(first + item.promptRows + place))
            }
        }
    }

    private func fillDecoderInput() {
        for (path, first) in zip(batch.paths, batch.decoderRows) {
            for (place, id) in path.tokens.enumerated() {
                arithmetic.embed(id, into: memory.decoderStream[0].row(first + place))
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
                arithmetic.addEmbeddingGradient(id, memory.encoderGradient.row(firstID + place))
            }
        }
        for (path, first) in zip(batch.paths, batch.decoderRows) {
            for (place, id) in path.tokens.enumerated() {
                arithmetic.addEmbeddingGradient(id, memory.decoderGradient.row(first + place))
            }
        }
    }
}
