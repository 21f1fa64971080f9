import Foundation

/// A value that threads share, and for whose changes they wait.
///
/// `@unchecked Sendable`: the value is touched under the condition's lock only.
package final class Monitor<Value: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private var value: Value

    package init(_ value: Value) { self.value = value }

    /// Looks at the value or changes it, and has those that wait look at it again.
    package func change<Result>(_ body: (inout Value) -> Result) -> Result {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        return body(&value)
    }

    /// Waits until `body`, which may change the value, has a result.
    ///
    /// - Parameter limit: `nil` comes back when there is none at this time.
    package func wait<Result>(until limit: Date, _ body: (inout Value) -> Result?) -> Result? {
        condition.lock()
        defer { condition.unlock() }
        while true {
            if let result = body(&value) {
                condition.broadcast()
                return result
            }
            guard condition.wait(until: limit) else { return nil }
        }
    }

    /// Waits until `body`, which may change the value, has a result.
    package func wait<Result>(_ body: (inout Value) -> Result?) -> Result {
        condition.lock()
        defer {
            condition.broadcast()
            condition.unlock()
        }
        while true {
            if let result = body(&value) { return result }
            condition.wait()
        }
    }
}
