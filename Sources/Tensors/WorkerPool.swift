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
    public convenience init(threadCount: Int) {
        self.init(threadCount: threadCount, processor: .detected)
    }

    /// Starts `threadCount - 1` worker threads; they end with the pool.
    package init(threadCount: Int, processor: Processor) {
        self.threadCount = max(1, threadCount)
        self.processor = processor
        openblas_set_num_threads(1)
        crew = Crew(workerCount: self.threadCount - 1)
        for index in 1..<self.threadCount {
            let thread = Thread { [crew] in crew.work() }
            thread.name = "polyprompt-\(index)"
            thread.stackSize = 4 << 20
            thread.start()
        }
    }

    deinit { crew.stop() }

    /// The processor's kernels.
    package var kernels: UnsafePointer<pp_kernels> { processor.kernels }

    /// The number of processors that this process may run on.
    public static var availableProcessors: Int { ProcessInfo.processInfo.activeProcessorCount }

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
            // Every index is initialised exactly once, each by one thread.
            if let start = storage.baseAddress {
                parallel(items.count) { (start + $0).initialize(to: transform(items[$0])) }
            }
            initialized = items.count
        }
    }
}

/// What the pool and its threads share.
///
/// `@unchecked Sendable`: `body` and `count` are written by `run` only while every worker has checked in from
/// the job before (`unfinished` is 0), and the release of `generation` makes them visible to the workers.
private final class Crew: @unchecked Sendable {
    private let workerCount: Int
    private let generation = Atomic<Int>(0)
    private let next = Atomic<Int>(0)
    private let unfinished = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private let sleepers = Atomic<Int>(0)
    private let condition = NSCondition()
    private let oneJobAtATime = NSLock()
    private var body: ((Int) -> Void)?
    private var count = 0

    init(workerCount: Int) { self.workerCount = workerCount }

    func run(_ count: Int, _ body: (Int) -> Void) {
        oneJobAtATime.lock()
        defer { oneJobAtATime.unlock() }
        withoutActuallyEscaping(body) { body in
            self.body = body
            self.count = count
            next.store(0, ordering: .relaxed)
            unfinished.store(workerCount, ordering: .relaxed)
            announce()
            claim(body)
            var spins = 0
            while unfinished.load(ordering: .acquiring) > 0 {
                spins += 1
                if spins < 4096 { pp_spin_hint() } else { sched_yield() }
            }
            self.body = nil
        }
    }

    func stop() {
        stopping.store(true, ordering: .releasing)
        announce()
    }

    /// Starts a generation and wakes those that sleep. A worker registers as a sleeper under the lock and
    /// looks at the generation once more before it waits, so that no wake-up is lost.
    private func announce() {
        generation.wrappingAdd(1, ordering: .sequentiallyConsistent)
        if sleepers.load(ordering: .sequentiallyConsistent) > 0 {
            condition.lock()
            condition.broadcast()
            condition.unlock()
        }
    }

    private func claim(_ body: (Int) -> Void) {
        while true {
            let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
            guard index < count else { return }
            body(index)
        }
    }

    func work() {
        _ = pp_flush_denormals()
        var seen = 0
        while true {
            var spins = 0
            while generation.load(ordering: .acquiring) == seen {
                spins += 1
                if spins < 4096 {
                    pp_spin_hint()
                } else {
                    condition.lock()
                    sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
                    while generation.load(ordering: .sequentiallyConsistent) == seen { condition.wait() }
                    sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                    condition.unlock()
                }
            }
            seen = generation.load(ordering: .acquiring)
            if stopping.load(ordering: .acquiring) { return }
            if let body { claim(body) }
            unfinished.wrappingSubtract(1, ordering: .releasing)
        }
    }
}
