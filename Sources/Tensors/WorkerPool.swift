import CKernels
import COpenBLAS
import Foundation
import Synchronization

/// The threads that compute. One pool serves everything that does, and OpenBLAS gets one thread inside each
/// of its threads, so that nothing oversubscribes the machine.
public final class WorkerPool: Sendable {
    /// Number of threads that compute, the calling one included.
    public let threadCount: Int

    /// What they compute with.
    package let processor: Processor

    private let crew: Crew

    /// Starts `threadCount - 1` worker threads; they end with the pool. They compute with what the machine has and
    /// `POLYPROMPT_ISA` allows.
    public init(threadCount: Int) {
        self.threadCount = max(1, threadCount)
        processor = .detected
        openblas_set_num_threads(1)
        crew = Crew(workerCount: self.threadCount - 1, oversubscribed: threadCount > CPUShare.current.count)
        for index in 1..<self.threadCount {
            let thread = Thread { [crew] in crew.work() }
            thread.name = "polyprompt-\(index)"
            thread.stackSize = 4 << 20
            thread.start()
        }
    }

    deinit { crew.stop() }

    /// How many threads suit this process: one for each CPU core whose time it may use.
    public static var availableProcessors: Int { CPUShare.current.count }

    /// The processor's kernels.
    package var kernels: UnsafePointer<pp_kernels> { processor.kernels }

    /// Calls `body` once for every index below `count`, spread over the pool's threads and the calling one,
    /// and returns when all have returned. Which thread takes which index is not defined. `body` must not
    /// call `parallel` again.
    package func parallel(_ count: Int, _ body: (Int) -> Void) {
        let control = pp_flush_denormals()
        defer { pp_restore_denormals(control) }
        if threadCount == 1 || count <= 1 {
            for index in 0..<max(0, count) { body(index) }
        } else {
            crew.run(count, body)
        }
    }

    /// Splits `count` items into contiguous ranges of near-equal size, each a multiple of `grain` but the last,
    /// and calls `body` for each in parallel.
    ///
    /// - Parameter perThread: At most so many ranges for each thread: with several, a thread that another
    ///   process holds up leaves its share to the others.
    package func ranges(
        of count: Int, grain: Int = 1, perThread: Int = 1, _ body: (Range<Int>) -> Void
    ) {
        let grains = (count + grain - 1) / grain
        let parts = min(threadCount * perThread, grains)
        parallel(parts) { part in
            let lower = grains * part / parts * grain
            let upper = min(count, grains * (part + 1) / parts * grain)
            body(lower..<upper)
        }
    }

    /// The results of `transform` for each item, in order, computed in parallel.
    package func map<Item, Result>(_ items: [Item], _ transform: (Item) -> Result) -> [Result] {
        [Result](unsafeUninitializedCapacity: items.count) { storage, initialized in
            // Every index is initialized exactly once, each by one thread.
            if let start = storage.baseAddress {
                parallel(items.count) { (start + $0).initialize(to: transform(items[$0])) }
            }
            initialized = items.count
        }
    }
}
