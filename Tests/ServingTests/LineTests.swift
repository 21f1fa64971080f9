import Foundation
import JSON
import Serving
import TestSupport
import Testing

@Suite("Lines in, lines out")
struct LineTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func lines(_ bytes: [UInt8], maximumLength: Int = 100) throws -> [LineReader.Line] {
        let path = try folder.write("lines", bytes)
        var reader = try LineReader(path: path, maximumLength: maximumLength)
        var lines: [LineReader.Line] = []
        while let line = try reader.next() { lines.append(line) }
        return lines
    }

    private func bytes(_ text: String) -> LineReader.Line { .bytes(Array(text.utf8)) }

    @Test("the last line needs no line feed, blank lines are lines, a byte order mark is dropped")
    func splitting() throws {
        #expect(try lines([]) == [])
        #expect(try lines(Array("a\n\nb".utf8)) == [bytes("a"), bytes(""), bytes("b")])
        #expect(try lines(Array("a\nb\n".utf8)) == [bytes("a"), bytes("b")])
        #expect(try lines([0xEF, 0xBB, 0xBF] + Array("a".utf8)) == [bytes("a")])
    }

    @Test("a line over the limit is skipped and its neighbours are not")
    func tooLong() throws {
        for length in [100, 101, 500, 300_000, 1_000_000] {
            let long = [UInt8](repeating: 0x61, count: length)
            let expected: LineReader.Line = length <= 100 ? .bytes(long) : .tooLong
            #expect(
                try lines(Array("a\n".utf8) + long + Array("\nb".utf8)) == [bytes("a"), expected, bytes("b")])
            #expect(try lines(long) == [expected])
        }
    }

    @Test("lines that arrive in pieces are put together, and what has not arrived is not waited for")
    func pieces() throws {
        let pipe = Pipe()
        var reader = LineReader(descriptor: pipe.fileHandleForReading.fileDescriptor)
        var isReady = reader.isReady()
        #expect(!isReady)
        pipe.fileHandleForWriting.write(Data("one\ntw".utf8))
        let first = try reader.next()
        #expect(first == bytes("one"))
        isReady = reader.isReady()
        #expect(!isReady)
        pipe.fileHandleForWriting.write(Data("o\n".utf8))
        let second = try reader.next()
        #expect(second == bytes("two"))
        try pipe.fileHandleForWriting.close()
        let end = try reader.next()
        #expect(end == nil)
    }

    @Test("a file appears under its name only when it is complete")
    func atomicOutput() throws {
        let path = folder.file("out.jsonl")
        do {
            let writer = try LineWriter(path: path)
            try writer.write(["a": 1])
            try writer.flush()
            #expect(!FileManager.default.fileExists(atPath: path))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).isEmpty)
        let writer = try LineWriter(path: path)
        try writer.write(["a": 1])
        try writer.commit()
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "{\"a\":1}\n")
    }

    @Test("what cannot be opened is named")
    func unopenable() {
        #expect(throws: ServingError.self) { _ = try LineReader(path: "/nonexistent/file") }
        #expect(throws: ServingError.self) { _ = try LineReader(path: "/tmp") }
        #expect(throws: ServingError.self) { try LineWriter(path: "/nonexistent/file") }
        #expect(throws: ServingError.self) { try LineWriter(path: "/tmp") }
    }

    @Test("a full disk is an error")
    func diskFull() throws {
        let writer = try LineWriter(path: "/dev/full")
        #expect(throws: ServingError.self) {
            try writer.write(["a": 1])
            try writer.flush()
        }
    }
}
