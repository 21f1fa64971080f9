#if canImport(Glibc)
    import Glibc
#endif

/// Lets transactions run side by side, and the memory map move only when none runs.
///
/// Growing the map unmaps it: LMDB leaves it to the caller that no transaction of the process is active then. A
/// waiting resize goes before new transactions, so a stream of short reads cannot hold it up. The gate knows which
/// threads are inside, so a nested transaction is an error instead of a deadlock.
///
/// `@unchecked Sendable`: every access to the state is made while holding `mutex`, and the mutex and the condition
/// stay at one address from `init` to `deinit`.
final class TransactionGate: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var inside: Set<pthread_t> = []
    private var waitingForAll = 0
    private var closed = false

    init() {
        mutex.initialize(to: pthread_mutex_t())
        changed.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Enters for one transaction; `false` when the thread is inside already.
    func enter() -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !inside.contains(pthread_self()) else { return false }
        while closed || waitingForAll > 0 { pthread_cond_wait(changed, mutex) }
        inside.insert(pthread_self())
        return true
    }

    /// Leaves after a transaction has ended, on the thread that entered.
    func leave() {
        pthread_mutex_lock(mutex)
        inside.remove(pthread_self())
        if inside.isEmpty { pthread_cond_broadcast(changed) }
        pthread_mutex_unlock(mutex)
    }

    /// Runs `body` while no transaction is inside. The thread itself must not be inside.
    func alone<Result, Failure>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        waitingForAll += 1
        while closed || !inside.isEmpty { pthread_cond_wait(changed, mutex) }
        waitingForAll -= 1
        closed = true
        pthread_mutex_unlock(mutex)
        defer {
            pthread_mutex_lock(mutex)
            closed = false
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
        return try body()
    }
}
