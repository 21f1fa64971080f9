import Basics
import Tensors

/// A core's layers for one session, whatever the number format: rows come and go as float32 `[rows, d_model]`.
protocol T5Layers: AnyObject {
    /// Bytes of an element of the decoder's keys and values.
    var cacheElementSize: Int { get }

    /// The encoder over stacked sequences, its final norm included, in place.
    ///
    /// - Parameter lengths: Where each sequence begins, and the number of rows as the last.
    func encode(_ x: UnsafeMutablePointer<Float>, lengths: [Int])

    /// What the decoder's cross-attention reads of each sequence, and each layer's keys and values of those sequences
    /// that have them, one after another.
    ///
    /// - Parameters:
    ///   - x: The encoder's output.
    ///   - decoderRows: The most decoder rows that will attend to a sequence, where that is known.
    func crossAttentionMemory(
        _ x: UnsafeMutablePointer<Float>, lengths: [Int], decoderRows: [Int?]
    ) -> (memories: [CrossAttentionMemory], keysValues: [AlignedBuffer])

    /// The decoder over new tokens, its final norm and the head's scale included, in place.
    func decode(_ x: UnsafeMutablePointer<Float>, _ rows: [DecoderRow])

    /// The logits `[rows, vocab_size]` of decoder output rows.
    func logits(
        _ hidden: UnsafeMutablePointer<Float>, rows: Int, into logits: UnsafeMutablePointer<Float>)

    /// The likeliest id of each decoder output row; the lowest of equally likely ones, and none where its logit is not
    /// finite.
    func argmax(_ hidden: UnsafeMutablePointer<Float>, rows: Int) -> [Int32?]

    /// The logits of some ids for one decoder output row.
    func logits(_ hidden: UnsafePointer<Float>, of ids: [Int32]) -> [Float]
}

/// A token of a decoder pass.
struct DecoderRow {
    let sequence: DecoderSequence
    /// Where its keys and values go in the sequence's caches.
    let slot: Int
    let position: Int
    /// The cache slots it attends to in order of position; `nil` for `0 ... slot`.
    let path: [Int32]?
}

/// The layers over one format's operations.
final class SessionLayers<Operations: LayerOperations>: T5Layers {
    private typealias Element = Operations.Element

    private let operations: Operations
    private var projectedRows = Scratch()

    init(_ operations: Operations) { self.operations = operations }

    var cacheElementSize: Int { MemoryLayout<Element>.size }

    private func rows(_ x: UnsafeMutablePointer<Float>) -> Rows<Float> {
        Rows(start: x, stride: operations.configuration.modelWidth)
    }

    func encode(_ x: UnsafeMutablePointer<Float>, lengths: [Int]) {
        operations.encode(rows(x), lengths: lengths)
    }

    func crossAttentionMemory(
        _ x: UnsafeMutablePointer<Float>, lengths: [Int], decoderRows: [Int?]
    ) -> (memories: [CrossAttentionMemory], keysValues: [AlignedBuffer]) {
        let packed = operations.pool.map(Array(decoderRows.indices)) { sequence -> AlignedBuffer? in
            let keys = lengths[sequence + 1] - lengths[sequence]
            guard let decoderRows = decoderRows[sequence],
                operations.absorbsKeysValues(keys: keys, decoderRows: decoderRows)
            else { return nil }
            return operations.workspaces.lend { workspace in
                let part = Part(
                    sequence..<sequence + 1, of: lengths, team: Team(pool: nil), workspace: workspace)
                return operations.packEncoderOutput(
                    operations.elements(rows(x).from(part.first), keys, part), keys: keys)
            }
        }
        var projected: [Range<Int>] = []
        var projectedLengths = [0]
        let memories = packed.enumerated().map { sequence, packed -> CrossAttentionMemory in
            if let packed { return .encoderOutput(packed) }
            let first = projectedLengths[projectedLengths.count - 1]
            projected.append(lengths[sequence]..<lengths[sequence + 1])
            projectedLengths.append(first + lengths[sequence + 1] - lengths[sequence])
            return .keysValues(first: first)
        }
        return (memories, keysValues(sideBySide(rows(x), projected), lengths: projectedLengths))
    }

    /// Some rows one after another; where they lie when they begin with the first and leave none out.
    private func sideBySide(_ x: Rows<Float>, _ ranges: [Range<Int>]) -> Rows<Float> {
        let merged = ranges.merged()
        guard merged.count > 1 || merged.first.map({ $0.lowerBound > 0 }) ?? false else { return x }
        let d = operations.configuration.modelWidth
        let copy: UnsafeMutablePointer<Float> = projectedRows.reserve(merged.reduce(0) { $0 + $1.count } * d)
        var next = copy
        for range in merged {
            next.update(from: x.row(range.lowerBound), count: range.count * d)
            next += range.count * d
        }
        return rows(copy)
    }

