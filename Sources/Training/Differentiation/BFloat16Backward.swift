import CKernels
import T5
import Tensors

/// The way back through the bfloat16 operations, with transposed panels. The weights are frozen.
///
/// Every element is reduced in an order that its own sequence alone decides.
final class BFloat16Backward: BackwardOperations {
    let forward: PackedOperations
    let tracksWeights = false
    let transposed: TransposedPanels
    private let head: StoredTensor

    /// - Parameter packed: The core's weights, in bfloat16.
    init(_ core: T5Core, _ packed: PackedWeights, pool: WorkerPool) {
        head = core.head
        transposed = TransposedPanels(
            packed.weights, configuration: core.configuration, pool: pool)
        forward = PackedOperations(
            packed, configuration: core.configuration, pool: pool)
    }

    var configuration: T5Configuration { forward.configuration }
    var kernels: UnsafePointer<pp_kernels> { forward.kernels }

    /// The panels of products that follow a norm have its gain folded in, and so have the transposed ones.
    func gain(_ norm: FloatTensor) -> UnsafePointer<Float>? { nil }

    func copyElements(_ x: Rows<Float>, _ count: Int, into out: Rows<UInt16>, _ part: Part) {
        forward.narrow(x, count, width: configuration.modelWidth, into: out, part)
    }

    // MARK: Feed-forward

    func wideGradient(_ wide: Rows<UInt16>, _ hiddenGradient: Rows<UInt16>, _ part: Part) -> Rows<UInt16> {
        let width = configuration.feedForwardWidth
        let isGated = configuration.feedForward.isGated
        let out =
            isGated
            ? forward.scratch(forward.wideWidth, part.count, &part.workspace.wideGradient) : hiddenGradient
        part.team.split(part.count, grain: 8) { range in
            if isGated {
                pp_bf16_gate_gradient(
                    kernels, wide.row(range.lowerBound), wide.stride, hiddenGradient.row(range.lowerBound),
                    hiddenGradient.stride, range.count, width, out.row(range.lowerBound), out.stride)
            } else {
                for row in range { pp_bf16_relu_gradient(kernels, wide.row(row), out.row(row), width) }
            }
        }
        return out
    }

    var keepsSigns: Bool { !configuration.feedForward.isGated }

    func keepSigns(_ wide: Rows<UInt16>, in signs: Rows<UInt32>, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            for row in range { pp_bf16_signs(kernels, wide.row(row), forward.wideWidth, signs.row(row)) }
        }
    }

    func wideGradient(_ signs: Rows<UInt32>, _ hiddenGradient: Rows<UInt16>, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            for row in range {
                pp_bf16_signs_gradient(kernels, signs.row(row), hiddenGradient.row(row), forward.wideWidth)
            }
        }
    }

    // MARK: Loss

    func roundForHead(_ hidden: Rows<Float>, _ count: Int) {
        round(hidden.start, count * configuration.modelWidth)
    }

    func headRow(_ id: Int32, into row: UnsafeMutablePointer<Float>) {
        head.widenRow(Int(id), into: row)
        round(row, configuration.modelWidth)
    }

    /// To bfloat16's nearest.
    private func round(_ x: UnsafeMutablePointer<Float>, _ count: Int) {
        withUnsafeTemporaryAllocation(of: UInt16.self, capacity: count) { rounded in
            guard let start = rounded.baseAddress else { return }
            pp_f32_to_bf16(kernels, count, x, start)
            pp_bf16_to_f32(kernels, count, start, x)
        }
    }

    func headGradient(
        _ logitsGradient: Rows<Float>, _ hidden: Rows<Float>, _ count: Int, into out: Rows<Float>,
        _ part: Part
    ) {
        let vocabulary = configuration.vocabularySize
        let g = forward.scratch(vocabulary, count, &part.workspace.wideGradient)
        forward.narrow(logitsGradient, count, width: vocabulary, into: g, part)
        multiplyBack(g, count, forward.weights.head, into: out, adding: false, part)
    }
}
