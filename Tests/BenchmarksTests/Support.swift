import Benchmarks
import TestSupport

/// What the tests measure with: the embedded core and as little time as says anything.
enum Fixture {
    static func settings(requestFile: String? = nil) -> BenchmarkSettings {
        BenchmarkSettings(
            core: Repository.core, precision: .float32, threads: 2,
            extent: requestFile == nil ? .seconds(0.2) : .rounds(1), requestFile: requestFile,
            executable: Command.executable("polyprompt"))
    }
}
