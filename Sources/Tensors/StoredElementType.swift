import CKernels

/// The element types of stored floating-point tensors.
public enum StoredElementType: String, Sendable, CaseIterable {
    /// IEEE 754 binary32.
    case float32
    /// IEEE 754 binary16.
    case float16
    /// The upper half of a binary32.
    case bfloat16

    /// Bytes an element takes.
    public var size: Int { self == .float32 ? 4 : 2 }

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
                            destination[done + index] = Float(bitPattern: UInt32(blockStart[index]) << 16)
                        }
                    }
                    done += width
                }
            }
        }
    }
}

extension UInt16 {
    /// The bits of the bfloat16 nearest to a finite number, of two equally near ones the even one.
    package init(bfloat16 value: Float) {
        let bits = value.bitPattern
        self = UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
    }
}
