import Basics
import Tensors

/// A tensor of a core that is tuned: its values, and the gradient that passes add to.
///
/// Both are read and changed in place. One thread at a time uses a tensor, but for `update(_:_:)` of ranges that do not
/// overlap.
public final class TrainableTensor {
    /// The tensor's name in the checkpoint.
    public let name: String
    /// Extents, outermost first.
    public let shape: [Int]
    /// Number of elements.
    public let count: Int

    let memory: AlignedBuffer
    let gradientMemory: AlignedBuffer

    /// A copy of a stored tensor, with a gradient of 0.
    init(_ stored: StoredTensor) {
        name = stored.name
        shape = stored.shape
        count = stored.count
        memory = AlignedBuffer(stored.count, of: Float.self)
        gradientMemory = AlignedBuffer(stored.count, of: Float.self)
        stored.elementType.widen(stored.bytes, into: memory.floats)
        gradientMemory.floats.update(repeating: 0, count: stored.count)
    }

    /// The values as they are at any time, in place.
    func stored(path: String) -> StoredTensor {
        StoredTensor(
            name: name, elementType: .float32, shape: shape, path: path,
            bytes: UnsafeRawBufferPointer(start: memory.floats, count: count * 4), owner: memory)
    }

    /// A copy of the values, row-major; setting them needs as many.
    public var values: [Float] {
        get { Array(UnsafeBufferPointer(start: memory.floats, count: count)) }
        set { copy(newValue, to: memory) }
    }

    /// A copy of the gradient; setting it needs as many values.
    public var gradient: [Float] {
        get { Array(UnsafeBufferPointer(start: gradientMemory.floats, count: count)) }
        set { copy(newValue, to: gradientMemory) }
    }

    private func copy(_ values: [Float], to memory: AlignedBuffer) {
        precondition(values.count == count, "a tensor keeps its number of elements")
        values.withUnsafeBufferPointer { values in
            if let start = values.baseAddress { memory.floats.update(from: start, count: values.count) }
        }
    }

    /// Changes a range of the values and of the gradient in place: an optimizer's step. Ranges that do not overlap may
    /// be updated at once.
    public func update(
        _ range: Range<Int>,
        _ body: (_ values: inout MutableSpan<Float>, _ gradient: inout MutableSpan<Float>) -> Void
    ) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "a range within the tensor")
        let values = UnsafeMutableBufferPointer(start: memory.floats + range.lowerBound, count: range.count)
        let gradient = UnsafeMutableBufferPointer(
            start: gradientMemory.floats + range.lowerBound, count: range.count)
        var valueSpan = values.mutableSpan
        var gradientSpan = gradient.mutableSpan
        body(&valueSpan, &gradientSpan)
    }
}
