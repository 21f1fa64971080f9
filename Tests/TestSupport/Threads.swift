import Foundation
import Synchronization

/// Runs `body` on so many threads at once and returns what they reported or threw.
package func failures(
    threads: Int, _ body: @escaping @Sendable (_ thread: Int) throws -> [String]
) -> [String] {
    let failures = Shared<[String]>([])
    let group = DispatchGroup()
    for thread in 0..<threads {
        group.enter()
        Thread.detachNewThread {
            do {
                let reported = try body(thread)
                failures.withLock { $0 += reported }
            } catch {
                failures.withLock { $0.append("\(error)") }
            }
            group.leave()
        }
    }
    group.wait()
    return failures.withLock { $0 }
}

/// A value that threads share.
package final class Shared<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    package init(_ value: Value) { mutex = Mutex(value) }

    /// Reads or changes the value while no other thread does.
    package func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        mutex.withLock { value in body(&value) }
    }
}
