import T5
import Testing

@Suite("Core sources")
struct CoreSourceTests {
    @Test("a random core is told from a directory by its prefix, and prints as it was written")
    func names() {
        #expect(CoreSource("random:t5-small") == .random(shape: "t5-small"))
        #expect(CoreSource("models/random:t5") == .directory("models/random:t5"))
        for name in ["random:t5-small", "random:", "/a/b/", "core", ""] {
            #expect(CoreSource(name).description == name)
        }
        #expect(CoreSource("/a/my-core/").name == "my-core")
        #expect(CoreSource("random:t5-small").name == "random:t5-small")
    }

    @Test("a shape's configuration needs no weights; an unknown shape names those that there are")
    func configuration() throws {
        #expect(try CoreSource("random:t5-base").configuration().modelWidth == 768)
        let error = #expect(throws: T5Error.self) { try CoreSource("random:t6").configuration() }
        #expect(error?.message.contains("random:t6; there are random:t5-small, random:t5-base") ?? false)
    }
}
