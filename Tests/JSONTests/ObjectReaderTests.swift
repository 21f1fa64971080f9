import JSON
import Testing

@Suite("The reader of objects")
struct ObjectReaderTests {
    private struct Refusal: Error, Equatable {
        let message: String
        init(_ message: String) { self.message = message }
    }

    private enum Shape: String, CaseIterable { case round, flat }

    private func reader(
        _ text: String, at place: String = "", keys: [String]? = nil, nullIsAbsent: Bool = false
    ) throws -> ObjectReader<Refusal> {
        try ObjectReader(
            parsing: text.utf8, at: place, keys: keys, nullIsAbsent: nullIsAbsent, failure: Refusal.init)
    }

    private func refusal(_ body: () throws -> Void) -> String? {
        #expect(throws: Refusal.self) { try body() }?.message
    }

    @Test("gives members by type")
    func types() throws {
        let reader = try reader(
            #"{"s": "x", "b": true, "i": 3.0, "n": 0.5, "c": "flat", "o": {"k": 1}, "a": [1, 2], "f": [0.5, 1]}"#
        )
        #expect(try reader.require("s").string() == "x")
        #expect(try reader.require("b").boolean())
        #expect(try reader.require("i").integer() == 3)
        #expect(try reader.require("i").integer(in: 0...UInt8.max) == 3 as UInt8)
        #expect(try reader.require("n").number() == 0.5)
        #expect(try reader.require("n").number(in: 0...0.5) == 0.5)
        #expect(try reader.require("n").number(in: 0.5..<1) == 0.5)
        #expect(try reader.require("c").choice() == Shape.flat)
        #expect(try reader.require("o").object(keys: ["k"]).require("k").integer() == 1)
        #expect(try reader.require("a").integers(in: 1...2) == [1, 2])
        #expect(try reader.require("a").elements(of: "numbers").map { try $0.number() } == [1, 2])
        #expect(try reader.require("f").floats(count: 2) == [0.5, 1])
        #expect(try ["s", "b", "n"].map { try reader.require($0).scalarText() } == ["x", "true", "0.5"])
    }

