import CKernels
import Foundation
import Synchronization

/// What a pool and its threads share: one job at a time, whose items they take one by one.
///
/// A job is over when its items are done, whoever did them: a worker that the operating system has not let run is not
/// waited for. So more threads than CPU cores cost little.
///
/// `@unchecked Sendable`: `body` and `count` are written by `run` only while no item is open or unfinished, and the
/// release of `open` makes them visible to whoever takes an item.
final class Crew: @unchecked Sendable {
    /// The job's number in the upper half, and how many of its items nobody has taken in the lower. With the number in
    /// it, a worker that fell asleep over an old job cannot take an item of a new one without looking again.
    private let open = Atomic<UInt64>(0)
    private let unfinished = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private let sleepers = Atomic<Int>(0)
    private let callerSleeps = Atomic<Bool>(false)
    private let jobs = NSCondition()
    private let end = NSCondition()
    private let oneJobAtATime = NSLock()
    private var body: ((Int) -> Void)?
    private var count = 0
    /// How often a thread looks for work before it sleeps. One that shares its CPU core with another takes that one's
    /// time by looking.
    private let spins: Int

    /// - Parameter oversubscribed: Whether there are more threads than CPU cores for them.
    init(workerCount: Int, oversubscribed: Bool) { spins = oversubscribed ? 0 : 4096 }

    private static func job(_ state: UInt64) -> UInt64 { state >> 32 }
    private static func openItems(_ state: UInt64) -> Int { Int(state & 0xffff_ffff) }

    func run(_ count: Int, _ body: (Int) -> Void) {
        oneJobAtATime.lock()
        defer { oneJobAtATime.unlock() }
        var first = 0
        while first < count {
            let items = min(count - first, Int(UInt32.max))
            let offset = first
            run(items: items) { body(offset + $0) }
            first += items
        }
    }

    private func run(items: Int, _ body: (Int) -> Void) {
        withoutActuallyEscaping(body) { body in
            self.body = body
            count = items
            unfinished.store(items, ordering: .relaxed)
            announce(items)
            takeItems()
            waitForEnd()
            self.body = nil
        }
    }

    func stop() {
        stopping.store(true, ordering: .releasing)
        announce(0)
    }

    /// Opens a job and wakes as many that sleep as can help. A worker registers as a sleeper under the lock and looks
    /// at the job's number once more before it waits, so that no wake-up is lost.
    private func announce(_ items: Int) {
        let job = (Self.job(open.load(ordering: .relaxed)) + 1) & 0xffff_ffff
        open.store(job << 32 | UInt64(items), ordering: .sequentiallyConsistent)
        let sleeping = sleepers.load(ordering: .sequentiallyConsistent)
        guard sleeping > 0 else { return }
        jobs.lock()
        if items > 0, items <= sleeping {
            // The caller takes one itself.
            for _ in 1..<items { jobs.signal() }
        } else {
            jobs.broadcast()
        }
        jobs.unlock()
    }

    private func takeItems() {
        while true {
            let state = open.load(ordering: .acquiring)
            let left = Self.openItems(state)
            guard left > 0 else { return }
            guard
                open.weakCompareExchange(
                    expected: state, desired: state - 1, successOrdering: .acquiringAndReleasing,
                    failureOrdering: .relaxed
                ).exchanged
            else { continue }
            // The job lasts until this item is done.
            perform(count - left)
            let remaining = unfinished.wrappingSubtract(1, ordering: .sequentiallyConsistent).newValue
            if remaining == 0, callerSleeps.load(ordering: .sequentiallyConsistent) {
                end.lock()
                end.signal()
                end.unlock()
            }
        }
    }

    /// A function of its own, so that the worker's reference to the closure is gone when it returns.
    @inline(never)
    private func perform(_ item: Int) { body?(item) }

    private func waitForEnd() {
        var spins = 0
        while unfinished.load(ordering: .acquiring) > 0 {
            spins += 1
            guard spins > self.spins else {
                pp_spin_hint()
                continue
            }
            end.lock()
            callerSleeps.store(true, ordering: .sequentiallyConsistent)
            while unfinished.load(ordering: .sequentiallyConsistent) > 0 { end.wait() }
            callerSleeps.store(false, ordering: .sequentiallyConsistent)
            end.unlock()
        }
    }

    /// What a worker's thread does until `stop`.
    func work() {
        _ = pp_flush_denormals()
        var seen: UInt64 = 0
        while true {
            waitForJob(after: seen)
            seen = Self.job(open.load(ordering: .acquiring))
            if stopping.load(ordering: .acquiring) { return }
            takeItems()
        }
    }

    private func waitForJob(after seen: UInt64) {
        var spins = 0
        while Self.job(open.load(ordering: .acquiring)) == seen {
            spins += 1
            guard spins > self.spins else {
                pp_spin_hint()
                continue
            }
            jobs.lock()
            sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
            while Self.job(open.load(ordering: .sequentiallyConsistent)) == seen { jobs.wait() }
            sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
            jobs.unlock()
        }
    }
}
