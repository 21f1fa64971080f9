import JSON
import Serving
import T5
import Testing

/// How answers are generated: the task's settings, and those that a request changes.
@Suite("Decoding of requests")
struct DecodingRequestTests {
    let fixture: Fixture

    init() throws {
        fixture = try Fixture()
        try publish("plain", "{}")
    }

    private func publish(_ name: String, _ decoding: String) throws {
        try fixture.publish(
            #"{"name": "\#(name)", "template": "{input}", "max_new_tokens": 12, "decoding": \#(decoding)}"#)
    }

    private func answer(_ task: String, _ options: String = "", input: String = "tell me about the sea")
        throws
        -> JSONObject
    {
        try fixture.answer([#"{"task": "\#(task)", "input": "\#(input)"\#(options)}"#])[0]
    }

    @Test("the settings of a task and of a request reach the core")
    func settings() throws {
        let session = T5Session(core: fixture.core, pool: fixture.pool)
        let encoded = try session.encode([T5Input(rows: [], ids: [3000, 4000, 5000, 1])])
        var beams = GenerationOptions(maximumNewTokens: 12)
        beams.decoding.beamCount = 5
        var samples = GenerationOptions(maximumNewTokens: 12)
        samples.decoding.temperature = 1.5
        samples.decoding.topK = 30
        samples.decoding.topP = 0.95
        samples.decoding.seed = 9
        let expected = try session.generate(
            encoded, [(0, GenerationOptions(maximumNewTokens: 12)), (0, beams), (0, samples)])
        let request = #"{"task": null, "input_ids": [3000, 4000, 5000, 1], "max_tokens": 12"#
        let responses = try fixture.answer([
            request + "}", request + #", "num_beams": 5}"#,
            request + #", "temperature": 1.5, "top_k": 30, "top_p": 0.95, "seed": 9}"#,
        ])
        #expect(responses.map { $0["output_ids"] } == expected.map { JSONValue($0.ids.map(Int.init)) })
        #expect(Set(responses.map { $0["output"]?.line }).count == 3)
    }

    @Test(
        "a task's penalties, minimum length and beams are used, and a request may override what it may name")
    func taskDefaults() throws {
        try publish("forced", #"{"min_new_tokens": 12}"#)
        let forced = try answer("forced")
        #expect(forced["usage"]?.object?["output_tokens"] == 12 && forced["finish_reason"] == "length")
        #expect(forced["output_ids"]?.array?.contains(1) == false)
        try publish("varied", #"{"repetition_penalty": 50.0, "min_new_tokens": 12}"#)
        let response = try answer("varied")
        let varied = (response["output_ids"]?.array ?? []).compactMap(\.int)
        #expect(varied.count == 12 && Set(varied).count == 12)
        try publish("beams", #"{"num_beams": 4, "length_penalty": 2.0, "early_stopping": true}"#)
        #expect(
            try answer("beams", #", "num_beams": 1"#)["output_ids"] == (try answer("plain"))["output_ids"])
    }

    @Test("a seed gives the same answer again, another seed or none another one")
    func seeds() throws {
        func ids(_ options: String) throws -> JSONValue? {
            try answer("plain", #", "temperature": 2.0\#(options)"#)["output_ids"]
        }
        #expect(try ids(#", "seed": 3"#) == (try ids(#", "seed": 3"#)))
        #expect(try Set((0..<6).map { try ids(#", "seed": \#($0)"#)?.line }).count > 3)
        #expect(try Set((0..<6).map { _ in try ids("")?.line }).count > 3)
    }

    @Test("several outputs come besides the best one")
    func severalOutputs() throws {
        #expect(try answer("plain")["outputs"] == nil)
        try publish("drafts", #"{"num_beams": 4, "num_return_sequences": 3}"#)
        try publish("ideas", #"{"temperature": 1.5, "num_return_sequences": 3, "seed": 1}"#)
        for task in ["drafts", "ideas"] {
            let response = try answer(task)
            let outputs = (response["outputs"]?.array ?? []).compactMap(\.object)
            #expect(outputs.count == 3 && Set(outputs.map { $0["output_ids"]?.line }).count == 3)
            #expect(outputs[0].keys == ["output", "output_ids", "finish_reason"])
            for key in outputs[0].keys { #expect(outputs[0][key] == response[key]) }
            let count = outputs.reduce(0) { $0 + ($1["output_ids"]?.array?.count ?? 0) }
            #expect(response["usage"]?.object?["output_tokens"]?.int == count)
        }
    }

    @Test("generation ends at a stop text, which the output does not have")
    func stop() throws {
        try publish("forced", #"{"min_new_tokens": 12}"#)
        let whole = try answer("forced")
        let text = try #require(whole["output"]?.string)
        #expect(text.count > 12)
        // A text that spans pieces, from within one to within another.
        let start = text.index(text.startIndex, offsetBy: 4)
        let stop = String(text[start..<text.index(start, offsetBy: 6)])
        let cut = try #require(text.utf8.firstRange(of: stop.utf8)).lowerBound
        let quoted = JSONValue.array(["never said", .string(stop)]).line
        try publish("stopped", #"{"min_new_tokens": 12, "stop": \#(quoted)}"#)
        let response = try answer("stopped")
        #expect(response["output"]?.string == String(text[..<cut]))
        #expect(response["finish_reason"] == "stop")
        let ids = try #require(response["output_ids"]?.array)
        #expect(ids.count < 12 && ids == whole["output_ids"]?.array.map { Array($0.prefix(ids.count)) })

        try publish(
            "stopped-beams", #"{"num_beams": 3, "num_return_sequences": 3, "stop": ["a", "e", "i", "o"]}"#)
        let beams = try answer("stopped-beams")
        let outputs = (beams["outputs"]?.array ?? []).compactMap(\.object)
        #expect(outputs.count == 3)
        for output in outputs { #expect(output["output"]?.string?.contains(where: "aeio".contains) == false) }
    }

    @Test("an ensemble answers with what most members say best")
    func ensemble() throws {
        let definition =
            #"{"name": "vote", "template": "{input}", "max_new_tokens": 5, "decoding": {"num_beams": 2, "num_return_sequences": 2}}"#
        let members = try [1, 2].map { try fixture.publish(definition, seed: $0).id }
        _ = try fixture.store.setAlias("most", to: .ensemble(members: members, combine: .majority))
        let response = try answer("most")
        let first = try answer("vote@1")
        for key in ["output", "output_ids", "outputs", "finish_reason"] {
            #expect(response[key] == first[key])
        }
    }

    @Test(
        "settings that contradict the task's are refused",
        arguments: [
            ("plain", #", "num_beams": 2, "temperature": 1"#, "num_beams"),
            ("plain", #", "num_beams": 0"#, "num_beams"), ("plain", #", "top_p": 0"#, "top_p"),
            ("plain", #", "seed": -1"#, "seed"), ("plain", #", "top_k": 1.5"#, "top_k"),
            ("drafts", #", "num_beams": 2"#, "num_return_sequences"),
        ])
    func refusals(task: String, options: String, message: String) throws {
        try publish("drafts", #"{"num_beams": 4, "num_return_sequences": 3}"#)
        let failure = try fixture.failure(#"{"task": "\#(task)", "input": "x"\#(options)}"#)
        #expect(failure.code == "invalid_request" && failure.message.contains(message), "\(failure)")
    }
}