    /// Each decoder layer's keys and values `[rows, 2 × inner]` of encoder rows, keys first.
    private func keysValues(_ x: Rows<Float>, lengths: [Int]) -> [AlignedBuffer] {
        let width = 2 * operations.inner
        let count = lengths[lengths.count - 1]
        let buffers = operations.weights.decoder.map { _ in AlignedBuffer(count * width, of: Element.self) }
        guard count > 0 else { return buffers }
        operations.forEachPart(of: lengths) { part in
            let encoded = operations.elements(x.from(part.first), part.count, part)
            for (layer, buffer) in zip(operations.weights.decoder, buffers) {
                operations.multiply(
                    encoded, part.count, layer.crossAttention.kv,
                    into: Rows(start: buffer.elements(Element.self), stride: width).from(part.first), part)
            }
        }
        return buffers
    }

    func decode(_ x: UnsafeMutablePointer<Float>, _ decoderRows: [DecoderRow]) {
        let memory = CachedMemory(operations, decoderRows)
        withPart(rows: decoderRows.count) { operations.decode(rows(x), memory, $0) }
    }

    func logits(
        _ hidden: UnsafeMutablePointer<Float>, rows count: Int, into logits: UnsafeMutablePointer<Float>
    ) {
        let out = Rows(start: logits, stride: operations.configuration.vocabularySize)
        withPart(rows: count) { operations.logits(rows(hidden), count, into: out, $0) }
    }

    func argmax(_ hidden: UnsafeMutablePointer<Float>, rows count: Int) -> [Int32?] {
        withPart(rows: count) { operations.likeliest(rows(hidden), count, $0) }
    }

    func logits(_ hidden: UnsafePointer<Float>, of ids: [Int32]) -> [Float] {
        operations.logits(hidden, of: ids)
    }

    /// Decoder rows, which all threads share each step of.
    private func withPart<Result>(rows: Int, _ body: (Part) -> Result) -> Result {
        operations.workspaces.lend { workspace in
            body(
                Part(
                    first: 0, count: rows, sequences: 0..<0, spans: [], team: Team(pool: operations.pool),
                    workspace: workspace))
        }
    }
}

/// What decoder rows attend to while serving: what their sequences have read before, in caches, and their encoder rows.
private struct CachedMemory<Operations: LayerOperations>: DecoderMemory {
    typealias Element = Operations.Element

    private let operations: Operations
    private let rows: [DecoderRow]
    /// The most keys of any row.
    private let longest: Int
    /// Rows that attend to keys and values of their encoder rows, and where those begin.
    private var projected: [(number: Int, first: Int)] = []
    /// Rows that attend to the encoder's output itself.
    private var absorbed: [AbsorbedSpan] = []

    init(_ operations: Operations, _ rows: [DecoderRow]) {
        self.operations = operations
        self.rows = rows
        var longest = 0
        for (number, row) in rows.enumerated() {
            let keys = row.sequence.encoderRows.count
            longest = max(longest, row.position + 1, keys)
            switch row.sequence.crossMemory {
            case .keysValues(let first): projected.append((number, first))
            case .encoderOutput(let output):
                if let last = absorbed.last, last.encoderOutput === output, last.queries.upperBound == number
                {
                    absorbed[absorbed.count - 1].queries = last.queries.lowerBound..<number + 1
                } else {
                    absorbed.append(
                        AbsorbedSpan(queries: number..<number + 1, keys: keys, encoderOutput: output))
                }
            }
        }
        self.longest = longest
        operations.decoderBias.cover(longest)
    }

    func attend(
        layer: Int, qkv: Rows<Element>, dropout: DropoutSite?, into context: Rows<Element>, _ part: Part
    ) {
        let width = 2 * operations.inner
        let cached = rows.enumerated().map { number, row in
            let cache: UnsafeMutablePointer<Element> = row.sequence.cache[layer].elements()
            (cache + row.slot * width).update(from: qkv.row(number) + operations.inner, count: width)
            return CachedRow(
                number: number, keysValues: UnsafePointer(cache), keys: row.position + 1, path: row.path,
                position: row.position)
        }
        operations.attend(
            cached, q: qkv, bias: operations.decoderBias, longest: longest, into: context, part)
    }

    func attendToEncoder(
        layer: Int, q: Rows<Element>, dropout: DropoutSite?, into context: Rows<Element>, _ part: Part
    ) {
        let width = 2 * operations.inner
        let cached = projected.map { number, first in
            let sequence = rows[number].sequence
            let start: UnsafeMutablePointer<Element> = sequence.encoded.crossKeysValues[layer].elements()
            return CachedRow(
                number: number, keysValues: UnsafePointer(start + first * width),
                keys: sequence.encoderRows.count, path: nil, position: 0)
        }
        operations.attend(cached, q: q, bias: nil, longest: longest, into: context, part)
        operations.attendAbsorbed(
            absorbed, q: q, operations.weights.decoder[layer].crossAttention.kv, dropout: nil, into: context,
            part)
    }
}
