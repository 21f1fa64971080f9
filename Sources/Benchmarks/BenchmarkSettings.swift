import T5
import Tensors

/// What to measure with, and how.
package struct BenchmarkSettings {
    /// A core directory, or `random:SHAPE`.
    package var core: String
    /// How to compute.
    package var precision: T5Core.Precision
    /// Threads that compute.
    package var threads: Int
    /// How long to measure.
    package var extent: Extent
    /// A file of requests that replaces the workload's own.
    package var requestFile: String?
    /// The numbers of tasks that `tasks` compares; the first is what the others are held against.
    package var taskCounts = [1, 8, 64, 1_000, 10_000]
    /// Requests of one of its streams in one round.
    package var streamLength = 256
    /// The `polyprompt` executable, which `startup` starts.
    package var executable: String
    /// Told what is being done.
    package var progress: (String) -> Void

    /// Settings.
    package init(
        core: String, precision: T5Core.Precision, threads: Int, extent: Extent, requestFile: String? = nil,
        executable: String, progress: @escaping (String) -> Void = { _ in }
    ) {
        self.core = core
        self.precision = precision
        self.threads = threads
        self.extent = extent
        self.requestFile = requestFile
        self.executable = executable
        self.progress = progress
    }

    /// Measures.
    ///
    /// - Throws: `BenchmarkError`, or the error of the library that cannot do its part.
    package func measure(_ workload: Workload) throws -> BenchmarkReport {
        // Said before the measurement, not after it.
        _ = try Processor.current()
        return switch workload {
        case .mixed, .classify, .generate: try ServingBenchmark(workload, self).measure()
        case .tasks: try TasksBenchmark(self).measure()
        case .kernels: try KernelBenchmark(self).measure()
        case .startup: try StartupBenchmark(self).measure()
        }
    }
}
