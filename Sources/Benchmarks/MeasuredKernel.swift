import Basics
import CKernels
import T5
import Tensors

/// One kernel in one shape.
struct MeasuredKernel {
    /// What it multiplies.
    enum Operand: String, CaseIterable {
        case bfloat16
        case int8

        var size: Int { self == .int8 ? 1 : 2 }
    }

    let name: String
    let type: Operand
    /// K.
    let depth: Int
    /// N.
    let columns: Int
    /// M: rows of activations, or of keys.
    let rows: Int
    /// Multiplications and additions of one call.
    let operations: Double
    /// Bytes of weights that one call reads; 0 when it has none.
    let weightBytes: Int
    /// One call on a pool's threads.
    let run: (WorkerPool) -> Void

    /// Rows that are measured: decoding steps, then encoder batches.
    private static let rowCounts = [1, 8, 32, 128, 512]
    /// More rows never go through the head.
    private static let mostHeadRows = 128
    /// Lengths that attention is measured at.
    private static let keyCounts = [64, 128, 256, 512]

    /// The products of a core of that shape, and its encoder's attention, on at most so many threads.
    ///
    /// - Parameter weightBytes: Memory to take weights from in turn.
    /// - Returns: The kernels, and the memory of the weights.
    static func all(
        _ configuration: T5Configuration, threads: Int, weightBytes: Int
    ) -> (kernels: [MeasuredKernel], weights: AlignedBuffer) {
        let products = Product.all(configuration)
        let buffers = KernelBuffers(
            products: products, rows: max(rowCounts.max() ?? 0, keyCounts.max() ?? 0),
            width: max(3 * configuration.innerWidth, products.map(\.k).max() ?? 0), threads: threads,
            weightBytes: weightBytes)
        var kernels: [MeasuredKernel] = []
        for type in Operand.allCases {
            for product in products {
                let limit = product.epilogue == PP_ARGMAX ? mostHeadRows : .max
                for rows in rowCounts where rows <= limit {
                    kernels.append(product.kernel(type, rows: rows, buffers: buffers))
                }
            }
        }
        kernels += keyCounts.map { attention(configuration, keys: $0, buffers: buffers) }
        return (kernels, buffers.weights)
    }

    /// Attention of one sequence, its heads spread over the threads.
    private static func attention(
        _ configuration: T5Configuration, keys: Int, buffers: KernelBuffers
    ) -> MeasuredKernel {
        let (heads, width) = (configuration.heads, configuration.headWidth)
        let stride = 3 * heads * width
        let scratchBytes = (pp_attention_scratch(keys, width) + 63) / 64 * 64
        let scratch = AlignedBuffer(heads * scratchBytes, of: UInt8.self)
        return MeasuredKernel(
            name: "attention", type: .bfloat16, depth: width, columns: heads * width, rows: keys,
            operations: 4 * Double(keys * keys) * Double(heads * width), weightBytes: 0
        ) { pool in
            pool.parallel(heads) { head in
                let activations: UnsafeMutablePointer<UInt16> = buffers.activations.elements()
                var attention = pp_attention()
                attention.q = UnsafePointer(activations + head * width)
                attention.k = UnsafePointer(activations + (heads + head) * width)
                attention.v = UnsafePointer(activations + (2 * heads + head) * width)
                (attention.ld_q, attention.ld_k, attention.ld_v) = (stride, stride, stride)
                attention.out = buffers.outputs.elements() + head * width
                attention.ld_out = heads * width
                attention.keys = keys
                attention.head_width = width
                pp_attention_block(pool.kernels, &attention, 0, keys, scratch.pointer + head * scratchBytes)
            }
        }
    }
}

/// A product with a matrix of weights, as the layers use it.
struct Product {
    let name: String
    let k: Int
    let n: Int
    let epilogue: pp_epilogue

