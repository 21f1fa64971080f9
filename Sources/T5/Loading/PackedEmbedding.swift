import Basics
import Tensors

/// The embedding's rows in bfloat16, where the checkpoint has them in float32: half of the memory that lookups touch,
/// and shared by all processes as the packed matrices are.
struct PackedEmbeddingPlan {
    /// `[vocab_size, d_model]` in float32.
    let source: StoredTensor
    /// Bytes from the arena's start.
    let offset: Int

    /// `nil` for an embedding that is stored in 16 bits: it is read where it lies.
    init?(_ source: StoredTensor, offset: Int) {
        guard source.elementType == .float32 else { return nil }
        self.source = source
        self.offset = offset
    }

    /// Bytes in the arena.
    var size: Int { source.count * ElementType.bfloat16.size }

    /// What it says about the arena.
    var layout: String { "\(offset) embedding \(source.shape[0])x\(source.shape[1])" }

    /// Rounds the rows into an arena.
    func pack(into arena: UnsafeMutableRawPointer, pool: WorkerPool) {
        let width = source.shape[1]
        let out = (arena + offset).assumingMemoryBound(to: UInt16.self)
        pool.ranges(of: source.shape[0], grain: 256) { range in
            withUnsafeTemporaryAllocation(of: Float.self, capacity: width) { row in
                guard let values = row.baseAddress else { return }
                for index in range {
                    source.widenRow(index, into: values)
                    for column in 0..<width {
                        out[index * width + column] = UInt16(bfloat16: values[column])
                    }
                }
            }
        }
    }

    /// The rows as they lie in an arena.
    func tensor(in arena: UnsafeRawPointer, owner: any AnyObject & Sendable) -> StoredTensor {
        StoredTensor(
            name: source.name, elementType: .bfloat16, shape: source.shape, path: source.path,
            bytes: UnsafeRawBufferPointer(start: arena + offset, count: size), owner: owner)
    }
}
