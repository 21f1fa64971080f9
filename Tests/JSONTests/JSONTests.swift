import JSON
import Testing

@Suite("JSON")
struct JSONTests {
    @Test(
        "numbers keep their text", arguments: ["0", "-0", "1.0", "1e400", "12345678901234567890", "-1.5E+3"])
    func numbersKeepTheirText(text: String) throws {
        #expect(try JSONValue.parse(text).line == text)
    }

    @Test("integers are exact or absent")
    func integers() throws {
        #expect(try JSONValue.parse("9223372036854775807").int == Int.max)
        #expect(try JSONValue.parse("9223372036854775808").int == nil)
        #expect(try JSONValue.parse("3.0").int == 3)
        #expect(try JSONValue.parse("3.5").int == nil)
        #expect(try JSONValue.parse("1e400").double == nil)
    }

    @Test("keys keep their order and documents survive a round trip")
    func roundTrip() throws {
        let text = #"{"b":[1,{"x":null}],"a":"tab\t\"quote\" é 😀\u0001","empty":{},"none":[]}"#
        let value = try JSONValue.parse(text)
        #expect(value.line == text)
        #expect(try JSONValue.parse(value.indented) == value)
    }

    @Test("escapes decode to the characters they name")
    func escapes() throws {
        #expect(try JSONValue.parse(#""\u00e9\ud83d\ude00\/\b""#).string == "é😀/\u{8}")
    }

    @Test(
        "what is not JSON is refused",
        arguments: [
            "", " ", "{", "[1,]", "{\"a\":1,}", "01", "1.", ".5", "+1", "nul", "tru", "\"a", "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "{\"a\":1,\"a\":2}", "{a:1}", "[1 2]", "1 2",
            "\"\n\"",
            "NaN", "{\"a\"}", "[", "-",
        ])
    func refused(text: String) {
        #expect(throws: JSONError.self) { try JSONValue.parse(text) }
    }

    @Test("invalid UTF-8 is refused with its place")
    func invalidUTF8() {
        #expect(throws: JSONError.self) { try JSONValue.parse([0x22, 0xFF, 0x22]) }
        #expect(throws: JSONError.self) { try JSONValue.parse([0x22, 0xED, 0xA0, 0x80, 0x22]) }
    }

    @Test("nesting is bounded")
    func depth() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSONValue.parse(nested(JSONValue.maximumDepth))
        #expect(throws: JSONError.self) { try JSONValue.parse(nested(JSONValue.maximumDepth + 1)) }
        #expect(throws: JSONError.self) { try JSONValue.parse(nested(1_000_000)) }
    }

    @Test("errors name the line and column")
    func place() {
        do {
            _ = try JSONValue.parse("{\n  \"a\": tru\n}")
            Issue.record("accepted")
        } catch {
            #expect(error.line == 2)
            #expect(error.column == 8)
        }
    }

    @Test("keys and strings are told apart by their bytes")
    func bytes() throws {
        let (composed, decomposed) = ("\u{E9}", "e\u{301}")
        let object = try #require(try JSONValue.parse("{\"\(composed)\": 1, \"\(decomposed)\": 2}").object)
        #expect(object.count == 2)
        #expect(object[composed]?.int == 1 && object[decomposed]?.int == 2)
        #expect(JSONValue.string(composed) != .string(decomposed))
        #expect(JSONObject([(composed, 1)]) != JSONObject([(decomposed, 1)]))
        #expect(throws: JSONError.self) { try JSONValue.parse("{\"\(composed)\": 1, \"\(composed)\": 2}") }
    }

    @Test("an object of any size keeps order, and loses what is removed", arguments: [3, 8, 9, 10, 100])
    func members(count: Int) throws {
        var object = JSONObject((0..<count).map { ("k\($0)", JSONValue($0)) })
        object["k1"] = "one"
        object["k0"] = nil
        object["new"] = true
        #expect(object.keys == (1..<count).map { "k\($0)" } + ["new"])
        #expect(
            object.count == count && object["k0"] == nil && object["k1"] == "one" && object["new"] == true)
        #expect(object["k\(count - 1)"]?.int == count - 1)
        for key in object.keys { object[key] = nil }
        #expect(object == JSONObject())
    }

    @Test("values and a number's characters have limits, which are named")
    func limits() throws {
        func array(_ count: Int) -> [UInt8] {
            Array("[".utf8) + repeatElement(Array("0,".utf8), count: count - 2).joined() + Array("0]".utf8)
        }
        let values = JSONValue.maximumValues
        #expect(try JSONValue.parse(array(values)).array?.count == values - 1)
        let error = #expect(throws: JSONError.self) { try JSONValue.parse(array(values + 1)) }
        #expect(error?.message.hasPrefix("more than \(values) values") == true)
        #expect(try JSONValue.parse(array(9), maximumValues: 9).array?.count == 8)
        #expect(throws: JSONError.self) { try JSONValue.parse(array(10), maximumValues: 9) }

        let digits = JSONValue.maximumNumberLength
        let longest = String(repeating: "9", count: digits)
        #expect(try JSONValue.parse(longest).line == longest)
        let long = #expect(throws: JSONError.self) { try JSONValue.parse(longest + "9") }
        #expect(long?.message == "a number of more than \(digits) characters at byte 0")
    }
}
