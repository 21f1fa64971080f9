import Synchronization

/// Values by key up to a total cost; the ones used longest ago make room.
///
/// One lock, held for a dictionary access and a few index assignments.
package final class LRUCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    fileprivate struct Entry {
        var key: Key
        var value: Value
        var cost: Int
        var newer: Int?
        var older: Int?
    }

    fileprivate struct State {
        /// Entries in a list by use, linked by their indices here; free places are reused.
        var entries: [Entry?] = []
        var free: [Int] = []
        var places: [Key: Int] = [:]
        var newest: Int?
        var oldest: Int?
        var cost = 0
        var hits = 0
        var misses = 0
    }

    private let capacity: Int
    private let state = Mutex(State())

    /// An empty cache for values of that total cost.
    package init(capacity: Int) { self.capacity = capacity }

    /// How full the cache is and how often it had what was asked for.
    package var statistics: CacheStatistics {
        state.withLock {
            CacheStatistics(count: $0.places.count, cost: $0.cost, hits: $0.hits, misses: $0.misses)
        }
    }

    /// The key's value, which becomes the one used last.
    package func value(for key: Key) -> Value? {
        state.withLock { state -> Value? in
            guard let place = state.places[key], let entry = state.entries[place] else {
                state.misses += 1
                return nil
            }
            state.hits += 1
            if state.newest != place {
                state.unlink(place)
                state.linkAsNewest(place)
            }
            return entry.value
        }
    }

    /// Keeps a value, unless it alone is more than the cache may hold.
    package func insert(_ value: Value, for key: Key, cost: Int) {
        guard cost <= capacity else { return }
        state.withLock { state in
            if let place = state.places[key] { state.remove(place) }
            while state.cost + cost > capacity, let oldest = state.oldest { state.remove(oldest) }
            state.add(Entry(key: key, value: value, cost: cost))
        }
    }
}

/// How full a cache is and how often it had what was asked for.
public struct CacheStatistics: Sendable, Equatable {
    /// The number of values.
    public let count: Int
    /// Their total cost; for the prompts of a store, bytes.
    public let cost: Int
    /// How often a value was there.
    public let hits: Int
    /// How often it was not.
    public let misses: Int
}

extension LRUCache.State {
    fileprivate mutating func add(_ entry: LRUCache.Entry) {
        let place: Int
        if let reused = free.popLast() {
            place = reused
            entries[place] = entry
        } else {
            place = entries.count
            entries.append(entry)
        }
        places[entry.key] = place
        cost += entry.cost
        linkAsNewest(place)
    }

    fileprivate mutating func remove(_ place: Int) {
        guard let entry = entries[place] else { return }
        unlink(place)
        places[entry.key] = nil
        cost -= entry.cost
        entries[place] = nil
        free.append(place)
    }

    fileprivate mutating func unlink(_ place: Int) {
        let newer = entries[place]?.newer
        let older = entries[place]?.older
        if let newer { entries[newer]?.older = older } else { newest = older }
        if let older { entries[older]?.newer = newer } else { oldest = newer }
    }

    fileprivate mutating func linkAsNewest(_ place: Int) {
        entries[place]?.newer = nil
        entries[place]?.older = newest
        if let newest { entries[newest]?.newer = place } else { oldest = place }
        newest = place
    }
}
