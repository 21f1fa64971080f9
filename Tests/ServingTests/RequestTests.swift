import Foundation
import JSON
import PromptStore
import Serving
import Tasks
import Testing
import Tokenization

@Suite("Requests and responses")
struct RequestTests {
    let fixture: Fixture

    init() throws {
        fixture = try Fixture()
        try fixture.register(["spam"])
    }

    @Test(
        "ids are echoed as they came",
        arguments: ["1", "1.0", "12345678901234567890", "1e2", "\"a\\u00e9\"", "\"\""])
    func idEcho(id: String) throws {
        let answer = try fixture.answer([#"{"id": \#(id), "task": "spam", "input": "hi"}"#])[0]
        #expect(answer["id"] == (try JSONValue.parse(id)))
        let error = try fixture.answer([#"{"id": \#(id), "task": "none", "input": "hi"}"#])[0]
        #expect(error["id"] == (try JSONValue.parse(id)))
    }

    @Test("a response without a request's id has none")
    func noID() throws {
        #expect(try fixture.answer([#"{"task": "spam", "input": "hi"}"#])[0]["id"] == nil)
    }

    @Test("a response to a task with labels")
    func labels() throws {
        let response = try fixture.answer([
            #"{"id": 1, "task": "spam", "input": "CONGRATULATIONS! You have won a £2000 prize. To claim call 0800 now"}"#
        ])[0]
        #expect(
            response.keys == [
                "id", "task", "version", "output", "output_ids", "label", "scores", "finish_reason", "usage",
            ])
        #expect(response["task"] == "spam" && response["version"] == 1)
        #expect(response["label"] == "spam" && response["output"] == "spam")
        #expect(response["scores"]?.object?.keys == ["not spam", "spam"])
        #expect(response["finish_reason"] == "stop")
        let ids = fixture.tokenizer.encode("spam").map(Int.init)
        #expect(response["output_ids"] == JSONValue(ids))
        let usage = try #require(response["usage"]?.object)
        #expect(usage["prompt_tokens"] == 20)
        #expect(
            usage["input_tokens"]?.int
                == fixture.tokenizer.encode(
                    "CONGRATULATIONS! You have won a £2000 prize. To claim call 0800 now"
                ).count)
        #expect(usage["output_tokens"]?.int == ids.count)
        #expect(usage["truncated"] == nil)
    }

    @Test("a request may choose among the labels")
    func chosenLabels() throws {
        let response = try fixture.answer([
            #"{"task": "spam", "input": "CONGRATULATIONS! You have won a £2000 prize. To claim call 0800 now", "labels": ["not spam"]}"#
        ])[0]
        #expect(response["label"] == "not spam")
        #expect(response.scores() == ["not spam": 1])
        let failure = try fixture.failure(#"{"task": "spam", "input": "x", "labels": ["eggs"]}"#)
        #expect(failure.code == "invalid_request" && failure.message.contains("eggs"))
    }

    @Test("the bare core generates, and scores texts that the request brings")
    func bareCore() throws {
        let responses = try fixture.answer([
            #"{"task": null, "input": "hello", "max_tokens": 3}"#,
            #"{"task": null, "input": "hello", "labels": ["yes", "no"]}"#,
            #"{"task": null, "input_ids": [5, 6, 1], "max_tokens": 1}"#,
        ])
        #expect(responses[0]["version"] == nil && responses[0]["task"] == .null)
        #expect(responses[0]["usage"]?.object?["prompt_tokens"] == 0)
        #expect(Set(responses[1].scores().keys) == ["yes", "no"])
        #expect(responses[2]["output_ids"]?.array?.count == 1)
        #expect(responses[2]["finish_reason"] == "length" || responses[2]["output_ids"] == [1])
    }

    @Test("text over the limit is cut, the end-of-sequence id kept as the last, and the response says so")
    func truncation() throws {
        try fixture.publish(
            #"{"name": "short", "template": "{input}", "max_input_tokens": 4, "max_new_tokens": 3}"#)
        let long = "one two three four five six seven"
        let ids = Array(fixture.tokenizer.encode(long).prefix(3)) + [1]
        let responses = try fixture.answer([
            #"{"task": "short", "input": "\#(long)"}"#,
            #"{"task": "short", "input_ids": \#(ids)}"#,
            #"{"task": "short", "input": "one"}"#,
        ])
        #expect(responses[0]["usage"]?.object?["truncated"] == true)
        #expect(responses[0]["usage"]?.object?["input_tokens"] == 4)
        #expect(responses[1]["usage"]?.object?["truncated"] == nil)
        #expect(responses[0]["output_ids"] == responses[1]["output_ids"])
        #expect(responses[2]["usage"]?.object?["truncated"] == nil)
        let failure = try fixture.failure(#"{"task": "short", "input_ids": [5, 6, 7, 8, 1]}"#)
        #expect(failure.code == "input_too_long" && failure.message.contains("at most 4"))
    }

    @Test("templates with several fields take an object")
    func fields() throws {
        try fixture.publish(
            #"{"name": "pair", "template": "premise: {premise} hypothesis: {hypothesis}", "max_new_tokens": 2}"#
        )
        let responses = try fixture.answer([
            #"{"task": "pair", "input": {"premise": "a {hypothesis}", "hypothesis": "b"}}"#,
            #"{"task": "pair", "input": "a"}"#, #"{"task": "pair", "input": {"premise": "a"}}"#,
            #"{"task": "pair", "input": {"premise": "a", "hypothesis": "b", "c": "d"}}"#,
        ])
        let rendered = fixture.tokenizer.encode("premise: a {hypothesis} hypothesis: b").count
        #expect(responses[0]["usage"]?.object?["input_tokens"]?.int == rendered)
        for response in responses.dropFirst() {
            #expect(response["error"]?.object?["code"] == "invalid_request")
        }
    }

    @Test("versions are named with @, and a name means its newest")
    func versions() throws {
        let definition = #"{"name": "writer", "template": "{input}", "max_new_tokens": 2}"#
        try fixture.publish(definition, seed: 1)
        try fixture.publish(definition, seed: 2)
        let responses = try fixture.answer(
            ["writer", "writer@1", "writer@2"].map { #"{"task": "\#($0)", "input": "x"}"# })
        #expect(responses.map { $0["version"]?.int } == [2, 1, 2])
        #expect(responses.allSatisfy { $0["task"] == "writer" })
        #expect(try fixture.failure(#"{"task": "writer@3", "input": "x"}"#).code == "unknown_task")
    }

    @Test("an engine serves what is published while it runs")
    func publishedWhileRunning() throws {
        let engine = fixture.engine()
        let request = InferenceRequest(task: "late", input: .text("x"), maximumNewTokens: 1)
        #expect(throws: ServingError.self) { try engine.answer([request])[0].result.get() }
        for version in 1...3 {
            try fixture.publish(#"{"name": "late", "template": "{input}"}"#, seed: UInt64(version))
            #expect(try engine.answer([request])[0].result.get().version == version)
        }
        _ = try fixture.store.rollback("late")
        #expect(try engine.answer([request])[0].result.get().version == 2)
        _ = try fixture.store.remove("late")
        #expect(throws: ServingError.self) { try engine.answer([request])[0].result.get() }
    }

    @Test(
        "requests that cannot be answered get an error that says why",
        arguments: [
            ("{", "invalid_json", "byte 1"),
            ("[]", "invalid_request", "an empty array was found, an object was expected"),
            ("{\"task\": \"spam\", \"input\": \"\u{1}\"}", "invalid_json", "control character"),
            (#"{"input": "x"}"#, "invalid_request", #""task" is missing"#),
            (#"{"task": 5, "input": "x"}"#, "invalid_request", #""task": the number 5 was found, a string"#),
            (#"{"task": "spam"}"#, "invalid_request", #""input" is missing"#),
            (
                #"{"task": "spam", "input": 5}"#, "invalid_request",
                #""input": the number 5 was found, a string or"#
            ),
            (#"{"task": "spam", "input": "x", "input_ids": [1]}"#, "invalid_request", "both"),
            (#"{"task": "spam", "input": "x", "inputs": 1}"#, "invalid_request", "inputs"),
            (#"{"task": "spam", "input_ids": []}"#, "invalid_request", "an empty array"),
            (#"{"task": "spam", "input_ids": "5"}"#, "invalid_request", #""input_ids": the string "5""#),
            (#"{"task": "spam", "input_ids": [1.5]}"#, "invalid_request", "input_ids[0]"),
            (#"{"task": "spam", "input_ids": [5, -1]}"#, "id_out_of_range", "input_ids[1] is -1"),
            (#"{"task": "spam", "input_ids": [8192]}"#, "id_out_of_range", "0 to 8191"),
            (#"{"task": "spam", "input_ids": [99999999999]}"#, "id_out_of_range", "99999999999"),
            (#"{"task": "spam", "input": "x", "max_tokens": 0}"#, "invalid_request", "max_tokens"),
            (#"{"task": "spam", "input": "x", "max_tokens": "5"}"#, "invalid_request", "max_tokens"),
            (#"{"task": "spam", "input": "x", "max_tokens": 1000000000}"#, "invalid_request", "max_tokens"),
            (#"{"task": "spam", "input": "x", "top_p": "high"}"#, "invalid_request", "top_p"),
            (#"{"task": "spam", "input": "x", "temperature": -1}"#, "invalid_request", "temperature"),
            (#"{"task": "spam", "input": "x", "labels": []}"#, "invalid_request", "labels"),
            (#"{"task": "spam", "input": "x", "labels": [1]}"#, "invalid_request", "labels[0]"),
            (#"{"task": "spam", "input": "x", "labels": ["spam", "spam"]}"#, "invalid_request", "spam"),
            (#"{"task": "spam", "input": "x", "id": [1]}"#, "invalid_request", #""id": an array"#),
            (#"{"task": "nothing", "input": "x"}"#, "unknown_task", "nothing"),
            (#"{"task": "spam@9", "input": "x"}"#, "unknown_task", "spam@9"),
            (#"{"task": "../etc/passwd", "input": "x"}"#, "unknown_task", "passwd"),
            (#"{"task": "", "input": "x"}"#, "unknown_task", "name"),
        ])
    func refusals(line: String, code: String, message: String) throws {
        let failure = try fixture.failure(line)
        #expect(failure.code == code, "\(failure)")
        #expect(failure.message.contains(message), "\(failure)")
    }

    @Test("a task of another core is refused, and the others are answered")
    func otherCore() throws {
        let other = String(repeating: "ab", count: 32)
        try fixture.publish(#"{"name": "foreign", "template": "{input}"}"#, core: other)
        let responses = try fixture.answer([
            #"{"task": "foreign", "input": "x"}"#, #"{"task": "spam", "input": "x"}"#,
        ])
        #expect(responses[0]["error"]?.object?["code"] == "wrong_core")
        #expect(responses[0]["error"]?.object?["message"]?.string?.contains(other) == true)
        #expect(responses[1]["label"] != nil)
    }

    @Test("an ensemble answers with its members' mean or majority")
    func ensembles() throws {
        let labels = #""labels": [{"label": "a", "text": "yes"}, {"label": "b", "text": "no"}]"#
        let definition = #"{"name": "vote", "template": "{input}", \#(labels)}"#
        let members = try (1...3).map { try fixture.publish(definition, rows: 5, seed: $0).id }
        _ = try fixture.store.setAlias("mean", to: .ensemble(members: members, combine: .mean))
        _ = try fixture.store.setAlias("most", to: .ensemble(members: members, combine: .majority))
        let texts = ["one", "two words", "quite a few more words here", "four", "is it so?"]
        for text in texts {
            let tasks = members.map(\.description) + ["mean", "most"]
            let responses = try fixture.answer(tasks.map { #"{"task": "\#($0)", "input": "\#(text)"}"# })
            let single = responses.prefix(3).map { $0.scores() }
            let mean = single.map { $0["a"] ?? 0 }.reduce(0, +) / 3
            #expect(abs((responses[3].scores()["a"] ?? 0) - mean) < 1e-5)
            #expect(responses[3]["task"] == "mean" && responses[3]["version"] == nil)
            #expect(responses[3]["usage"]?.object?["prompt_tokens"] == 15)
            let votes = Double(responses.prefix(3).filter { $0["label"] == "a" }.count) / 3
            #expect(abs((responses[4].scores()["a"] ?? -1) - votes) < 1e-5)
            #expect(responses[4]["label"] == (votes > 0.5 ? "a" : "b"))
        }
    }

    @Test("labels that the tokenizer cannot tell apart are refused")
    func indistinguishableLabels() throws {
        // Neither character is in the vocabulary: both texts are the unknown id.
        let definition =
            #"{"name": "same", "template": "{input}", "labels": [{"label": "a", "text": "龘"}, {"label": "b", "text": "靐"}]}"#
        try fixture.publish(definition)
        let failure = try fixture.failure(#"{"task": "same", "input": "x"}"#)
        #expect(failure.code == "task_unusable" && failure.message.contains("\"a\" and \"b\""))
    }

    @Test("empty text, sentinels and very long text are answered")
    func unusualText() throws {
        let long = String(repeating: "word ", count: 200_000)
        let responses = try fixture.answer([
            #"{"task": "spam", "input": ""}"#, #"{"task": "spam", "input": "a <extra_id_0> b </s> <pad>"}"#,
            #"{"task": "spam", "input": "\#(long)"}"#, #"{"task": "spam", "input": "\u0000 \ud83d\ude00"}"#,
        ])
        #expect(responses.allSatisfy { $0["label"] != nil })
        #expect(responses[0]["usage"]?.object?["input_tokens"] == 1)
        #expect(responses[2]["usage"]?.object?["input_tokens"] == 96)
    }

    @Test("a template that repeats its field gives the ids of the whole text")
    func repeatedField() throws {
        let byt5 = ByT5Tokenizer()
        let values = ["a", "one two three ", String(repeating: "語", count: 500), "", " "]
        for limit in [1, 7, 64] {
            for template in [
                String(repeating: "{input}", count: 9_000), String(repeating: "<{input}> ", count: 6_000),
            ] {
                let definition = try TaskDefinition(
                    name: "t", template: Template(template), maxInputTokens: limit)
                for value in values {
                    let input = try definition.template.render(value)
                    for tokenizer: any Tokenizer in [fixture.tokenizer, byt5] {
                        let (ids, isTruncated) = try definition.inputIDs(
                            of: input, tokenizer: tokenizer, configuration: fixture.core.configuration)
                        let whole = tokenizer.encode(input.text, limit: limit)
                        #expect(ids == whole.ids && isTruncated == whole.isTruncated)
                    }
                }
            }
        }
    }

    @Test("a line's values have a limit, which is named; labels are told apart by their bytes")
    func valuesAndBytes() throws {
        func line(_ values: Int) -> String {
            // The object, the task and the list are three.
            #"{"task":null,"input_ids":["# + String(repeating: "0,", count: values - 4) + "0]}"
        }
        let most = InferenceRequest.maximumValues
        #expect(try fixture.failure(line(most)).code == "input_too_long")
        let (code, message) = try fixture.failure(line(most + 1))
        #expect(code == "invalid_json" && message.contains("more than 262144 values"))
        let answers = try fixture.answer([
            "{\"task\":null,\"input\":\"a\",\"labels\":[\"x\",\"\u{E9}\u{301}\",\"e\u{301}\u{301}\"]}"
        ])
        // To the tokenizer, which normalizes, both are the same; to the request they are two.
        #expect(
            answers[0]["error"]?.object?["message"]?.string?.contains("are the same pieces") == true,
            "\(JSONValue.object(answers[0]).line)")
    }
}
