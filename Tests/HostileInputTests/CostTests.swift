import Foundation
import TestSupport
import Testing

/// Time linear in an input's bytes, memory a small multiple of them: what doubles is measured at one size and at twice
/// that size. Work in the square of the size would take four times as much.
@Suite(.serialized) struct CostTests {
    static let run = ["run", "--threads", "2", "--core", Repository.core]

    private static func repeated(_ text: String, bytes: Int) -> [UInt8] {
        let unit = Array(text.utf8)
        var result: [UInt8] = []
        result.reserveCapacity(bytes + unit.count)
        while result.count < bytes { result += unit }
        return result
    }

    /// A line: what comes before, a text so often, and what comes behind.
    struct Shape: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let before: String
        let text: String
        let behind: String

        init(_ name: String, _ before: String, _ text: String, _ behind: String) {
            (testDescription, self.before, self.text, self.behind) = (name, before, text, behind)
        }

        func line(_ bytes: Int) -> [UInt8] {
            Array(before.utf8) + CostTests.repeated(text, bytes: bytes) + Array((behind + "\n").utf8)
        }
    }

    static let shapes: [Shape] = [
        Shape("zeros", #"{"task":null,"input":["#, "0,", "0]}"),
        Shape("empty arrays", #"{"task":null,"input":["#, "[],", "0]}"),
        Shape("small objects", #"{"task":null,"input":["#, #"{"a":{}},"#, "0]}"),
        Shape("an unknown key", #"{""#, "k", #"":1}"#),
        Shape("marks in a key", #"{"e"#, "\u{301}\u{316}", #"":1}"#),
        Shape("marks in a label", #"{"task":null,"input":"a","labels":["x","e"#, "\u{301}\u{316}", #""]}"#),
        Shape("marks in a task's name", #"{"input":"a","task":"e"#, "\u{301}\u{316}", #""}"#),
        Shape("marks in a text", #"{"task":null,"max_tokens":1,"input":"e"#, "\u{301}", #""}"#),
        Shape("escapes in a text", #"{"task":null,"max_tokens":1,"input":""#, "\\u0041", #""}"#),
        Shape("a label of many words", #"{"task":null,"input":"a","labels":["x",""#, "a ", #""]}"#),
        Shape("a number", #"{"task":null,"input":"#, "1", "}"),
        Shape("open brackets", #"{"task":null,"input":"#, "[", "}"),
        Shape("ids", #"{"task":null,"input_ids":["#, "1,", "1]}"),
        Shape("an id", #"{"task":null,"id":""#, "i", #""}"#),
    ]

    @Test(arguments: shapes)
    func `a line's cost is that of its bytes`(shape: Shape) throws {
        let folder = try TemporaryFolder()
        func measure(_ bytes: Int) throws -> MeasuredCommand {
            try MeasuredCommand(Self.run, input: folder.write("in", shape.line(bytes)))
        }
        let (nothing, once, twice) = (try measure(0), try measure(1 << 20), try measure(2 << 20))
        for command in [once, twice] {
            #expect([0, 2].contains(command.status), "\(command.errors)")
            #expect(command.output.utf8.filter { $0 == 0x0A }.count == 1)
        }
        // Nothing has what a command needs anyway: the core, and its threads' memory.
        // A text of which the first ids are read takes libsentencepiece up to 145 times those bytes.
        let (first, second) = (once.peakBytes - nothing.peakBytes, twice.peakBytes - nothing.peakBytes)
        #expect(second < 40 * (2 << 20), "\(second >> 20) MiB for 2 MiB")
        #expect(second < 3 * first + (8 << 20), "\(first >> 20) MiB for 1 MiB, \(second >> 20) MiB for 2 MiB")
        let (early, late) = (once.cpuSeconds - nothing.cpuSeconds, twice.cpuSeconds - nothing.cpuSeconds)
        #expect(late < 3 * max(early, 0) + 0.5, "\(early) s for 1 MiB, \(late) s for 2 MiB")
    }

    @Test func `a template that repeats its field costs what is read of it`() throws {
        let folder = try TemporaryFolder()
        let template = String(repeating: "{input}", count: 9_000)
        try folder.makeFolder("t")
        try folder.write("t/task.json", #"{"name": "t", "template": "\#(template)"}"#)
        try FileManager.default.copyItem(
            atPath: Repository.prompt("spam") + "/prompt.safetensors",
            toPath: folder.file("t/prompt.safetensors"))
        let registered = try Command.script(
            #"$P prompts register --threads 2 --core $C --store $W/s $W/t"#, in: folder)
        #expect(registered.status == 0, "\(registered.errors)")
        func measure(_ words: Int) throws -> MeasuredCommand {
            let line =
                #"{"task": "t", "max_tokens": 1, "input": "\#(String(repeating: "word ", count: words))"}"#
            return try MeasuredCommand(
                Self.run + ["--store", folder.file("s")], input: folder.write("in", line + "\n"))
        }
        let (small, large) = (try measure(1), try measure(20_000))
        #expect(large.status == 0 && large.output.contains(#""truncated":true"#), "\(large.errors)")
        // 100 KB, 9,000 times.
        #expect(large.peakBytes - small.peakBytes < 100 << 20)
        #expect(large.cpuSeconds < small.cpuSeconds + 2)
    }

    @Test func `a normalisation table is checked in memory of a few times its size`() throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("c")
        let model = try Array(Data(contentsOf: URL(fileURLWithPath: Repository.core + "/spiece.model")))
        func measure(_ blocks: Int) throws -> (bytes: Int, command: MeasuredCommand) {
            // Every unit of a block leads to all units of the next.
            var units = [UInt32](repeating: 0x8000_0000, count: (blocks + 2) * 256)
            units[0] = 256 << 10
            for block in 1...blocks {
                for byte in 0..<256 {
                    units[block * 256 + byte] =
                        UInt32((block * 256 + byte) ^ ((block + 1) * 256)) << 10 | UInt32(byte)
                }
            }
            let table =
                ([UInt32(units.count * 4)] + units).flatMap { unit in
                    (0..<4).map { UInt8(truncatingIfNeeded: unit >> (8 * $0)) }
                }
                + Array("x\0".utf8)
            // A second normalizer_spec is merged into the first: its table replaces the other.
            try folder.write("c/spiece.model", model + Self.field(3, Self.field(2, table)))
            let command = try MeasuredCommand(
                ["core", "tokenize", "--core", folder.file("c")], input: folder.write("in", "hi\n"))
            return (table.count, command)
        }
        let (nothing, once, twice) = (try measure(1), try measure(1024), try measure(2048))
        #expect(nothing.command.status == 0 && nothing.command.output.hasPrefix("["))
        #expect(twice.command.status == 1 && twice.command.errors.contains("precompiled_charsmap"))
        #expect(twice.command.peakBytes - nothing.command.peakBytes < 24 * twice.bytes)
        #expect(twice.command.cpuSeconds < 3 * once.command.cpuSeconds + 0.5)
    }

    private static func field(_ number: Int, _ contents: [UInt8]) -> [UInt8] {
        var length = contents.count
        var bytes = [UInt8(number << 3 | 2)]
        while length > 127 {
            bytes.append(UInt8(length & 127 | 128))
            length >>= 7
        }
        return bytes + [UInt8(length)] + contents
    }
}
