import JSON
import T5
import Testing

@Suite("Decoding options")
struct DecodingOptionsTests {
    private func read(
        _ object: JSONObject, at prefix: String = "decoding.",
        over defaults: DecodingOptions = DecodingOptions()
    ) throws(T5Error) -> DecodingOptions {
        let reader = try ObjectReader(object, prefix: prefix) { T5Error(.input, $0) }
        return try DecodingOptions(reader, over: defaults)
    }

    private func read(_ text: String) throws -> DecodingOptions {
        try read(#require(try JSONValue.parse(text).object))
    }

    private func expectRefusal(_ mentions: String..., body: () throws(T5Error) -> DecodingOptions) {
        let error = #expect(throws: T5Error.self) { try body() }
        for mention in mentions {
            #expect(error?.message.contains(mention) == true, "\(mention), \(error as Any)")
        }
    }

    @Test("the defaults are greedy decoding")
    func greedy() throws {
        let defaults = DecodingOptions()
        #expect(defaults.beamCount == 1)
        #expect(defaults.temperature == 0)
        #expect(defaults.topK == 0)
        #expect(defaults.topP == 1)
        #expect(defaults.lengthPenalty == 1)
        #expect(!defaults.earlyStopping)
        #expect(defaults.repetitionPenalty == 1)
        #expect(defaults.minimumNewTokens == 0)
        #expect(defaults.stop == [])
        #expect(defaults.seed == nil)
        #expect(defaults.returnedSequences == 1)
        #expect(try read(JSONObject()) == defaults)
        #expect(defaults.problem() == nil)
    }

    @Test("every key is read and written")
    func everyKey() throws {
        let text = #"""
            {"num_beams":1,"temperature":0.5,"top_k":40,"top_p":0.9,"length_penalty":-0.5,"early_stopping":true,"repetition_penalty":1.2,"min_new_tokens":2,"stop":["\n","END"],"seed":17,"num_return_sequences":3}
            """#
        let decoding = try read(text)
        #expect(decoding.temperature == 0.5)
        #expect(decoding.topK == 40)
        #expect(decoding.topP == 0.9)
        #expect(decoding.lengthPenalty == -0.5)
        #expect(decoding.earlyStopping)
        #expect(decoding.repetitionPenalty == 1.2)
        #expect(decoding.minimumNewTokens == 2)
        #expect(decoding.stop == ["\n", "END"])
        #expect(decoding.seed == 17)
        #expect(decoding.returnedSequences == 3)
        #expect(JSONValue.object(decoding.json).line == text)
        #expect(decoding.json.keys == DecodingOptions.keys)
    }

    @Test("a request overrides single fields and keeps the others")
    func overrides() throws {
        var defaults = DecodingOptions()
        defaults.beamCount = 4
        defaults.lengthPenalty = 2
        let request = try #require(
            try JSONValue.parse(#"{"id": 1, "task": "t", "length_penalty": 0.5, "seed": 3}"#).object)
        let decoding = try read(request, over: defaults)
        #expect(decoding.beamCount == 4)
        #expect(decoding.lengthPenalty == 0.5)
        #expect(decoding.seed == 3)
    }

    @Test(
        "a wrong type or a value out of range is refused with its key, what was found and what was expected",
        arguments: [
            ("num_beams", "0", "the number 0", "from 1 to 256"),
            ("num_beams", "257", "the number 257", "from 1 to 256"),
            ("num_beams", "\"2\"", "the string \"2\"", "an integer"),
            ("num_beams", "1.5", "the number 1.5", "an integer"),
            ("temperature", "-1", "the number -1", "0 or a number from 0.001 to 100"),
            ("temperature", "0.0001", "the number 0.0001", "0.001"),
            ("temperature", "101", "the number 101", "100"),
            ("temperature", "1e999", "the number 1e999", "a number"),
            ("temperature", "null", "null", "a number"),
            ("top_k", "-1", "the number -1", "from 0 to 1000000"),
            ("top_p", "0", "the number 0", "above 0 and at most 1"),
            ("top_p", "1.01", "the number 1.01", "above 0 and at most 1"),
            ("length_penalty", "11", "the number 11", "from -10 to 10"),
            ("early_stopping", "1", "the number 1", "true or false"),
            ("repetition_penalty", "0", "the number 0", "above 0"),
            ("repetition_penalty", "101", "the number 101", "at most 100"),
            ("min_new_tokens", "-1", "the number -1", "from 0 to 65536"),
            ("stop", "\"x\"", "the string \"x\"", "an array of strings"),
            ("stop[1]", #"["x", 2]"#, "the number 2", "a string"),
            ("stop[0]", #"[""]"#, "0 bytes", "1 to 1024"),
            ("seed", "-1", "the number -1", "an integer of at least 0"),
            ("seed", "9223372036854775808", "9223372036854775808", "an integer of at least 0"),
            ("num_return_sequences", "0", "the number 0", "from 1 to 256"),
        ])
    func refused(key: String, value: String, found: String, expected: String) throws {
        let member = key.hasPrefix("stop") ? "stop" : key
        var options = JSONObject()
        options[member] = try JSONValue.parse(value)
        expectRefusal("\"decoding.\(key)\"", found, "was found", expected) { () throws(T5Error) in
            try read(options)
        }
        expectRefusal("\"\(key)\"", expected) { () throws(T5Error) in try read(options, at: "") }
    }

    @Test("stop texts are few and short")
    func stopLimits() throws {
        func options(_ count: Int, _ length: Int) -> JSONObject {
            let text = String(repeating: "x", count: length)
            return JSONObject([("stop", .array(Array(repeating: .string(text), count: count)))])
        }
        #expect(try read(options(16, 1_024)).stop.count == 16)
        expectRefusal("17 texts") { () throws(T5Error) in try read(options(17, 1)) }
        expectRefusal("1025 bytes") { () throws(T5Error) in try read(options(1, 1_025)) }
    }

    @Test(
        "options that contradict each other are refused",
        arguments: [
            (#"{"num_beams":2,"temperature":1}"#, ["num_beams", "temperature"]),
            (#"{"num_return_sequences":2}"#, ["num_return_sequences", "num_beams"]),
            (#"{"num_beams":4,"num_return_sequences":5}"#, ["num_return_sequences"]),
        ])
    func contradictions(text: String, mentions: [String]) throws {
        let error = #expect(throws: T5Error.self) { try read(text) }
        for mention in mentions { #expect(error?.message.contains("decoding." + mention) == true) }
    }

    @Test("several sequences come of beams or of samples")
    func severalSequences() throws {
        #expect(try read(#"{"num_beams":4,"num_return_sequences":4}"#).returnedSequences == 4)
        #expect(try read(#"{"temperature":1,"num_return_sequences":9}"#).returnedSequences == 9)
    }
}
