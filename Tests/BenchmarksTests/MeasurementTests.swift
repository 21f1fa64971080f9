import Benchmarks
import JSON
import Tensors
import Testing

@Suite("Measurements on the embedded core", .serialized)
struct MeasurementTests {
    static let common = ["workload", "core", "precision", "threads", "machine", "rounds", "seconds"]

    @Test("requests at once and one at a time", arguments: Workload.withRequests)
    func serving(workload: Workload) throws {
        let report = try Fixture.settings().measure(workload)
        for key in Self.common + ["core_load_seconds", "round_seconds", "batches"] {
            #expect(report.json[key] != nil, "\(key)")
        }
        #expect(report.json["workload"]?.string == workload.rawValue)
        #expect(report.json["machine"]?.object?["isa"]?.string?.isEmpty == false)
        let requests = try #require(report.json["requests"]?.int)
        let seconds = try #require(report.json["seconds"]?.double)
        let rate = try #require(report.json["requests_per_second"]?.double)
        #expect(abs(rate * seconds / Double(requests) - 1) < 1e-9)
        #expect(try #require(report.json["rows_per_second"]?.double) > rate * 20)
        #expect(report.table.text.contains("requests/s"))

        let latency = report.json["latency"]?.object
        if workload == .generate {
            #expect(report.json["latency"] == .null)
        } else {
            let quantiles = try ["p50", "p90", "p99", "p99.9", "max"].map {
                try #require(latency?[$0]?.double, "\($0)")
            }
            #expect(quantiles == quantiles.sorted())
            #expect(try #require(latency?["count"]?.int) >= 1)
        }
        if workload == .classify {
            #expect(report.json["tokens_per_second"] == .null)
        } else {
            #expect(try #require(report.json["output_tokens"]?.int) >= requests)
        }
    }

    @Test("what mixing costs")
    func tasks() throws {
        var settings = Fixture.settings()
        settings.taskCounts = [1, 8, 20]
        settings.streamLength = 24
        let report = try settings.measure(.tasks)
        for key in Self.common { #expect(report.json[key] != nil, "\(key)") }
        let streams = try #require(report.json["streams"]?.array).compactMap(\.object)
        #expect(streams.compactMap { $0["tasks"]?.int } == [1, 8, 20])
        #expect(streams.first?["ratio"]?.double == 1)
        #expect(streams.allSatisfy { ($0["requests_per_second"]?.double ?? 0) > 0 })
    }

    @Test("kernels beside the machine's peak")
    func kernels() throws {
        let report = try Fixture.settings().measure(.kernels)
        for key in Self.common { #expect(report.json[key] != nil, "\(key)") }
        let kernels = try #require(report.json["kernels"]?.array).compactMap(\.object)
        #expect(Set(kernels.compactMap { $0["type"]?.string }) == ["bfloat16", "int8"])
        #expect(Set(kernels.compactMap { $0["threads"]?.int }) == [1, 2])
        let names = Set(kernels.compactMap { $0["kernel"]?.string })
        #expect(names.isSuperset(of: ["qkv", "lm_head", "attention", "encoder"]))
        #expect(kernels.allSatisfy { ($0["gigaops_per_second"]?.double ?? 0) > 0 })
        if try Processor.current().instructionSet == "amx" {
            #expect(kernels.allSatisfy { ($0["peak_gigaops_per_second"]?.double ?? 0) > 0 })
            #expect(kernels.allSatisfy { ($0["share_of_bound"]?.double ?? 0) > 0 })
        }
    }

    @Test("from a process's start to its first answer")
    func startup() throws {
        let report = try Fixture.settings().measure(.startup)
        for key in Self.common { #expect(report.json[key] != nil, "\(key)") }
        #expect(try #require(report.json["seconds"]?.double) > 0)
    }

    @Test("a start that fails is an error with what was said")
    func failedStart() throws {
        var settings = Fixture.settings()
        settings.executable = "/bin/false"
        let error = #expect(throws: BenchmarkError.self) { try settings.measure(.startup) }
        #expect(error?.message.contains("ended with status 1") == true)
    }
}
