import CKernels
import Foundation
import Tensors
import Testing

/// The float32 kernels against plain loops in double precision, over shapes that no vector width divides.
@Suite("Float32 kernels")
struct Float32KernelTests {
    private let kernels = WorkerPool(threadCount: 1).kernels

    private func random(_ count: Int, _ seed: UInt64) -> [Float] {
        var state = seed
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max)
        }
    }

    @Test(
        "matrix products",
        arguments: [
            (1, 1, 1), (1, 65, 33), (3, 7, 16), (16, 130, 100), (17, 5, 31), (97, 64, 48), (200, 70, 15),
        ])
    func products(M: Int, N: Int, K: Int) {
        let a = random(M * K, 1)
        let b = random(N * K, 2)
        for threads in [1, 2, 3] {
            let pool = WorkerPool(threadCount: threads)
            for accumulate in [false, true] {
                var c = [Float](repeating: 0.5, count: M * N)
                c.withUnsafeMutableBufferPointer { c in
                    guard let start = c.baseAddress else { return }
                    pool.multiply(
                        rows: M, columns: N, inner: K, a, stride: K, b, stride: K, into: start, stride: N,
                        accumulate: accumulate)
                }
                for m in 0..<M {
                    for n in 0..<N {
                        let sum = (0..<K).reduce(accumulate ? 0.5 : 0.0) {
                            $0 + Double(a[m * K + $1]) * Double(b[n * K + $1])
                        }
                        #expect(abs(Double(c[m * N + n]) - sum) < 1e-5 * Double(K + 1))
                    }
                }
            }
        }
    }

    @Test("softmax with a distance bias", arguments: [1, 2, 15, 16, 17, 100])
    func softmax(length: Int) {
        let scores = random(length * 3, 3).map { $0 * 20 }
        let bias = random(length + 4, 4)
        var result = scores
        bias.withUnsafeBufferPointer { bias in
            guard let start = bias.baseAddress else { return }
            pp_f32_softmax_bias(kernels, &result, length, start + 2, 3, length)
        }
        for row in 0..<3 {
            let values = (0..<length).map { Double(scores[row * length + $0] + bias[2 + $0 - row]) }
            let largest = values.max() ?? 0
            let weights = values.map { exp($0 - largest) }
            let total = weights.reduce(0, +)
            for (index, weight) in weights.enumerated() {
                #expect(abs(Double(result[row * length + index]) - weight / total) < 2e-6)
            }
        }
    }

    @Test("RMSNorm, log-sum-exp, gated GELU and argmax", arguments: [1, 5, 16, 31, 64, 200])
    func rows(width: Int) {
        let x = random(width, 5).map { $0 * 4 }
        let gain = random(width, 6)
        var normalized = [Float](repeating: 0, count: width)
        pp_f32_rms_norm(kernels, x, width, gain, 1e-6, 2, 1, width, &normalized, width)
        let mean = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(width)
        for index in 0..<width {
            let expected = Double(x[index]) / (mean + 1e-6).squareRoot() * Double(gain[index]) * 2
            #expect(abs(Double(normalized[index]) - expected) < 1e-5)
        }
        let largest = Double(x.max() ?? 0)
        let expected = largest + log(x.reduce(0.0) { $0 + exp(Double($1) - largest) })
        #expect(abs(pp_f32_log_sum_exp(kernels, x, width) - expected) < 1e-5)

        var hidden = [Float](repeating: 0, count: width)
        pp_f32_gate(kernels, x, gain, width, 1, width, &hidden, width)
        for index in 0..<width {
            let value = Double(x[index])
            let gelu =
                0.5 * value * (1 + tanh(0.7978845608028654 * (value + 0.044715 * value * value * value)))
            #expect(abs(Double(hidden[index]) - gelu * Double(gain[index])) < 1e-5)
        }
        #expect(pp_f32_argmax(x, width) == x.firstIndex(of: x.max() ?? 0))
        #expect(pp_f32_argmax([1, 3, 3, .nan, 2], 5) == 1)
        #expect(pp_f32_argmax([.nan, 1], 2) == 1)
    }

    @Test("extreme scores stay finite")
    func extremes() {
        var scores: [Float] = [1e30, -1e30, 0, 1e30]
        pp_f32_softmax_bias(kernels, &scores, 4, nil, 1, 4)
        #expect(scores == [0.5, 0, 0, 0.5])
    }

    @Test("the first value that is not finite is found, in every type and at any alignment")
    func firstNotFinite() {
        let count = 10_000
        for place in [0, 1, 4095, 4096, 9_999, 10_000] {
            for value in [Float.nan, .infinity, -.infinity] {
                // The largest finite value and the smallest ones are none.
                var floats = [Float](repeating: -.greatestFiniteMagnitude, count: count + 1)
                floats[7] = .leastNonzeroMagnitude
                floats[place] = value
                #expect(pp_first_not_finite_32(floats, count) == place)
                var halves = [UInt16](repeating: 0xFBFF, count: count + 1)
                halves[7] = 1
                halves[place] = Float16(value).bitPattern
                #expect(pp_first_not_finite_16(halves, count, 0x7C00) == place)
                var brains = [UInt16](repeating: 0xFF7F, count: count + 1)
                brains[7] = 1
                brains[place] = UInt16(value.bitPattern >> 16)
                #expect(pp_first_not_finite_16(brains, count, 0x7F80) == place)
                let shifted = [0] + floats.withUnsafeBytes { Array($0) }
                shifted.withUnsafeBytes { bytes in
                    #expect(pp_first_not_finite_32(bytes.baseAddress.map { $0 + 1 }, count) == place)
                }
            }
        }
    }
}
