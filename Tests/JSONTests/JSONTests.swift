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
}
