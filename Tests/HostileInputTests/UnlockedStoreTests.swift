import Foundation
import JSON
import PromptStore
import TestSupport
import Testing

/// A store whose `lock.mdb` the process may not write to, as in a container's image or of another user.
@Suite("A store read without its lock file")
struct UnlockedStoreTests {
    let folder: TemporaryFolder
    let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder.file("store")
    }

    /// Takes the permission to write the store from the command `$R` that the rest begins with, whoever runs the tests.
    private static let withoutPermission = """
        chmod 755 $W; chmod -R a+rX $W/store; R=
        if [ $(id -u) = 0 ]; then R='setpriv --reuid 65534 --regid 65534 --clear-groups env HOME=/nonexistent'
        else chmod -R a-w $W/store; fi
        """

    @Test("of another user is listed, shown, verified, served and copied, and refused for writing")
    func otherUser() throws {
        let made = try Command.script(
            "$P prompts register --core $C --store $W/store prompts/spam", in: folder)
        try #require(made.status == 0, "\(made.errors)")
        for removing in ["", "rm $W/store/lock.mdb;"] {
            let read = try Command.script(
                """
                set -e; \(removing) \(Self.withoutPermission)
                echo '{"task":"spam","input":"hello"}' >$W/in; chmod 644 $W/in; mkdir -m 777 $W/copies
                $R $P prompts list --store $W/store; $R $P prompts show spam --store $W/store >$W/shown
                $R $P prompts verify --store $W/store; $R $P prompts backup --store $W/store $W/copies/copy
                $R $P run --threads 1 --core $C --store $W/store --input $W/in
                """, in: folder)
            #expect(read.status == 0, "\(read.errors)")
            #expect(read.errors.contains("1 prompts, 1 versions, 1 names: 0 problems"))
            #expect(try read.lines.map { $0["name"] ?? $0["task"] } == ["spam", "spam"])
            #expect(folder.exists("store/lock.mdb") == removing.isEmpty)
            let copy = try PromptStore(path: folder.file("copies/copy"), mode: .readOnly)
            #expect(try copy.verify().problems == [] && copy.resolve("spam").manifests.count == 1)
            try folder.remove("copies")
            let refused = try Command.script(
                "\(Self.withoutPermission); $R $P prompts remove --store $W/store spam; echo $?", in: folder)
            #expect(refused.output == "1\n" && refused.errors.contains("permission"), "\(refused.errors)")
            // So that the folder can be removed.
            _ = try Command.script("chmod -R u+w $W/store", in: folder)
        }
    }

    @Test("as a superuser leaves the owner a lock file that is the owner's")
    func owner() throws {
        let made = try Command.script(
            """
            [ $(id -u) = 0 ] || exit 9
            $P prompts register --core $C --store $W/store prompts/spam >$W/out; rm $W/store/lock.mdb
            chown -R 65534:65534 $W/store; $P prompts list --store $W/store >$W/out; stat -c %u $W/store/lock.mdb
            """, in: folder)
        guard made.status != 9 else {
            print("skipped: only a superuser has other users' files")
            return
        }
        #expect(made.output == "65534\n", "\(made.errors)")
    }

    @Test("never gives wrong content, however fast it is changed by others")
    func besideWriters() throws {
        let registered = try Command.script(
            "$P prompts register --core $C --store $W/store prompts/spam prompts/sentiment", in: folder)
        try #require(registered.status == 0, "\(registered.errors)")
        // A link to the data file is read without a lock, by whoever runs the tests.
        try folder.makeFolder("linked")
        try folder.link("linked/data.mdb", to: path + "/data.mdb")
        let requests = (0..<200).map { index in
            "{\"id\":\(index),\"task\":\"\(["spam", "sentiment", "changing"][index % 3])\",\"input\":\"hello\"}\n"
        }
        let input = try folder.write("in", requests.joined())
        func run(_ store: String) throws -> [JSONObject] {
            try Command.script("$P run --threads 1 --core $C --store \(store) --input \(input)", in: folder)
                .lines
        }
        let store = try PromptStore(path: path, mode: .readWrite)
        let manifest = try #require(try store.resolve("spam").manifests.first)
        @Sendable func publish(_ value: Int) throws {
            // Prompts of several pages of noise, which are used again and again.
            var state = SeededGenerator(state: UInt64(value))
            let prompt = try SoftPrompt(
                rows: 20, width: manifest.width,
                values: (0..<20 * manifest.width).map { _ in Float.random(in: -1...1, using: &state) })
            try store.publish(
                Publication(
                    name: "changing", frame: try PromptFrame(prompt, as: .bfloat16),
                    coreFingerprint: manifest.coreFingerprint, tokenizerHash: manifest.tokenizerHash,
                    definition: manifest.definition))
        }
        try publish(0)
        let expected = try run(path)
        try #require(expected.allSatisfy { $0["error"] == nil })

        let done = Shared(false)
        let commits = Shared(0)
        let writing = Thread {
            var round = 0
            while !done.withLock({ $0 }) {
                round += 1
                do {
                    try publish(round % 5 + 1)
                    try store.setAlias("other", to: .version(.init(name: "spam", version: 1)))
                    try store.setAlias("other", to: .version(.init(name: "sentiment", version: 1)))
                    if round % 4 == 0, let old = try store.versions(of: "changing").dropLast().first {
                        try store.remove(old.description)
                        try store.collectGarbage()
                    }
                    commits.withLock { $0 += 3 }
                } catch {
                    print("the writer failed: \(error)")
                    return
                }
            }
        }
        writing.start()
        defer { done.withLock { $0 = true } }
        for _ in 0..<4 {
            for (answer, right) in zip(try run("$W/linked"), expected) {
                if answer["task"]?.string == "changing" || answer["error"] != nil {
                    #expect((answer["id"]?.int ?? 0) % 3 == 2, "\(answer)")
                    let message = answer["error"]?.object?["message"]?.string
                    // Removed and collected since it was resolved.
                    #expect(message?.contains("is missing") ?? true, "\(answer)")
                } else {
                    #expect(
                        ["task", "version", "output", "label"].allSatisfy { answer[$0] == right[$0] },
                        "\(answer)")
                }
            }
            let list = try Command.script("$P prompts list --store $W/linked", in: folder)
            #expect(list.status == 0, "\(list.errors)")
            #expect(
                Set(try list.lines.map { $0["name"]?.string ?? "" }).isSuperset(of: [
                    "spam", "sentiment", "changing",
                ]))
            let verify = try Command.script("$P prompts verify --store $W/linked", in: folder)
            // A walk through the whole file may never be done before the next commit.
            #expect(
                verify.status == 0 || verify.errors.contains("changes faster than it can be read"),
                "\(verify.output) \(verify.errors)")
        }
        done.withLock { $0 = true }
        while !writing.isFinished { usleep(1000) }
        #expect(commits.withLock { $0 } > 30)
        #expect(try store.verify().problems == [])
        #expect(try Command.script("$P prompts verify --store $W/linked", in: folder).status == 0)
    }
}
