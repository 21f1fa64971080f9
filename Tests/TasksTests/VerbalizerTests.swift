import Tasks
import Testing

@Suite("Verbalizer")
struct VerbalizerTests {
    private func verbalizer(_ labels: (String, String)...) throws -> Verbalizer {
        try Verbalizer(labels.map { Verbalizer.Label(name: $0.0, text: $0.1) })
    }

    @Test("names and texts lead to each other")
    func lookups() throws {
        let labels = try verbalizer(("neg", "negative"), ("pos", "positive"))
        #expect(labels.names == ["neg", "pos"])
        #expect(labels.index(ofName: "pos") == 1)
        #expect(labels.index(ofName: "positive") == nil)
        #expect(labels.text(forName: "neg") == "negative")
        #expect(labels.text(forName: "negative") == nil)
        #expect(labels.label(withText: "positive")?.name == "pos")
        #expect(labels.label(withText: "pos") == nil)
    }

    @Test(
        "generated text means the label with the same normal form",
        arguments: [
            ("science and technology", "sci"), (" Science and  Technology.", "sci"), ("The world!", "world"),
            ("worlds", nil), ("", nil), ("science", nil),
        ])
    func answers(text: String, name: String?) throws {
        let labels = try verbalizer(("sci", "science and technology"), ("world", "world"))
        #expect(labels.answerLabel(forText: text)?.name == name)
    }

    @Test("text that could mean several labels means none, unless it is one's own")
    func ambiguous() throws {
        let labels = try verbalizer(("plain", "yes"), ("loud", "YES!"), ("no", "no"))
        #expect(labels.answerLabel(forText: "Yes")?.name == nil)
        #expect(labels.answerLabel(forText: "yes")?.name == "plain")
        #expect(labels.answerLabel(forText: " YES! ")?.name == "loud")
        #expect(labels.answerLabel(forText: "No.")?.name == "no")
    }

    @Test("numbers and marks that normal forms often lose stay apart")
    func degenerateTexts() throws {
        let scores = try verbalizer(("low", "3.8"), ("high", "38"), ("plus", "+"), ("minus", "-"))
        #expect(scores.answerLabel(forText: "3.8")?.name == "low")
        #expect(scores.answerLabel(forText: "38.")?.name == "high")
        #expect(scores.answerLabel(forText: "-")?.name == "minus")
        let choices = try verbalizer(("first", "a"), ("second", "b"))
        #expect(choices.answerLabel(forText: "A")?.name == "first")
    }

    @Test("a request may ask for some of the labels, in its own order")
    func restricted() throws {
        let labels = try verbalizer(("a", "1"), ("b", "2"), ("c", "3"))
        #expect(try labels.restricted(to: ["c", "a"]).texts == ["3", "1"])
        #expect(try labels.restricted(to: ["b"]).names == ["b"])
        expectRefusal("\"d\"", "\"a\", \"b\", \"c\"") {
            try labels.restricted(to: ["a", "d"])
        }
        expectRefusal("\"a\"") { try labels.restricted(to: ["a", "a"]) }
        expectRefusal("0 were found") { try labels.restricted(to: []) }
    }
}
