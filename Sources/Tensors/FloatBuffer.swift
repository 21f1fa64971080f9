/// A block of float32 memory, aligned to a cache line, owned by one object.
///
/// `@unchecked Sendable`: the memory is freed once, in `deinit`; writers are the one engine that owns the
/// buffer, and the worker pool's joins order its accesses.
package final class FloatBuffer: @unchecked Sendable {
    package let count: Int
    package let pointer: UnsafeMutablePointer<Float>

    /// Uninitialised memory for `count` elements.
    package init(count: Int) {
        self.count = count
        pointer = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1) * 4, alignment: 64)
            .bindMemory(to: Float.self, capacity: max(count, 1))
    }

    deinit { UnsafeMutableRawPointer(pointer).deallocate() }
}
