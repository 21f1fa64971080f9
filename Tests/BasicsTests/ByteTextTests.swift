import Basics
import Testing

@Suite struct ByteTextTests {
    static let composed = "\u{E9}"
    static let decomposed = "e\u{301}"

    @Test func `texts are equal when their bytes are`() {
        #expect(Self.composed == Self.decomposed)
        #expect(ByteText(Self.composed) != ByteText(Self.decomposed))
        #expect(!Self.composed.isSame(as: Self.decomposed))
        #expect(ByteText("a" + Self.composed) == ByteText("a\u{E9}"))
        #expect("".isSame(as: ""))
        #expect(!"".isSame(as: "\0"))
        #expect(Set([Self.composed, Self.decomposed, "e", ""].map { ByteText($0) }).count == 4)
        #expect([Self.composed].hasSame(as: Self.composed) && ![Self.composed].hasSame(as: Self.decomposed))
    }

    @Test func `texts are ordered by their bytes`() {
        let sorted = ["", "\0", "a", "ab", "e\u{301}", "z", "\u{E9}", "\u{1F600}"]
        #expect(
            sorted.shuffled().map { ByteText($0) }.sorted().map(\.string).elementsEqual(sorted) {
                $0.isSame(as: $1)
            })
    }

    @Test func `beginnings and ends are compared by bytes`() {
        #expect("e\u{301}x".begins(with: "e"))
        #expect(!"\u{E9}x".begins(with: "e\u{301}"))
        #expect("xe\u{301}".ends(with: "\u{301}") && !"x".ends(with: "xx") && "x".ends(with: ""))
    }
}

@Suite struct QuotingTests {
    @Test(arguments: [
        ("plain", #""plain""#), ("", #""""#), ("naïve 語", #""naïve 語""#), ("a\"b\\", #""a\"b\\""#),
        ("a\n\r\tb", #""a\n\r\tb""#), ("\u{1B}[2J\u{7F}\0", #""\u{1B}[2J\u{7F}\u{0}""#),
        ("\u{202E}\u{2028}\u{FEFF}\u{9B}", #""\u{202E}\u{2028}\u{FEFF}\u{9B}""#),
    ])
    func `what a terminal obeys is written out`(text: String, quoted: String) {
        #expect(text.quoted == quoted)
    }

    @Test func `a long text is cut in its middle`() {
        let text = String(repeating: "a", count: 96)
        #expect(text.quoted == "\"\(text)\"")
        #expect(
            (text + "b").quoted == "\"" + String(repeating: "a", count: 72) + "…"
                + String(repeating: "a", count: 23) + "b\"")
        let marks = "e" + String(repeating: "\u{301}", count: 1 << 20)
        #expect(marks.quoted.utf8.count < 250)
        #expect(String(repeating: "\u{1B}", count: 1 << 20).quoted.utf8.count < 800)
    }

    @Test func `a long list is counted`() {
        #expect([1, 2].shown == "[1, 2]")
        #expect(Array(repeating: 1, count: 1000).shown == "[1, 1, 1, 1, 1, 1, … 1000 in all]")
        #expect(["a", "b"].quotedList == #""a", "b""#)
        #expect(Array(repeating: "x", count: 1000).quotedList.hasSuffix("… (1000 in all)"))
    }
}
