import Basics
import CKernels
import T5
import Tensors

/// Memory that the measured kernels share, filled once: numbers of both signs that are about 1 as bfloat16, and
/// from -65 to 127 as int8.
struct KernelBuffers {
    /// Weights of any of the products, many times over.
    let weights: AlignedBuffer
    /// Rows of activations.
    let activations: AlignedBuffer
    /// Room for any product.
    let outputs: AlignedBuffer
    /// Ones, for rows and for columns.
    let scales: AlignedBuffer
    /// Zeros, for columns.
    let sums: AlignedBuffer
    /// Most threads that a kernel runs on.
    let threads: Int

    /// - Parameters:
    ///   - products: All that are measured.
    ///   - rows: Most rows.
    ///   - width: Most columns of activations.
    ///   - weightBytes: Weights to go through; more where one product has more.
    init(products: [Product], rows: Int, width: Int, threads: Int, weightBytes: Int) {
        self.threads = threads
        let largest = products.map { $0.weightBytes(.bfloat16) }.max() ?? 0
        weights = Self.filled(max(weightBytes, largest))
        activations = Self.filled(rows * Int(pp_row_stride(2 * width)))
        let stored = products.filter { $0.epilogue != PP_ARGMAX }.map(\.n).max() ?? 0
        outputs = AlignedBuffer(rows * Int(pp_row_stride(4 * max(stored, width))), of: UInt8.self)
        outputs.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: outputs.byteCount)
        let columns = products.map { $0.panels * Int(PP_PANEL) }.max() ?? 0
        scales = AlignedBuffer(max(columns, rows), of: Float.self)
        scales.elements(Float.self).initialize(repeating: 1, count: max(columns, rows))
        sums = AlignedBuffer(columns, of: Int32.self)
        sums.elements(Int32.self).initialize(repeating: 0, count: columns)
    }

    private static func filled(_ byteCount: Int) -> AlignedBuffer {
        let count = (byteCount + 1) / 2
        let buffer = AlignedBuffer(count, of: UInt16.self)
        let elements: UnsafeMutablePointer<UInt16> = buffer.elements()
        var state: UInt32 = 1
        for index in 0..<count {
            state = state &* 1_664_525 &+ 1_013_904_223
            elements[index] = UInt16(truncatingIfNeeded: state >> 16) & 0x807F | 0x3F00
        }
        return buffer
    }
}
