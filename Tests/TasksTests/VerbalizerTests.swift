import Tasks
import Testing

@Suite("Verbalizer")
struct VerbalizerTests {
    private func verbalizer(_ labels: (String, String)...) throws -> Verbalizer {
        try Verbalizer(labels.map { Verbalizer.Label(name: $0.0, text: $0.1) })
    }

    @Test("names lead to labels")
    func lookups() throws {
        let labels = try verbalizer(("neg", "negative"), ("pos", "positive"))
        #expect(labels.names == ["neg", "pos"])
        #expect(labels.index(ofName: "pos") == 1)
        #expect(labels.index(ofName: "positive") == nil)
        #expect(labels.texts == ["negative", "positive"])
    }

    @Test("names and texts are told apart by their bytes")
    func bytes() throws {
        let labels = try verbalizer(("\u{E9}", "caf\u{E9}"), ("e\u{301}", "cafe\u{301}"))
        #expect(labels.index(ofName: "\u{E9}") == 0 && labels.index(ofName: "e\u{301}") == 1)
        #expect(try labels != Verbalizer(labels.labels.reversed()))
        expectRefusal("labels[1]: the text \"a  b\" is already that of labels[0]") {
            try verbalizer(("1", " a\tb"), ("2", "a  b"))
        }
        #expect(try verbalizer(("1", "a b"), ("2", "ab")).names == ["1", "2"])
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
