import Basics
import Testing

@Suite("Task names")
struct TaskNameTests {
    private static let longest = String(repeating: "a", count: 128)

    @Test(
        "are lower-case letters, digits and . _ -, at most 128 of them",
        arguments: [
            "a", "0", "news-topic", "a.b_c-d", longest,
        ])
    func valid(name: String) { #expect(TaskName.isValid(name)) }

    @Test(
        "are nothing else",
        arguments: [
            "", "-a", ".a", "_a", "A", "a b", "a/b", "a@1", "é", "a\u{301}", longest + "a",
        ])
    func invalid(name: String) { #expect(!TaskName.isValid(name)) }
}
