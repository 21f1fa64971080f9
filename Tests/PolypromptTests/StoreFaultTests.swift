import Foundation
import JSON
import Testing

/// What goes wrong beneath a store: writers that are killed, a file system that is full or read-only.
@Suite("Faults beneath a store")
struct StoreFaultTests {
    let folder: TemporaryFolder
    let store: String

    init() throws {
        folder = try TemporaryFolder()
        store = folder.path("store")
    }

    private func register(_ name: String, elementType: String = "float32") -> [String] {
        [
            "prompts", "register", "--core", Command.core, "--store", store, "--name", name, "--element-type",
            elementType, Command.prompt("spam"),
        ]
    }

    private func list() throws -> [String: [JSONValue]] {
        var versions: [String: [JSONValue]] = [:]
        for line in try Command.run(["prompts", "list", "--store", store]).lines {
            versions[line.object?["name"]?.string ?? ""] = line.object?["versions"]?.array
        }
        return versions
    }

    @Test("a writer that is killed at any moment changes all or nothing, and the next goes on")
    func killedWriter() throws {
        #expect(try Command.run(register("first")).status == 0)
        let before = try list()
        // How long a whole registration takes decides when the others are killed.
        let start = ContinuousClock.now
        #expect(try Command.run(register("timed")).status == 0)
        let whole = (ContinuousClock.now - start) / .microseconds(1)
        var generator = SystemRandomNumberGenerator()
        var killed = 0
        for round in 0..<40 {
            let process = Command.process(register("killed-\(round)"))
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            // Most of the time goes by before the store is opened: rather late than early.
            usleep(UInt32(whole * Double.random(in: 0.3...1.1, using: &generator)))
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
            if process.terminationReason == .uncaughtSignal { killed += 1 }
            let verified = try Command.run(["prompts", "verify", "--store", store])
            #expect(verified.status == 0, "\(verified.output) \(verified.errors)")
        }
        #expect(killed > 0)
        let after = try list()
        for (name, versions) in before { #expect(after[name] == versions) }
        for (name, versions) in after { #expect(versions == [1], "\(name)") }
        #expect(try Command.run(register("last")).output == "last@1\n")
        let answer = try Command.run(
            ["run", "--core", Command.core, "--store", store],
            input: Data(#"{"task": "last", "input": "hello"}"#.utf8))
        #expect(answer.status == 0)
    }

    /// Runs shell commands in a mount namespace of their own, in which `$1` is the store, and the command and its
    /// arguments are the rest; `nil`, with a word on why, where the system does not let this process have one.
    private func mounted(_ script: String, _ arguments: [String]) throws -> (status: Int32, errors: String)? {
        let unshare = "/usr/bin/unshare"
        func run(_ arguments: [String]) throws -> (status: Int32, errors: String) {
            let process = Process()
            process.executableURL = URL(fileURLWithPath: unshare)
            process.arguments = arguments
            let log = URL(fileURLWithPath: try folder.write("log", ""))
            process.standardOutput = FileHandle.nullDevice
            process.standardError = try FileHandle(forWritingTo: log)
            process.standardInput = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            return (process.terminationStatus, try String(contentsOf: log, encoding: .utf8))
        }
        let namespace = ["--map-root-user", "--mount", "/bin/sh", "-e", "-c"]
        guard FileManager.default.isExecutableFile(atPath: unshare),
            try run(namespace + ["mount -t tmpfs tmpfs \"$1\"", "sh", folder.url.path]).status == 0
        else {
            print("skipped: this system lets the tests mount nothing, not even for themselves")
            return nil
        }
        return try run(namespace + [script, "sh", store, Command.executable.path] + arguments)
    }

    @Test("on a read-only file system is read, and refused for writing")
    func readOnly() throws {
        #expect(try Command.run(register("first")).status == 0)
        let script = #"mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"; shift; exec "$@""#
        guard let refused = try mounted(script, register("second")) else { return }
        #expect(refused.status == 1)
        #expect(refused.errors.contains(store), "\(refused.errors)")
        #expect(refused.errors.lowercased().contains("read-only"), "\(refused.errors)")
        let read = try #require(try mounted(script, ["prompts", "verify", "--store", store]))
        #expect(read.status == 0, "\(read.errors)")
        #expect(try list().keys.sorted() == ["first"])
    }

    /// A bare prompt of 100 rows of noise, which do not compress: some 100 KB.
    private func noise(_ name: String) throws -> String {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (100, 256), }"
        var data = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(header.utf8.count), 0])
        data += Data(header.utf8)
        for _ in 0..<100 * 256 {
            withUnsafeBytes(of: Float.random(in: -1...1)) { data.append(contentsOf: $0) }
        }
        try data.write(to: URL(fileURLWithPath: folder.path(name)))
        return folder.path(name)
    }

    @Test("on a disk that is full nothing is changed, and what there is stays sound")
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
        guard let result = try mounted(script, [Command.core] + prompts) else { return }
        #expect(result.status == 99, "\(result.errors)")
        #expect(result.errors.contains("Error: \(store): "), "\(result.errors)")
        #expect(result.errors.contains("nothing was changed; make room"), "\(result.errors)")
    }
}
