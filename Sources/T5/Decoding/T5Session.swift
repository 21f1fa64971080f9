import Basics
import CKernels
import Tensors

/// Runs a core's forward passes on one pool of threads, with scratch memory that is reused from pass to pass.
/// One session serves one thread at a time; sessions over the same core share its weights.
public final class T5Session {
    /// The core that computes.
    public let core: T5Core
    /// The threads it computes on.
    public let pool: WorkerPool

    let configuration: T5Configuration
    let layers: any T5Layers
    /// Decoder output rows that go through the head, and their logits.
    var gathered = Scratch()
    private var logits = Scratch()

    /// A session over a core.
    public init(core: T5Core, pool: WorkerPool) {
        self.core = core
        self.pool = pool
        configuration = core.configuration
        layers = core.makeLayers(pool: pool)
    }

    /// Copies an id's embedding row.
    func embed(_ id: Int32, into row: UnsafeMutablePointer<Float>) {
        core.embedding.widenRow(Int(id), into: row)
    }

    /// Copies some of the decoder's output rows side by side.
    func gather(_ hidden: AlignedBuffer, rows: some Collection<Int>) -> UnsafeMutablePointer<Float> {
        let d = configuration.modelWidth
        let gathered: UnsafeMutablePointer<Float> = gathered.reserve(rows.count * d)
        for (index, row) in rows.enumerated() {
            (gathered + index * d).update(from: hidden.floats + row * d, count: d)
        }
        return gathered
    }

    /// Calls `body` with the logits `[vocab_size]` of each of some decoder output rows, a few rows in memory at a
    /// time.
    func logits(_ hidden: AlignedBuffer, rows: [Int], _ body: (Int, UnsafePointer<Float>) -> Void) {
        let vocabulary = configuration.vocabularySize
        let block = 64
        let logits: UnsafeMutablePointer<Float> = logits.reserve(min(rows.count, block) * vocabulary)
        for start in stride(from: 0, to: rows.count, by: block) {
            let part = rows[start..<min(start + block, rows.count)]
            layers.logits(gather(hidden, rows: part), rows: part.count, into: logits)
            for index in 0..<part.count { body(start + index, logits + index * vocabulary) }
        }
    }
}
