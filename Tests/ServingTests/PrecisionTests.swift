import Foundation
import Serving
import T5
import Tasks
import TestSupport
import Testing

/// What the fast modes change on the shipped tasks, measured against float32.
@Suite("Fast modes on the labelled samples")
struct PrecisionTests {
    @Test(
        "labels agree with float32's and scores drift little",
        arguments: [(T5Core.Precision.bfloat16, 0.995, 0.01), (.int8, 0.99, 0.04)])
    func agreement(precision: T5Core.Precision, agreement: Double, drift: Double) throws {
        let fixture = try Fixture()
        try fixture.register()
        let requests = try Fixture.taskNames.flatMap { task in
            let file = Repository.prompt(task) + "/sample.jsonl"
            let definition = try TaskFolder(path: Repository.prompt(task)).definition
            let reader = try LabelledExampleReader(definition, unknownLabels: .refuse)
            let bytes = try #require(FileManager.default.contents(atPath: file))
            return try reader.read(Array(bytes), file: file).examples.map {
                InferenceRequest(task: task, input: .rendered($0.input))
            }
        }
        #expect(requests.count >= 8 * 30)
        let core = try T5Core(Repository.core, precision: precision, pool: fixture.pool)
        let fast = InferenceEngine(
            core: core, tokenizer: fixture.tokenizer, store: fixture.store, pool: fixture.pool)
        var same = 0
        var total = 0.0
        for (answer, reference) in zip(fast.answer(requests), fixture.engine().answer(requests)) {
            let (answer, reference) = (try answer.result.get(), try reference.result.get())
            if answer.label == reference.label { same += 1 }
            let scores = try #require(answer.scores)
            total +=
                zip(scores, reference.scores ?? []).map { abs($0.probability - $1.probability) }.max() ?? 1
        }
        let share = Double(same) / Double(requests.count)
        print("\(precision.rawValue): \(same) of \(requests.count) labels as float32's, ", terminator: "")
        print("mean drift of a request's scores \(total / Double(requests.count))")
        #expect(share >= agreement)
        #expect(total / Double(requests.count) < drift)
    }
}