    @Test("says what was found and what was expected, in the same words for every type")
    func wrongTypes() throws {
        let reader = try reader(#"{"o": {"v": [1, "x"]}}"#, at: "a.json")
        let object = try reader.require("o").object()
        let member = try object.require("v")
        let found = "a.json: \"o.v\": an array of 2 was found, "
        let expected: [(String, () throws -> Void)] = [
            ("a string", { _ = try member.string() }),
            ("true or false", { _ = try member.boolean() }),
            ("a string, a number or a boolean", { _ = try member.scalarText() }),
            ("an integer", { _ = try member.integer(in: Int.min...Int.max) }),
            ("an integer of at least 1", { _ = try member.integer(in: 1...Int.max) }),
            ("an integer from 1 to 9", { _ = try member.integer(in: 1...9) }),
            ("a number", { _ = try member.number() }),
            ("a number from 0 to 0.5", { _ = try member.number(in: 0...0.5) }),
            ("a number of at least 0 and below 1", { _ = try member.number(in: 0..<1) }),
            ("one of \"round\", \"flat\"", { _ = try member.choice() as Shape }),
            ("an object", { _ = try member.object() }),
            ("an array of 3 numbers", { _ = try member.floats(count: 3) }),
            ("an array of at least 3 integers", { _ = try member.integers(in: 0...9, count: 3...Int.max) }),
            ("an array of 3 to 4 strings", { _ = try member.strings(count: 3...4) }),
            ("an even number", { throw member.refusal("an even number") }),
        ]
        for (expected, read) in expected { #expect(refusal(read) == found + expected + " was expected") }
        #expect(
            refusal { throw member.refusal("one", found: "two") }
                == "a.json: \"o.v\": two was found, one was expected")
    }

    @Test(
        "says what was found, cut to a line",
        arguments: [
            ("null", "null"), ("true", "true"), ("12.50", "the number 12.50"), ("\"x\"", "the string \"x\""),
            ("[]", "an empty array"), ("[1]", "an array of 1"), ("{}", "an object"),
            (
                "\"" + String(repeating: "x", count: 120) + "\"",
                "the string \"" + String(repeating: "x", count: 72) + "…" + String(repeating: "x", count: 24)
                    + "\""
            ),
        ])
    func found(text: String, found: String) throws {
        #expect(try JSONValue.parse(text).found == found)
    }

    @Test("names an array's element by its place")
    func elements() throws {
        let array = try reader(#"{"a": [[1, 2], [3, 1e9]]}"#).require("a")
        #expect(
            refusal { _ = try array.elements(of: "arrays").map { try $0.integers(in: 0...9) } }
                == "\"a[1][1]\": the number 1e9 was found, an integer from 0 to 9 was expected")
        #expect(
            refusal { _ = try array.elements(of: "objects").map { try $0.object() } }
                == "\"a[0]\": an array of 2 was found, an object was expected")
        #expect(
            refusal { _ = try array.floats(count: 2) }
                == "\"a[0]\": an array of 2 was found, a number was expected")
        #expect(array.path == "a")
    }

    @Test("refuses unknown keys by name and says which there are")
    func unknownKeys() throws {
        #expect(
            refusal { _ = try reader(#"{"x": 1, "z": 2}"#, at: "f:3", keys: ["x", "y"]) }
                == "f:3: unknown key \"z\"; the keys are x, y")
        let open = try reader(#"{"o": {"z": null}}"#, nullIsAbsent: true)
        #expect(
            refusal { _ = try open.require("o").object(keys: ["x"]) }
                == "unknown key \"o.z\"; the keys are x")
        #expect(
            refusal { try open.allow(["method"], of: "the method full") }
                == "unknown key \"o\"; the keys of the method full are method")
    }

    @Test("says that a required member is missing, and what to do")
    func missing() throws {
        let reader = try reader("{}", at: "train.json")
        #expect(reader["x"] == nil)
        #expect(refusal { _ = try reader.require("x") } == "train.json: the key \"x\" is missing")
        #expect(
            refusal { _ = try reader.require("core", "give --core DIR") }
                == "train.json: the key \"core\" is missing; give --core DIR")
    }

    @Test("takes null for a value, or for no member where the document says so")
    func null() throws {
        let strict = try reader(#"{"x": null}"#)
        #expect(refusal { _ = try strict["x"]?.string() } == "\"x\": null was found, a string was expected")
        let lenient = try reader(#"{"x": null, "o": {"y": null}, "a": [null]}"#, nullIsAbsent: true)
        #expect(lenient["x"] == nil)
        #expect(refusal { _ = try lenient.require("x") } == "the key \"x\" is missing")
        #expect(try lenient.require("o").object()["y"] == nil)
        #expect(
            refusal { _ = try lenient.require("a").strings() }
                == "\"a[0]\": null was found, a string was expected")
    }

    @Test("refuses a document that is not JSON, or no object")
    func documents() throws {
        #expect(refusal { _ = try reader("{", at: "f") }?.hasPrefix("f: not JSON: ") == true)
        #expect(
            refusal { _ = try reader("[]", at: "f") } == "f: an empty array was found, an object was expected"
        )
        #expect(refusal { _ = try reader("3") } == "the number 3 was found, an object was expected")
    }

    @Test("reads members of an object made in code, with a prefix")
    func prefix() throws {
        let reader = try ObjectReader(
            JSONObject([("rows", 0)]), at: "options", prefix: "method.", keys: ["rows"], failure: Refusal.init
        )
        #expect(
            refusal { _ = try reader.require("rows").integer(in: 1...9) }
                == "options: \"method.rows\": the number 0 was found, an integer from 1 to 9 was expected")
        #expect(refusal { throw reader.refusal("too much") } == "options: too much")
        let value = ValueReader([1], at: "f", path: "labels", failure: Refusal.init)
        #expect(
            refusal { _ = try value.string() }
                == "f: \"labels\": an array of 1 was found, a string was expected")
    }
}
