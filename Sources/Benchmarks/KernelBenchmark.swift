import CKernels
import JSON
import T5
import Tensors

/// Rates of the kernels by shape, each beside the machine's limits measured right after it.
///
/// A kernel's rate is bounded by the peak and by how fast its weights are read: rows × bandwidth. A round measures
/// every kernel once, with one thread and with all, and what is reported are medians over rounds of the rate and
/// of its ratio to that moment's limits, so that a machine whose clock wanders does not mislead.
struct KernelBenchmark {
    /// Weights are taken from so much memory in turn, as they are in a forward pass, and not from a cache that the
    /// last call filled.
    private static let weightBytes = 256 << 20
    /// A kernel is called as often as fills this time.
    private static let callSeconds = 2e-3

    private let settings: BenchmarkSettings

    init(_ settings: BenchmarkSettings) { self.settings = settings }

    func measure() throws -> BenchmarkReport {
        let configuration = try CoreSource(settings.core).configuration()
        let pools = Set([1, settings.threads]).sorted().map { WorkerPool(threadCount: $0) }
        settings.progress("preparing weights")
        var (kernels, weights) = MeasuredKernel.all(
            configuration, threads: settings.threads, weightBytes: Self.weightBytes)
        for type in MeasuredKernel.Operand.allCases {
            kernels.append(try MeasuredKernel.encoder(settings.core, type: type, pools: pools))
        }
        var limits = pools.map { MachineLimits(pool: $0, words: weights) }
        var results = kernels.map { _ in pools.map { _ in Samples() } }

        // The first round finds out how often each is called.
        var calls = kernels.map { _ in pools.map { _ in 0 } }
        var rounds: [Double] = []
        func measureAll(_ note: String) {
            for (thread, pool) in pools.enumerated() {
                for (index, kernel) in kernels.enumerated() {
                    settings.progress("\(note), \(pool.threadCount) threads, \(kernel.name)")
                    if calls[index][thread] == 0 {
                        kernel.run(pool)
                        let once = max(seconds { kernel.run(pool) }, 1e-9)
                        calls[index][thread] = Int(min(max(Self.callSeconds / once, 1), 10_000))
                    }
                    let count = calls[index][thread]
                    let time = seconds { for _ in 0..<count { kernel.run(pool) } } / Double(count)
                    results[index][thread].add(
                        kernel, seconds: time, peak: limits[thread].peak(kernel.type),
                        bandwidth: limits[thread].bandwidth())
                }
            }
        }
        let start = ContinuousClock.now
        settings.extent.repeating { round in
            rounds.append(seconds { measureAll("round \(round + 1)") })
        }

        var json = try BenchmarkReport.header(.kernels, settings)
        json["precision"] = .null
        json["rounds"] = JSONValue(rounds.count)
        json["seconds"] = JSONValue(median(rounds))
        json["total_seconds"] = JSONValue((ContinuousClock.now - start) / .seconds(1))
        json["bandwidth"] = .array(
            pools.indices.map { thread in
                [
                    "threads": JSONValue(pools[thread].threadCount),
                    "gigabytes_per_second": JSONValue(
                        median(results.flatMap { $0[thread].bandwidths }) * 1e-9),
                ]
            })
        var table = BenchmarkReport.Table(columns: ["kernel", "type", "K", "N", "rows"])
        for pool in pools {
            table.columns += ["G/s ×\(pool.threadCount)", "of peak", "of bound", "GB/s"]
        }
        var entries: [JSONValue] = []
        for (kernel, samples) in zip(kernels, results) {
            var row = [
                kernel.name, kernel.type.rawValue, "\(kernel.depth)", "\(kernel.columns)", "\(kernel.rows)",
            ]
            for (pool, samples) in zip(pools, samples) {
                entries.append(.object(samples.json(kernel, threads: pool.threadCount)))
                row += samples.cells
            }
            table.rows.append(row)
        }
        json["kernels"] = .array(entries)
        return BenchmarkReport(json: json, table: table)
    }
}

/// What the rounds found about one kernel with one number of threads.
private struct Samples {
    var rates: [Double] = []
    var peaks: [Double] = []
    var bandwidths: [Double] = []
    var ofPeak: [Double] = []
    var ofBound: [Double] = []
    var bytesPerSecond: [Double] = []

    /// - Parameters:
    ///   - peak: Operations a second; 0 when there is no known peak.
    ///   - bandwidth: Bytes a second.
    mutating func add(_ kernel: MeasuredKernel, seconds: Double, peak: Double, bandwidth: Double) {
        let rate = kernel.operations / seconds
        rates.append(rate)
        bandwidths.append(bandwidth)
        if kernel.weightBytes > 0 { bytesPerSecond.append(Double(kernel.weightBytes) / seconds) }
        guard peak > 0 else { return }
        peaks.append(peak)
        ofPeak.append(rate / peak)
        let byMemory =
            kernel.weightBytes > 0 ? bandwidth * kernel.operations / Double(kernel.weightBytes) : .infinity
        ofBound.append(rate / min(peak, byMemory))
    }

    /// Rate, shares of peak and bound, weights read.
    var cells: [String] {
        [
            (median(rates) * 1e-9).fixed(1), peaks.isEmpty ? "" : median(ofPeak).percent,
            peaks.isEmpty ? "" : median(ofBound).percent,
            bytesPerSecond.isEmpty ? "" : (median(bytesPerSecond) * 1e-9).fixed(1),
        ]
    }

    func json(_ kernel: MeasuredKernel, threads: Int) -> JSONObject {
        func number(_ values: [Double], _ scale: Double = 1) -> JSONValue {
            values.isEmpty ? .null : JSONValue(median(values) * scale)
        }
        return JSONObject([
            ("kernel", .string(kernel.name)), ("type", .string(kernel.type.rawValue)),
            ("k", JSONValue(kernel.depth)), ("n", JSONValue(kernel.columns)),
            ("rows", JSONValue(kernel.rows)),
            ("threads", JSONValue(threads)), ("gigaops_per_second", number(rates, 1e-9)),
            ("peak_gigaops_per_second", number(peaks, 1e-9)), ("share_of_peak", number(ofPeak)),
            ("share_of_bound", number(ofBound)), ("gigabytes_per_second", number(bytesPerSecond, 1e-9)),
        ])
    }
}
