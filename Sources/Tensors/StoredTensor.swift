import Basics

/// A floating-point tensor as it is stored: in a mapped file, or made up in memory.
public struct StoredTensor: Sendable {
    /// The tensor's name in its file.
    public let name: String
    /// How its elements are stored.
    public let elementType: ElementType
    /// Extents, outermost first.
    public let shape: [Int]
    /// Where it is stored, for messages.
    public let path: String
    /// The stored elements, at any alignment.
    ///
    /// Safe to share: nobody writes to them, and `owner` keeps the memory alive.
    package nonisolated(unsafe) let bytes: UnsafeRawBufferPointer
    private let owner: any AnyObject & Sendable

    package init(
        name: String, elementType: ElementType, shape: [Int], path: String,
        bytes: UnsafeRawBufferPointer,
        owner: any AnyObject & Sendable
    ) {
        self.name = name
        self.elementType = elementType
        self.shape = shape
        self.path = path
        self.bytes = bytes
        self.owner = owner
    }

    /// Drops a part of the stored bytes from this process's memory where they are a file's; reading brings them back.
    package func release(_ part: Range<Int>) {
        (owner as? MappedFile)?.release(UnsafeRawBufferPointer(rebasing: bytes[part]))
    }

    /// Number of elements.
    public var count: Int { bytes.count / elementType.size }

    /// Whether the elements can be read in place by code that needs them aligned.
    package var isAligned: Bool { Int(bitPattern: bytes.baseAddress) % elementType.size == 0 }

    /// The elements as float32: in place when they are stored so and aligned, else widened into new memory.
    package func floats() -> FloatTensor {
        if elementType == .float32, isAligned, let start = bytes.baseAddress {
            return FloatTensor(shape: shape, pointer: start.assumingMemoryBound(to: Float.self), owner: owner)
        }
        let buffer = AlignedBuffer(count, of: Float.self)
        elementType.widen(bytes, into: buffer.floats)
        return FloatTensor(shape: shape, pointer: UnsafePointer(buffer.floats), owner: buffer)
    }

    /// Widens one row of a matrix.
    package func widenRow(_ row: Int, into destination: UnsafeMutablePointer<Float>) {
        let size = shape[1] * elementType.size
        elementType.widen(
            UnsafeRawBufferPointer(rebasing: bytes[row * size..<(row + 1) * size]), into: destination)
    }

    /// The elements as float32, in an array.
    public func values() -> [Float] { values(0..<count) }

    /// Some of the elements as float32, in an array.
    func values(_ range: Range<Int>) -> [Float] {
        let size = elementType.size
        let part = UnsafeRawBufferPointer(
            rebasing: bytes[range.lowerBound * size..<range.upperBound * size])
        return [Float](unsafeUninitializedCapacity: range.count) { storage, initialized in
            if let start = storage.baseAddress { elementType.widen(part, into: start) }
            initialized = range.count
        }
    }
}

/// A read-only float32 tensor, mapped or in memory of its own.
package struct FloatTensor: Sendable {
    package let shape: [Int]
    /// Safe to share: nobody writes to it, and `owner` keeps the memory alive.
    package nonisolated(unsafe) let pointer: UnsafePointer<Float>
    private let owner: any AnyObject & Sendable

    package init(shape: [Int], pointer: UnsafePointer<Float>, owner: any AnyObject & Sendable) {
        self.shape = shape
        self.pointer = pointer
        self.owner = owner
    }

    package var count: Int { shape.reduce(1, *) }
}