    static func all(_ c: T5Configuration) -> [Product] {
        let (d, inner, hidden) = (c.modelWidth, c.innerWidth, c.feedForwardWidth)
        let up =
            c.feedForward == .relu
            ? Product(name: "wi", k: d, n: hidden, epilogue: PP_RELU_BF16)
            : Product(name: "wi_0, wi_1", k: d, n: 2 * hidden, epilogue: PP_GATED_GELU_BF16)
        return [
            Product(name: "qkv", k: d, n: 3 * inner, epilogue: PP_STORE_BF16),
            Product(name: "o", k: inner, n: d, epilogue: PP_ADD_F32), up,
            Product(name: "wo", k: hidden, n: d, epilogue: PP_ADD_F32),
            Product(name: "lm_head", k: d, n: c.vocabularySize, epilogue: PP_ARGMAX),
        ]
    }

    var panels: Int {
        let panel = Int(PP_PANEL)
        return epilogue == PP_GATED_GELU_BF16
            ? 2 * ((n / 2 + panel - 1) / panel) : (n + panel - 1) / panel
    }

    func weightBytes(_ type: MeasuredKernel.Operand) -> Int {
        panels * (type == .int8 ? pp_panel_int8(k) : 2 * pp_panel_bf16(k))
    }

    func kernel(
        _ type: MeasuredKernel.Operand, rows: Int, buffers: KernelBuffers
    ) -> MeasuredKernel {
        let (bytes, panels) = (weightBytes(type), panels)
        let copies = max(1, buffers.weights.byteCount / bytes)
        // Each thread's best of its columns: values, then indices.
        let best = AlignedBuffer(2 * buffers.threads * rows, of: Float.self)
        var gemm = pp_gemm()
        gemm.a = UnsafeRawPointer(buffers.activations.pointer)
        gemm.lda = pp_row_stride(k * type.size) / type.size
        gemm.column_scale = UnsafePointer(buffers.scales.elements(Float.self))
        gemm.column_sum = UnsafePointer(buffers.sums.elements(Int32.self))
        gemm.row_scale = UnsafePointer(buffers.scales.elements(Float.self))
        gemm.k = k
        gemm.columns = epilogue == PP_GATED_GELU_BF16 ? n / 2 : n
        gemm.epilogue = epilogue
        gemm.f32 = buffers.outputs.elements()
        gemm.bf16 = epilogue == PP_ADD_F32 ? nil : buffers.outputs.elements()
        (gemm.ld_f32, gemm.ld_bf16) = (pp_row_stride(4 * n) / 4, pp_row_stride(2 * n) / 2)
        let call = gemm
        var turn = 0
        return MeasuredKernel(
            name: name, type: type, depth: k, columns: n, rows: rows,
            operations: 2 * Double(rows) * Double(k) * Double(n), weightBytes: bytes
        ) { pool in
            turn = (turn + 1) % copies
            let weights = buffers.weights.pointer + turn * bytes
            var call = call
            call.panels = UnsafeRawPointer(weights)
            let multiply = type == .int8 ? pp_gemm_int8 : pp_gemm_bf16
            func run(_ gemm: pp_gemm, _ rows: Range<Int>, _ panels: Range<Int>) {
                withUnsafePointer(to: gemm) { gemm in
                    multiply(
                        pool.kernels, gemm, rows.lowerBound, rows.upperBound, panels.lowerBound,
                        panels.upperBound)
                }
            }
            let team = Team(pool: pool)
            guard epilogue == PP_ARGMAX else {
                return team.splitProduct(rows: rows, panels: 0..<panels) { run(call, $0, $1) }
            }
            team.eachPart(ofPanels: panels) { part, panels in
                var gemm = call
                gemm.best = best.elements(Float.self) + part * 2 * rows
                gemm.best_index = best.elements(Int32.self) + (2 * part + 1) * rows
                for row in 0..<rows {
                    gemm.best[row] = -.infinity
                    gemm.best_index[row] = .max
                }
                run(gemm, 0..<rows, panels)
            }
        }
    }
}
