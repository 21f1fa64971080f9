import JSON
import Tasks
import Testing

@Suite("Template")
struct TemplateTests {
    @Test("a string fills the only field, wherever it occurs")
    func oneField() throws {
        #expect(try Template("{input}").render("hello").text == "hello")
        #expect(try Template("a {x} b {x}").render("-").text == "a - b -")
    }

    @Test("an object fills fields by name")
    func manyFields() throws {
        let template = try Template("premise: {premise} hypothesis: {hypothesis} again: {premise}")
        #expect(template.fields == ["premise", "hypothesis"])
        let text = try template.render(
            try object(#"{"hypothesis":"It rains.","premise":"The street is wet."}"#)
        ).text
        #expect(text == "premise: The street is wet. hypothesis: It rains. again: The street is wet.")
        #expect(try Template("{input}").render(try object(#"{"input":"x"}"#)).text == "x")
    }

    @Test("doubled braces are literal ones")
    func literalBraces() throws {
        #expect(try Template("{{input}} {input}").render("x").text == "{input} x")
        #expect(try Template("{{{input}}}").render("x").text == "{x}")
        #expect(try Template("{{}}{a}{{{{").render("x").text == "{}x{{")
    }

    @Test("braces in a user's text stay as they are")
    func noExpansion() throws {
        let template = try Template("{a}{b}")
        #expect(try template.render(try object(#"{"a":"{b}","b":"{{a}} }{"}"#)).text == "{b}{{a}} }{")
        #expect(try Template("{x}").render("{x} {{ }} \u{0}").text == "{x} {{ }} \u{0}")
    }

    @Test("numbers and booleans go in by their JSON text")
    func scalars() throws {
        let input = try object(#"{"a":3.50,"b":true,"c":"x"}"#)
        #expect(try Template("{a} {b} {c}").render(input).text == "3.50 true x")
    }

    @Test("text of any script is kept")
    func unicode() throws {
        #expect(try Template("«{x}» — 日本\r\n").render("e\u{301}👩‍👩‍👧").text == "«e\u{301}👩‍👩‍👧» — 日本\r\n")
    }

    @Test("an input that does not fit is refused with the field's name")
    func refusedInput() throws {
        let template = try Template("{premise} {hypothesis}")
        expectRefusal("\"hypothesis\" is missing", "\"premise\"") {
            try template.render(try object(#"{"premise":"x"}"#))
        }
        expectRefusal("\"hypotesis\" is not a field", "\"hypothesis\"") {
            try template.render(try object(#"{"premise":"x","hypothesis":"y","hypotesis":"y"}"#))
        }
        for (value, found) in [("null", "null"), ("[]", "an empty array"), ("{}", "an object")] {
            expectRefusal("\"premise\"", "\(found) was found", "a string, a number or a boolean") {
                try template.render(try object(#"{"premise":\#(value),"hypothesis":"y"}"#))
            }
        }
        expectRefusal("\"premise\", \"hypothesis\"") { try template.render("text") }
    }

    @Test("an input is a string or an object")
    func dispatch() throws {
        let template = try Template("<{input}>")
        #expect(try template.render(JSONValue.string("x")).text == "<x>")
        #expect(try template.render(JSONValue.object(try object(#"{"input":1}"#))).text == "<1>")
        for value: JSONValue in [nil, true, 3, ["x"]] {
            expectRefusal("\"input\"", "a string or an object") { try template.render(value) }
        }
    }

    @Test(
        "what is not a template is refused, with the place",
        arguments: [
            ("", "no field"), ("plain text", "no field"), ("{{input}}", "no field"),
            ("ab{input", "at character 3"), ("{a} }", "at character 5"), ("{}", "at character 1"),
            ("{a b}", "at character 1"), ("{é}", "at character 1"), ("x{a{b}}", "at character 2"),
            ("{label}", "\"label\" is reserved"), ("{group}", "\"group\" is reserved"),
        ])
    func refusedTemplates(source: String, mention: String) {
        expectRefusal(mention) { try Template(source) }
    }

    @Test("a text is put together only as far as it is read")
    func beginnings() throws {
        let template = try Template("<{a}|{b}|{a}>")
        let text = try template.render(try object(#"{"a":"é","b":"語語"}"#))
        let whole = "<é|語語|é>"
        #expect(text.text == whole)
        #expect(text.partBytes == 4 + 2 + 6)
        for count in 0...(whole.utf8.count + 2) {
            let (beginning, isWhole) = text.text(upTo: count)
            #expect(whole.hasPrefix(beginning) && (beginning == whole || !isWhole))
            #expect((count..<count + 3).contains(beginning.utf8.count) || beginning == whole)
            #expect(isWhole == (count >= whole.utf8.count))
        }
        #expect(TemplateText("ab").text(upTo: 1).text == "a")
    }

    @Test("a template has a longest length")
    func longest() throws {
        let field = "{input}"
        let longest = field + String(repeating: "x", count: Template.maximumLength - field.utf8.count)
        #expect(try Template(longest).fields == ["input"])
        expectRefusal("65537 bytes were found, at most 65536") { try Template(longest + "x") }
    }
}
