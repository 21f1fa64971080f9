import CKernels
import Tensors

/// The operations in bfloat16 or int8 on the project's own kernels.
///
/// Bitwise batch-invariant: every element is reduced in an order that its own sequence alone decides, so that a
/// request's numbers are the same alone, in any mixture and order, and on any number of threads.
///
/// Elements are bfloat16; in int8 the rows are quantized just before a product. Wide rows of a gated layer are 16
/// columns of the gate, 16 of the other factor, and so on, as the panels lie.
package final class PackedOperations: CoreOperations<PackedMatrix>, LayerOperations {
    package typealias Element = UInt16
    package typealias Weights = T5Weights<PackedMatrix, FloatTensor>

    package let precision: PackedPrecision
    /// Whether the core's cross-attention can do without keys and values.
    let hasAbsorbedForm: Bool

    package init(_ packed: PackedWeights, configuration: T5Configuration, pool: WorkerPool) {
        precision = packed.precision
        hasAbsorbedForm = packed.weights.decoder.allSatisfy { $0.crossAttention.kv.absorbed != nil }
        super.init(
            packed.weights, embedding: packed.embedding, configuration: configuration, pool: pool)
    }

    /// An odd number of cache lines apart.
    package func stride(_ width: Int) -> Int { pp_row_stride(2 * width) / 2 }

    package func groups(_ lengths: [Int]) -> [Range<Int>] {
        RowGroups.sequences(lengths, threads: pool.threadCount)
    }

    package func elements(_ x: Rows<Float>, _ count: Int, _ part: Part) -> Rows<UInt16> {
        let out = scratch(configuration.modelWidth, count, &part.workspace.elements)
        narrow(x, count, width: configuration.modelWidth, into: out, part)
        return out
    }

    /// The rows rounded to bfloat16.
    package func narrow(
        _ x: Rows<Float>, _ count: Int, width: Int, into out: Rows<UInt16>, _ part: Part
    ) {
        part.team.split(count, grain: 8) { range in
            for row in range { pp_f32_to_bf16(kernels, width, x.row(row), out.row(row)) }
        }
    }

    package func drop(_ rows: Rows<UInt16>, width: Int, _ site: DropoutSite, _ part: Part) {
        part.team.split(part.count, grain: 8) { range in
            for row in range {
                var dropout = site.row(part.first + row)
                pp_bf16_dropout(kernels, &dropout, rows.row(row), width)
            }
        }
    }
}
