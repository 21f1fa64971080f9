import Benchmarks
import Foundation
import JSON
import T5
import TestSupport
import Testing

@Suite("Requests from a file")
struct RequestFileTests {
    let folder: TemporaryFolder
    let width: Int

    init() throws {
        folder = try TemporaryFolder()
        width = try T5Configuration(path: Repository.core + "/config.json").modelWidth
        // Two tasks' prompts of two rows, as safetensors.
        let values = (0..<4 * width).map { Float($0 % 7 - 3) }
        let rows = ["a", "b"].enumerated().map { index, name in
            (
                name,
                FileTensor(
                    shape: [2, width], values: Array(values[index * 2 * width..<(index + 1) * 2 * width]))
            )
        }
        try folder.write("prompts.safetensors", TensorFile.safetensors(rows))
    }

    func write(_ rest: String) throws -> BenchmarkSettings {
        let text = "{\"prompts\": \"prompts.safetensors\", \(rest)}"
        return Fixture.settings(requestFile: try folder.write("requests.json", text))
    }

    static let requests = """
        "requests": [{"task": "a", "input_ids": [5, 6, 7]}, {"task": "b", "input_ids": [8]}, \
        {"task": "a", "input_ids": [9, 10]}]
        """

    @Test("are answered with new ids, in order")
    func ids() throws {
        let settings = try write("\"workload\": \"mixed\", \"max_new_tokens\": 3, \(Self.requests)")
        let report = try settings.measure(.mixed)
        let answers = try #require(report.json["answers"]?.array).map { try #require($0.array) }
        #expect(answers.count == 3)
        #expect(answers.allSatisfy { (1...3).contains($0.count) && $0.allSatisfy { $0.int != nil } })
        #expect(report.json["seconds"]?.double != nil)
        #expect(report.json["rounds"]?.int == 1)
        #expect(report.json["latency"] == .null)
    }

    @Test("are answered with the labels' probabilities, in the order given")
    func labels() throws {
        func answers(_ a: String) throws -> [[Double]] {
            let labels = "\"labels\": {\"a\": \(a), \"b\": [[11, 1], [12, 1]]}"
            let settings = try write("\"workload\": \"classify\", \(labels), \(Self.requests)")
            let report = try settings.measure(.classify)
            return try #require(report.json["answers"]?.array).map { ($0.array ?? []).compactMap(\.double) }
        }
        let one = try answers("[[11, 12, 1], [11, 13, 1], [14, 1]]")
        #expect(one.map(\.count) == [3, 2, 3])
        #expect(one.allSatisfy { abs($0.reduce(0, +) - 1) < 1e-6 })
        #expect(try answers("[[14, 1], [11, 12, 1], [11, 13, 1]]")[0][0] == one[0][2])
    }

    @Test(
        "that are not as expected are refused with the key's name",
        arguments: [
            ("\"workload\": \"generate\", \"max_new_tokens\": 3, \(requests)", "workload"),
            ("\"workload\": \"mixed\", \(requests)", "max_new_tokens"),
            ("\"workload\": \"mixed\", \"max_new_tokens\": 3, \"requests\": []", "requests"),
            (
                "\"workload\": \"mixed\", \"max_new_tokens\": 3, \"requests\": [{\"task\": \"c\", \"input_ids\": [5]}]",
                "tensor c"
            ),
            (
                "\"workload\": \"mixed\", \"max_new_tokens\": 3, \"requests\": [{\"task\": \"a\", \"input_ids\": [2.5]}]",
                "requests[0]"
            ),
            ("\"workload\": \"mixed\", \"labels\": {\"a\": [[11, 1], [12]]}, \(requests)", "labels.a"),
        ])
    func refused(rest: String, key: String) throws {
        let settings = try write(rest)
        let error = #expect(throws: BenchmarkError.self) { try settings.measure(.mixed) }
        #expect(error?.message.contains(key) == true, "\(String(describing: error))")
    }

    @Test("that the core cannot answer end the measurement")
    func unanswered() throws {
        let settings = try write(
            "\"workload\": \"mixed\", \"max_new_tokens\": 3, \"requests\": [{\"task\": \"a\", \"input_ids\": [9999999]}]"
        )
        let error = #expect(throws: BenchmarkError.self) { try settings.measure(.mixed) }
        #expect(error?.message.contains("not answered") == true)
    }
}
