import T5
import Tensors

/// What the decoder's rows attend to while training: the rows before them of the same answer, and their sequence's
/// encoder rows.
struct AnswerMemory<Backward: BackwardOperations>: DecoderMemory {
    typealias Element = Backward.Forward.Element

    private let forward: Backward.Forward
    private let backward: Backward
    private let memory: PassMemory<Element>
    private let encoderRows: Int
    /// Sequences whose keys and values are made: decoder rows as queries, encoder rows as keys.
    private let projected: [AttentionSpan]
    /// Sequences that attend to the encoder's output itself.
    private let absorbed: [AttentionSpan]
    private let absorbedSpans: [AbsorbedSpan]

    /// - Parameter memory: With the encoder's output.
    init(
        _ backward: Backward, _ memory: PassMemory<Element>, _ cross: CrossAttentionSpans, encoderRows: Int
    ) {
        let forward = backward.forward
        self.forward = forward
        self.backward = backward
        self.memory = memory
        self.encoderRows = encoderRows
        projected = cross.projected
        absorbed = cross.absorbed
        absorbedSpans = forward.pool.map(absorbed) { span in
            AbsorbedSpan(
                queries: span.queries, keys: span.keys.count,
                encoderOutput: forward.packEncoderOutput(
                    memory.encodedElements.from(span.keys.lowerBound), keys: span.keys.count))
        }
    }

    func attend(
        layer: Int, qkv: Rows<Element>, dropout: DropoutSite?, into context: Rows<Element>, _ part: Part
    ) {
        let inner = forward.inner
        forward.attend(
            part.spans, q: qkv, k: qkv.column(inner), v: qkv.column(2 * inner), bias: forward.decoderBias,
            dropout: dropout, into: context, part)
    }

    func attendToEncoder(
        layer: Int, q: Rows<Element>, dropout: DropoutSite?, into context: Rows<Element>, _ part: Part
    ) {
        if !projected.isEmpty {
            let keysValues = project(layer, into: memory.keysValues[layer], part)
            forward.attend(
                projected, q: q, k: keysValues, v: keysValues.column(forward.inner), bias: nil,
                dropout: dropout, into: context, part)
        }
        forward.attendAbsorbed(
            absorbedSpans, q: q, matrix(layer), dropout: dropout, into: context, part)
    }

    /// The gradient of a layer's attention to the encoder at the queries, and added to that at the encoder's output.
    func gradient(
        layer: Int, q: Rows<Element>, dropout: DropoutSite?, _ contextGradient: Rows<Element>,
        q dq: Rows<Element>, _ part: Part
    ) {
        if !projected.isEmpty { projectedGradient(layer, q: q, dropout, contextGradient, q: dq, part) }
        if !absorbed.isEmpty {
            backward.absorbedAttentionGradient(
                absorbed, q: q, encoded: memory.encodedElements, matrix(layer), dropout: dropout,
                contextGradient, q: dq, encoded: memory.encodedGradient, part)
        }
    }

    private func matrix(_ layer: Int) -> Backward.Forward.Matrix {
        forward.weights.decoder[layer].crossAttention.kv
    }

    /// Keys and values of all encoder rows.
    private func project(_ layer: Int, into kept: Rows<Element>?, _ part: Part) -> Rows<Element> {
        let rows =
            kept ?? forward.scratch(2 * forward.inner, encoderRows, &part.workspace.keysValues)
        forward.multiply(memory.encodedElements, encoderRows, matrix(layer), into: rows, part)
        return rows
    }

    private func projectedGradient(
        _ layer: Int, q: Rows<Element>, _ dropout: DropoutSite?, _ contextGradient: Rows<Element>,
        q dq: Rows<Element>, _ part: Part
    ) {
        let inner = forward.inner
        let keysValues = memory.keysValues[layer] ?? project(layer, into: nil, part)
        let gradient = forward.scratch(2 * inner, encoderRows, &part.workspace.keysValuesGradient)
        // Rows of sequences that are not among these have none.
        if projected.reduce(0, { $0 + $1.keys.count }) < encoderRows {
            UnsafeMutableRawPointer(gradient.start).initializeMemory(
                as: UInt8.self, repeating: 0,
                count: encoderRows * gradient.stride * MemoryLayout<Element>.stride)
        }
        backward.attentionGradient(
            projected, q: q, k: keysValues, v: keysValues.column(inner), bias: nil, dropout: dropout,
            contextGradient, q: dq, k: gradient, v: gradient.column(inner), part)
        backward.multiplyBack(
            gradient, encoderRows, matrix(layer), into: memory.encodedGradient, adding: true, part)
        backward.addWeightGradient(
            matrix(layer), gradient, memory.encodedElements, encoderRows, part)
    }
}

/// A batch's sequences by what their cross-attention reads.
struct CrossAttentionSpans {
    private(set) var projected: [AttentionSpan] = []
    private(set) var absorbed: [AttentionSpan] = []

    init(_ batch: TrainingBatch, _ operations: some LayerOperations) {
        for span in batch.crossSpans {
            if operations.absorbsKeysValues(keys: span.keys.count, decoderRows: span.queries.count) {
                absorbed.append(span)
            } else {
                projected.append(span)
            }
        }
    }
}
