import Basics
import Testing

@Suite("LRU cache")
struct LRUCacheTests {
    @Test("what was used longest ago makes room")
    func eviction() {
        let cache = LRUCache<String, Int>(capacity: 10)
        for (value, key) in ["a", "b", "c"].enumerated() { cache.insert(value, for: key, cost: 3) }
        #expect(cache.value(for: "a") == 0)
        cache.insert(3, for: "d", cost: 4)
        #expect(cache.value(for: "b") == nil)
        #expect(["a", "c", "d"].map(cache.value) == [0, 2, 3])
        let statistics = cache.statistics
        #expect(statistics.count == 3 && statistics.cost == 10)
        #expect(statistics.hits == 4 && statistics.misses == 1)
    }

    @Test("a value in place of another costs what it costs itself")
    func replacement() {
        let cache = LRUCache<Int, Int>(capacity: 10)
        cache.insert(1, for: 1, cost: 9)
        cache.insert(2, for: 1, cost: 2)
        cache.insert(3, for: 2, cost: 8)
        #expect(cache.value(for: 1) == 2 && cache.value(for: 2) == 3)
    }

    @Test("a value that alone is too much is not kept and drives nothing out")
    func tooLarge() {
        let cache = LRUCache<Int, Int>(capacity: 10)
        cache.insert(1, for: 1, cost: 10)
        cache.insert(2, for: 2, cost: 11)
        #expect(cache.value(for: 1) == 1 && cache.value(for: 2) == nil)
    }

    @Test("does what a list in order of use does", arguments: 0..<4 as Range<UInt64>)
    func model(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        let cache = LRUCache<Int, Int>(capacity: 20)
        var model: [(key: Int, value: Int, cost: Int)] = []
        for step in 0..<2_000 {
            let key = random.integer(below: 12)
            if random.integer(below: 2) == 0 {
                let cost = random.integer(below: 9)
                cache.insert(step, for: key, cost: cost)
                model.removeAll { $0.key == key }
                while model.reduce(cost, { $0 + $1.cost }) > 20 { model.removeFirst() }
                model.append((key, step, cost))
            } else {
                let place = model.firstIndex { $0.key == key }
                #expect(cache.value(for: key) == place.map { model[$0].value })
                if let place { model.append(model.remove(at: place)) }
            }
            #expect(cache.statistics.count == model.count)
        }
    }
}
