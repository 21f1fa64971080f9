import Basics
import CKernels
import T5
import Tensors

/// Memory that passes reuse for what one keeps from forward to backward.
final class PassStorage {
    private var buffers: [Scratch] = []
    private var taken = 0

    /// Makes all buffers free for the next pass.
    func reset() { taken = 0 }

    /// A buffer of its own until the next pass.
    func take<Element: BitwiseCopyable>(_ count: Int, stride: Int) -> Rows<Element> {
        if taken == buffers.count { buffers.append(Scratch()) }
        defer { taken += 1 }
        return Rows(start: buffers[taken].reserve(count * stride), stride: stride)
    }
}

/// What is kept of a feed-forward layer's wide rows from forward to backward: they themselves, a bit for each of their
/// elements, or nothing.
struct KeptWide<Element: BitwiseCopyable> {
    let rows: Rows<Element>?
    let signs: Rows<UInt32>?
}

/// What a pass keeps from forward to backward, and the gradients of its residual streams.
struct PassMemory<Element: BitwiseCopyable> {
    /// The residual stream before each sub-layer, and after the last.
    let encoderStream, decoderStream: [Rows<Float>]
    /// What the layers' first products leave; `nil` where it is computed again.
    let encoderProjected, keysValues: [Rows<Element>?]
    let decoderProjected, decoderQueries: [Rows<Element>]
    let encoderWide: [KeptWide<Element>]
    let decoderWide: [Rows<Element>]
    /// The encoder's output, in float32 and as elements.
    let encoded: Rows<Float>
    let encodedElements: Rows<Element>
    let decoded: Rows<Float>
    /// The gradients at the encoder's output and at the streams.
    let encodedGradient, encoderGradient, decoderGradient: Rows<Float>

    /// - Parameters:
    ///   - keepsKeysValues: Whether any sequence's cross-attention needs keys and values.
    ///   - keptBytes: The most bytes of first products that are kept; if they take more, none are.
    init<Backward: BackwardOperations>(
        _ backward: Backward, _ storage: PassStorage, _ batch: TrainingBatch,
        keepsKeysValues: Bool, keptBytes: Int
    ) where Backward.Forward.Element == Element {
        let forward = backward.forward
        let c = forward.configuration
        let encoderRows = batch.encoderRows[batch.items.count]
        let decoderRows = batch.decoderRows[batch.paths.count]
        let crossLayers = keepsKeysValues ? c.decoderLayers : 0
        let d = c.modelWidth
        let projectedStride = forward.stride(3 * c.innerWidth)
        let keysValuesStride = forward.stride(2 * c.innerWidth)
        let wideStride = forward.stride(forward.wideWidth)
        storage.reset()
        func stream(_ rows: Int) -> Rows<Float> { storage.take(rows, stride: d) }
        func elements(_ rows: Int, _ stride: Int) -> Rows<Element> { storage.take(rows, stride: stride) }
        encoderStream = (0...2 * c.encoderLayers).map { _ in stream(encoderRows) }
        decoderStream = (0...3 * c.decoderLayers).map { _ in stream(decoderRows) }
        encoded = stream(encoderRows)
        encodedElements = elements(encoderRows, forward.stride(d))
        decoded = stream(decoderRows)
        encodedGradient = stream(encoderRows)
        encoderGradient = stream(encoderRows)
        decoderGradient = stream(decoderRows)

        let size = MemoryLayout<Element>.stride
        let signWords = (forward.wideWidth + 31) / 32
        let wideBytes = backward.keepsSigns ? signWords * 4 : wideStride * size
        let rowBytes =
            c.encoderLayers * (projectedStride * size + wideBytes) + crossLayers * keysValuesStride * size
        let isKept = encoderRows <= keptBytes / max(rowBytes, 1)
        func kept(_ layers: Int, of count: Int, _ stride: Int) -> [Rows<Element>?] {
            (0..<count).map { $0 < layers && isKept ? elements(encoderRows, stride) : nil }
        }
        encoderProjected = kept(c.encoderLayers, of: c.encoderLayers, projectedStride)
        encoderWide = (0..<c.encoderLayers).map { _ in
            guard isKept else { return KeptWide(rows: nil, signs: nil) }
            return backward.keepsSigns
                ? KeptWide(rows: nil, signs: storage.take(encoderRows, stride: signWords))
                : KeptWide(rows: elements(encoderRows, wideStride), signs: nil)
        }
        keysValues = kept(crossLayers, of: c.decoderLayers, keysValuesStride)
        decoderProjected = (0..<c.decoderLayers).map { _ in elements(decoderRows, projectedStride) }
        decoderQueries = (0..<c.decoderLayers).map { _ in
            elements(decoderRows, forward.stride(c.innerWidth))
        }
        decoderWide = (0..<c.decoderLayers).map { _ in
            elements(decoderRows, wideStride)
        }
    }
}
