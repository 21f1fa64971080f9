import Foundation

/// How long the tests take that draw cases at random, or ask many rows: `make test-long` sets the variable, with
/// which they take their longer form.
package enum TestLength {
    /// Whether the tests are to take their longer form.
    package static let isLong = ProcessInfo.processInfo.environment["POLYPROMPT_TEST_LONG"] == "1"

    /// A number of cases.
    package static func count(_ usual: Int, long: Int) -> Int { isLong ? long : usual }
}
