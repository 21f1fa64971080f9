/// A block of memory, aligned to a cache line, owned by one object.
///
/// `@unchecked Sendable`: the memory is freed once, in `deinit`; writers are the one engine that owns the
/// buffer, and the worker pool's joins order its accesses.
package final class AlignedBuffer: @unchecked Sendable {
    package let byteCount: Int
    package let pointer: UnsafeMutableRawPointer

    /// Uninitialized memory for `count` elements of a type.
    package init<Element>(_ count: Int, of type: Element.Type) {
        byteCount = count * MemoryLayout<Element>.stride
        pointer = .allocate(byteCount: max(byteCount, 64), alignment: 64)
    }

    deinit { pointer.deallocate() }

    /// The memory as float32.
    package var floats: UnsafeMutablePointer<Float> { elements() }

    /// The memory as elements of a trivial type.
    package func elements<Element: BitwiseCopyable>(_ type: Element.Type = Element.self)
        -> UnsafeMutablePointer<Element>
    {
        pointer.assumingMemoryBound(to: type)
    }
}

/// Scratch memory that grows to the largest size asked for and is reused from then on.
package struct Scratch {
    private var buffer = AlignedBuffer(0, of: UInt8.self)

    package init() {}

    /// Memory for at least `count` elements; its contents are undefined.
    package mutating func reserve<Element: BitwiseCopyable>(
        _ count: Int, of type: Element.Type = Element.self
    ) -> UnsafeMutablePointer<Element> {
        let bytes = count * MemoryLayout<Element>.stride
        if buffer.byteCount < bytes { buffer = AlignedBuffer(bytes + bytes / 4, of: UInt8.self) }
        return buffer.elements()
    }
}
