import Basics
import Foundation
import JSON
import Serving
import Tensors
import Testing

/// What makes mixing safe: an answer does not depend on who shares the batch.
@Suite("Mixed batches")
struct MixingTests {
    let fixture: Fixture

    init() throws {
        fixture = try Fixture()
        try fixture.register()
        try fixture.publish(#"{"name": "writer", "template": "say: {input}", "max_new_tokens": 6}"#, rows: 40)
        try fixture.publish(
            #"{"name": "drafts", "template": "{input}", "max_new_tokens": 6, "decoding": {"num_beams": 4, "num_return_sequences": 3, "length_penalty": 0.5, "repetition_penalty": 1.2, "min_new_tokens": 2, "stop": ["e", "?"]}}"#
        )
        try fixture.publish(
            #"{"name": "vocabulary", "template": "{input}", "normalize": "vocabulary", "target_prefix": "so:", "labels": [{"label": "y", "text": "yes"}, {"label": "n", "text": "no"}, {"label": "m", "text": "yes and no"}]}"#,
            rows: 1)
    }

    /// Requests for all tasks and forms, of all lengths.
    private func requests(_ count: Int, _ generator: inout SplitMix64) -> [String] {
        let words = "the plan was good but nobody in town had heard of 12 green boats or why they cost £5"
            .split(separator: " ")
        return (0..<count).map { index in
            let task =
                (Fixture.taskNames + ["writer", "drafts", "vocabulary", "null"]).randomElement(
                    using: &generator)
                ?? "spam"
            let text = (0..<Int.random(in: 1...60, using: &generator)).map { _ in
                words.randomElement(using: &generator) ?? "a"
            }.joined(separator: " ")
            let ids = (0..<Int.random(in: 1...40, using: &generator)).map { _ in
                Int.random(in: 3..<8000, using: &generator)
            }
            let input = index % 5 == 0 ? #""input_ids": \#(ids)"# : #""input": "\#(text)""#
            let name = task == "null" ? task : "\"\(task)\""
            // A task that returns several sequences has its own way of decoding.
            let decoding =
                task == "drafts"
                ? ""
                : ["", #""num_beams": 3, "#, #""temperature": 0.9, "top_k": 50, "seed": \#(index), "#]
                    .randomElement(using: &generator) ?? ""
            return #"{"id": \#(index), "task": \#(name), "max_tokens": 5, \#(decoding)\#(input)}"#
        }
    }

    @Test("a request alone and among others, in any order and batch size, gets the same answer")
    func invariance() throws {
        var generator = SplitMix64(state: 11)
        let requests = requests(60, &generator)
        let alone = try requests.map { try fixture.answer([$0])[0] }
        #expect(alone.allSatisfy { $0["error"] == nil })
        #expect(Set(alone.compactMap { $0["task"]?.line }).count == 12)
        for batchRows in [1, 64, 500, 100_000] {
            let order = requests.indices.shuffled(using: &generator)
            let mixed = try fixture.answer(order.map { requests[$0] }, batchRows: batchRows)
            #expect(mixed.count == requests.count)
            for (response, index) in zip(mixed, order) {
                let reference = alone[index]
                #expect(response["id"]?.int == index)
                #expect(response["output_ids"] == reference["output_ids"])
                #expect(response["outputs"] == reference["outputs"])
                #expect(response["label"] == reference["label"])
                #expect(response["usage"] == reference["usage"])
                let scores = response.scores()
                #expect(scores.keys == reference.scores().keys)
                for (label, score) in reference.scores() {
                    #expect(abs(score - (scores[label] ?? .infinity)) < 1e-4)
                }
            }
        }
    }

    @Test("answers come in input order, errors among them")
    func order() throws {
        var generator = SplitMix64(state: 12)
        var lines = requests(40, &generator)
        for index in stride(from: 0, to: 40, by: 7) {
            lines[index] = #"{"id": \#(index), "task": "none", "input": ""}"#
        }
        let responses = try fixture.answer(lines, batchRows: 200)
        #expect(responses.map { $0["id"]?.int } == Array(0..<40))
        for (index, response) in responses.enumerated() {
            #expect((response["error"] != nil) == (index % 7 == 0))
        }
    }

    @Test("probabilities sum to 1 and the label is the likeliest")
    func probabilities() throws {
        for task in Fixture.taskNames + ["vocabulary"] {
            let response = try fixture.answer([#"{"task": "\#(task)", "input": "how much does it cost"}"#])[0]
            let scores = response.scores()
            #expect(abs(scores.values.reduce(0, +) - 1) < 1e-5)
            #expect(scores.max { $0.value < $1.value }?.key == response["label"]?.string)
        }
    }
}
