import Basics
import CKernels

extension ElementType {
    /// Widens stored elements to float32. `destination` holds `source.count / size` elements; `source` may
    /// have any alignment.
    package func widen(_ source: UnsafeRawBufferPointer, into destination: UnsafeMutablePointer<Float>) {
        let count = source.count / size
        guard count > 0, let start = source.baseAddress else { return }
        switch self {
        case .float32: UnsafeMutableRawPointer(destination).copyMemory(from: start, byteCount: count * 4)
        case .float16, .bfloat16:
            // The C kernels read aligned halves; a tensor at an odd offset is copied through a small block.
            withUnsafeTemporaryAllocation(of: UInt16.self, capacity: 4096) { block in
                guard let blockStart = block.baseAddress else { return }
                var done = 0
                while done < count {
                    let width = min(4096, count - done)
                    UnsafeMutableRawPointer(blockStart).copyMemory(
                        from: start + done * 2, byteCount: width * 2)
                    if self == .float16 {
                        pp_f16_to_f32(blockStart, destination + done, width)
                    } else {
                        for index in 0..<width {
                            destination[done + index] = Float(bfloat16: blockStart[index])
                        }
                    }
                    done += width
                }
            }
        }
    }
}
