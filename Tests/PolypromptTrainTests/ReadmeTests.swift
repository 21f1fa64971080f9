import TestSupport
import Testing

/// What the README and the guide show works as it is shown.
@Suite("The README's and the guide's training commands")
struct ReadmeTests {
    @Test("run in order, each without an error", arguments: ["README.md", "docs/training.md"])
    func commands(page: String) throws {
        let folder = try TemporaryFolder.likeRepository()
        let examples = try Document(page).examples(of: "polyprompt-train")
        // Fewer steps than a user waits for show as well that the commands are right.
        let steps = /--steps \d+/
        #expect(examples.count >= 2)
        for example in examples {
            let commands =
                TestLength.isLong ? example.commands : example.commands.replacing(steps, with: "--steps 2")
            let result = try Command.shell(commands, in: folder)
            #expect(result.status == example.status, "\(commands)\n\(result.output)\(result.errors)")
        }
    }
}
