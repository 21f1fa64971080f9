import Foundation
import JSON
import TestSupport
import Testing

/// What goes wrong beneath a store: writers that are killed, a file system that is full or read-only.
@Suite("Faults beneath a store")
struct StoreFaultTests {
    let folder: TemporaryFolder
    let store: String

    init() throws {
        folder = try TemporaryFolder()
        store = folder.file("store")
    }

    private func register(_ name: String, elementType: String = "float32") -> [String] {
        [
            "prompts", "register", "--core", Repository.core, "--store", store, "--name", name,
            "--element-type",
            elementType, Repository.prompt("spam"),
        ]
    }

    private func list() throws -> [String: [JSONValue]] {
        var versions: [String: [JSONValue]] = [:]
        for line in try Command.polyprompt(["prompts", "list", "--store", store]).lines {
            versions[line["name"]?.string ?? ""] = line["versions"]?.array
        }
        return versions
    }

    @Test("a writer that is killed at any moment changes all or nothing, and the next goes on")
    func killedWriter() throws {
        #expect(try Command.polyprompt(register("first")).status == 0)
        let before = try list()
        // How long a whole registration takes decides when the others are killed.
        let start = ContinuousClock.now
        #expect(try Command.polyprompt(register("timed")).status == 0)
        let whole = (ContinuousClock.now - start) / .microseconds(1)
        var generator = SystemRandomNumberGenerator()
        var killed = 0
        for round in 0..<40 {
            let process = Command.process("polyprompt", register("killed-\(round)"))
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            // Most of the time goes by before the store is opened: rather late than early.
            usleep(UInt32(whole * Double.random(in: 0.3...1.1, using: &generator)))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal { killed += 1 }
            let verified = try Command.polyprompt(["prompts", "verify", "--store", store])
            #expect(verified.status == 0, "\(verified.output) \(verified.errors)")
        }
        #expect(killed > 0)
        let after = try list()
        for (name, versions) in before { #expect(after[name] == versions) }
        for (name, versions) in after { #expect(versions == [1], "\(name)") }
        #expect(try Command.polyprompt(register("last")).output == "last@1\n")
        let answer = try Command.polyprompt(
            ["run", "--core", Repository.core, "--store", store],
            input: #"{"task": "last", "input": "hello"}"#)
        #expect(answer.status == 0)
    }

    /// Runs shell commands in a mount namespace of their own, in which `$1` is the store, and the command and its
    /// arguments are the rest.
    private func mounted(_ script: String, _ arguments: [String]) throws -> Command {
        try Command.mounting([script, "sh", store, Command.executable("polyprompt")] + arguments)
    }

    static let cannotMount: Comment = "this system lets the tests mount nothing, not even for themselves"
    static let canMount: Bool = {
        guard let folder = try? TemporaryFolder() else { return false }
        return (try? Command.mounting(["mount -t tmpfs tmpfs \"$1\"", "sh", folder.path]))?.status == 0
    }()

    @Test("on a read-only file system is read, and refused for writing", .enabled(if: canMount, cannotMount))
    func readOnly() throws {
        #expect(try Command.polyprompt(register("first")).status == 0)
        let script = #"mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; exec "$@""#
        let refused = try mounted(script, register("second"))
        #expect(refused.status == 1)
        #expect(refused.errors.contains(store), "\(refused.errors)")
        #expect(refused.errors.lowercased().contains("read-only"), "\(refused.errors)")
        let read = try mounted(script, ["prompts", "verify", "--store", store])
        #expect(read.status == 0, "\(read.errors)")
        #expect(try list().keys.sorted() == ["first"])
    }

    /// A bare prompt of 100 rows of noise, which do not compress: some 100 KB.
    private func noise(_ name: String) throws -> String {
        let values = (0..<100 * 256).map { _ in Float.random(in: -1...1) }
        return try folder.write(name, TensorFile.numpy(rows: 100, columns: 256, values))
    }

    @Test(
        "on a disk that is full nothing is changed, and what there is stays sound",
        .enabled(if: canMount, cannotMount))
    func diskFull() throws {
        // Two or three prompts go into 400 KB. Prints how many did, then what the store says of itself.
        let script = #"""
            mkdir -p "$1"; mount -t tmpfs -o size=400k tmpfs "$1"; store=$1; command=$2; core=$3; shift 3
            count=0; refused=0
            for prompt in "$@"; do
                if "$command" prompts register --core "$core" --store "$store" --name "n$count" "$prompt"
                then count=$((count + 1)); else refused=$((refused + 1)); fi
            done
            test $count -gt 0; test $refused -gt 0
            "$command" prompts verify --store "$store"
            test "$("$command" prompts list --store "$store" | wc -l)" = $count
            exit 99
            """#
        let prompts = try (0..<6).map { try noise("\($0).npy") }
        let result = try mounted(script, [Repository.core] + prompts)
        #expect(result.status == 99, "\(result.errors)")
        #expect(result.errors.contains("Error: \(store): "), "\(result.errors)")
        #expect(result.errors.contains("nothing was changed; make room"), "\(result.errors)")
    }

    @Test(
        "on a disk that is full takes what was removed for the next, with or without a collection",
        .enabled(if: canMount, cannotMount), arguments: ["", "gc"])
    func roomAgain(collecting: String) throws {
        let script = #"""
            mkdir -p "$1"; mount -t tmpfs -o size=600k tmpfs "$1"; store=$1/store; command=$2; core=$3; collecting=$4
            shift 4
            register() { "$command" prompts register --core "$core" --store "$store" --name "$@" >/dev/null 2>&1; }
            count=0; full=; rounds=0
            for prompt in "$@"; do
                if test -z "$full"; then
                    if register "n$count" "$prompt"; then count=$((count + 1)); continue; else full=yes; fi
                fi
                "$command" prompts remove --store "$store" n1 >/dev/null
                if test -n "$collecting"; then "$command" prompts gc --store "$store" >/dev/null; fi
                register n1 "$prompt" || exit 8
                rounds=$((rounds + 1))
            done
            test $count -gt 1; test $rounds -gt 3
            "$command" prompts verify --store "$store"
            test "$("$command" prompts list --store "$store" | wc -l)" = $count
            exit 99
            """#
        let prompts = try (0..<12).map { try noise("\($0).npy") }
        let result = try mounted(script, [Repository.core, collecting] + prompts)
        #expect(result.status == 99, "\(result.output) \(result.errors)")
    }

    @Test(
        "over the limit on the sizes of files says so, changes nothing and takes what was removed for the next"
    )
    func fileSizeLimit() throws {
        let prompts = try (0..<6).map { try noise("\($0).npy") }.joined(separator: " ")
        let result = try Command.script(
            """
            set -- \(prompts); ulimit -f 400; store=$W/store; count=0
            register() { $P prompts register --core $C --store $store --name "$@"; }
            while register n$count $1 && [ $count -lt 5 ]; do count=$((count + 1)); shift; done
            [ $count -gt 0 ] && [ $count -lt 5 ] && $P prompts verify --store $store || exit 8
            $P prompts remove --store $store n0 && register again $1 && $P prompts verify --store $store
            """, in: folder)
        #expect(result.status == 0, "\(result.errors)")
        #expect(result.output.hasSuffix("again@1\n"))
        #expect(result.errors.contains("Error: \(store): "), "\(result.errors)")
        #expect(
            result.errors.contains("nothing was changed; raise the limit on the sizes of files"),
            "\(result.errors)")
    }
}

extension Command {
    /// Runs a shell script, given with its arguments, in a mount namespace of its own.
    fileprivate static func mounting(_ script: [String]) throws -> Command {
        try run("/usr/bin/unshare", ["--map-root-user", "--mount", "/bin/sh", "-e", "-c"] + script)
    }
}
