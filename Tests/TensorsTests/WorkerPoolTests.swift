import Synchronization
import Tensors
import Testing

@Suite("Worker pool")
struct WorkerPoolTests {
    @Test("every index is computed exactly once", arguments: [1, 2, 3, 8])
    func everyIndexOnce(threads: Int) {
        let pool = WorkerPool(threadCount: threads)
        for count in [0, 1, 2, 7, 1000] {
            let hits = Mutex([Int](repeating: 0, count: count))
            pool.parallel(count) { index in hits.withLock { $0[index] += 1 } }
            #expect(hits.withLock { $0 } == [Int](repeating: 1, count: count))
        }
    }

    @Test("ranges cover everything once, cut at multiples of the grain")
    func ranges() {
        let pool = WorkerPool(threadCount: 3)
        for count in [0, 1, 15, 16, 17, 100, 1000] {
            let pieces = Mutex<[Range<Int>]>([])
            pool.ranges(of: count, grain: 16) { range in pieces.withLock { $0.append(range) } }
            let sorted = pieces.withLock { $0 }.sorted { $0.lowerBound < $1.lowerBound }
            #expect(sorted.flatMap { Array($0) } == Array(0..<count))
            #expect(sorted.dropLast().allSatisfy { $0.upperBound % 16 == 0 })
        }
    }

    @Test("a pool survives many short jobs from several threads")
    func manyJobs() async {
        let pool = WorkerPool(threadCount: 4)
        await withTaskGroup(of: Int.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    (0..<500).reduce(0) { sum, _ in sum + pool.map([1, 2, 3, 4, 5]) { $0 * 2 }.reduce(0, +) }
                }
            }
            for await sum in group { #expect(sum == 15_000) }
        }
    }

    @Test("pools end with their last user")
    func pools() {
        for _ in 0..<200 {
            let pool = WorkerPool(threadCount: 4)
            #expect(pool.map([1, 2, 3]) { $0 + 1 } == [2, 3, 4])
        }
    }
}
