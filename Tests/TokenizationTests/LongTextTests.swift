import TestSupport
import Testing
import Tokenization

@Suite("Long text")
struct LongTextTests {
    let mini: any Tokenizer

    init() throws { mini = try TokenizerLoader.load(directory: Repository.core) }

    @Test("of 8 MiB is encoded in seconds and comes back whole")
    func eightMebibytes() {
        let text = String(repeating: "the quick brown fox ", count: (8 << 20) / 20)
        let start = ContinuousClock.now
        let ids = mini.encode(text)
        #expect(start.duration(to: .now) < .seconds(60))
        #expect(mini.decode(ids) == text.dropLast())
        #expect(ByT5Tokenizer().encode(text).count == text.utf8.count + 1)
    }

    @Test("with a sentinel at every word is encoded in seconds")
    func sentinels() {
        let count = (2 << 20) / 16
        let ids = mini.encode(String(repeating: "a <extra_id_10> ", count: count))
        #expect(ids.count == 2 * count + 1)
    }

    @Test("of characters that no piece covers is encoded in seconds, as one unknown piece")
    func unknown() {
        let start = ContinuousClock.now
        #expect(mini.encodePieces(String(repeating: "\0", count: 1 << 20)).suffix(1) == [2])
        #expect(mini.encodePieces(String(repeating: "\0", count: 1 << 20)).count == 2)
        #expect(mini.encodePieces(String(repeating: "語", count: 100_000)).count == 2)
        #expect(start.duration(to: .now) < .seconds(60))
    }

    @Test("beyond one chunk loses nothing, at whitespace nor without")
    func chunks() {
        // Texts of more than 512 KiB beyond ASCII.
        let five = mini.encodePieces("€5")
        let words = String(repeating: "€5 ", count: 400_000)
        #expect(mini.encodePieces(words) == (0..<400_000).flatMap { _ in five })
        let text = String(repeating: "€", count: 1 << 19)
        #expect(mini.decode(mini.encodePieces(text)).filter { $0 != " " } == text)
    }
}
