import Basics
import Foundation
import TestSupport
import Testing

@Suite("Files")
struct FileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    @Test("what is written is read", arguments: [0, 1, 65_535, 65_536, 200_000])
    func roundTrip(count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let path = folder.file("file")
        try writeFile([1, 2, 3], to: path)
        try writeFile(bytes, to: path)
        #expect(try readFile(path, limit: 1 << 20) == bytes)
        #expect(try readRegularFile(path, limit: count) == bytes)
        let mapped = try MappedFile(path: path)
        withExtendedLifetime(mapped) { #expect(Array(mapped.bytes) == bytes) }
        #expect(try names() == ["file"])
    }

    @Test("a file has its name when it is complete, and leaves nothing when it never is")
    func atomic() throws {
        let path = folder.file("file")
        try writeFile([1], to: path)
        do {
            // Two for one path do not meet.
            let (first, second) = (try OutputFile(path: path), try OutputFile(path: path))
            try first.write([2])
            try second.write([3, 4])
            #expect(try readFile(path, limit: 1 << 20) == [1])
            #expect(try names().count == 3)
            try second.commit()
        }
        #expect(try readFile(path, limit: 1 << 20) == [3, 4])
        #expect(try names() == ["file"])
    }

    @Test("a link stays and what it leads to is written, keeping its mode")
    func links() throws {
        try folder.makeFolder("elsewhere")
        let target = folder.file("elsewhere/target")
        try writeFile([1], to: target)
        chmod(target, 0o600)
        try folder.link("absolute", to: target)
        try folder.link("relative", to: "elsewhere/target")
        try folder.link("chain", to: "relative")
        try folder.link("dangling", to: "elsewhere/new")
        for (number, link) in ["absolute", "relative", "chain", "dangling"].enumerated() {
            try writeFile([UInt8(number)], to: folder.file(link))
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.file(link))
            #expect(attributes[.type] as? FileAttributeType == .typeSymbolicLink)
            #expect(try readFile(folder.file(link), limit: 9) == [UInt8(number)])
        }
        #expect(try readFile(target, limit: 9) == [2])
        let attributes = try FileManager.default.attributesOfItem(atPath: target)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(try readFile(folder.file("elsewhere/new"), limit: 9) == [3])
        try folder.link("round", to: "round")
        #expect(throws: FileError.self) { try writeFile([], to: folder.file("round")) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("elsewhere")).count == 2)
    }

    @Test("errors name the path, what failed and why")
    func errors() throws {
        let missing = folder.file("missing")
        for read in [
            { _ = try readFile($0, limit: 9) }, { _ = try readRegularFile($0, limit: 9) },
            { _ = try MappedFile(path: $0) },
        ]
            as [(String) throws -> Void]
        {
            let absent = #expect(throws: FileError.self) { try read(missing) }
            #expect(absent?.message == "cannot open \(missing): No such file or directory")
            #expect(absent?.isMissing ?? false)
            let directory = #expect(throws: FileError.self) { try read(folder.path) }
            #expect(directory?.message.hasPrefix(folder.path) ?? false)
            #expect(!(directory?.isMissing ?? true))
        }
        let unwritable = #expect(throws: FileError.self) { try writeFile([], to: missing + "/file") }
        #expect(unwritable?.message == "cannot write \(missing)/file: No such file or directory")
        #expect(throws: FileError.self) { try writeFile([], to: folder.path) }
        #expect(try names().isEmpty)
    }

    @Test("a file over the limit is refused before it is read, a pipe when it has given so much")
    func limits() throws {
        let path = folder.file("file")
        try writeFile([1, 2, 3], to: path)
        let message = "\(path) has 3 bytes; at most 2 can be read"
        #expect(#expect(throws: FileError.self) { try readFile(path, limit: 2) }?.message == message)
        #expect(#expect(throws: FileError.self) { try readRegularFile(path, limit: 2) }?.message == message)
        let pipe = Pipe()
        let end = "/proc/self/fd/\(pipe.fileHandleForReading.fileDescriptor)"
        #expect(throws: FileError.self) { try readRegularFile(end, limit: 9) }
        pipe.fileHandleForWriting.write(Data([1, 2, 3]))
        #expect(throws: FileError.self) { try readFile(end, limit: 2) }
        pipe.fileHandleForWriting.write(Data([4, 5]))
        try pipe.fileHandleForWriting.close()
        #expect(try readFile(end, limit: 2) == [4, 5])
    }

    /// Files of sysfs say that they have a page, and end earlier.
    private static let shorter = "/sys/kernel/profiling"

    @Test(
        "a file that ends before its size is an error",
        .enabled(if: access(shorter, R_OK) == 0, "this needs \(shorter)"))
    func shrinking() throws {
        let error = #expect(throws: FileError.self) { try readRegularFile(Self.shorter, limit: 1 << 20) }
        #expect(error?.message.contains("was cut short") ?? false, "\(error?.message ?? "")")
    }

    @Test("a folder is made with those above it")
    func makingFolders() throws {
        let path = folder.file("a/b/c")
        #expect(try makeFolder(path) == [folder.file("a"), folder.file("a/b"), path])
        #expect(try makeFolder(path).isEmpty)
        try writeFile([], to: path + "/file")
        for file in [path + "/file", path + "/file/d"] {
            let error = #expect(throws: FileError.self) { try makeFolder(file) }
            #expect(error?.message == "cannot make the folder \(file): Not a directory")
        }
    }

    @Test("all bytes are written to what takes few at a time")
    func pipes() throws {
        let pipe = Pipe()
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0) }
        let descriptor = pipe.fileHandleForWriting.fileDescriptor
        let writer = Thread {
            try? writeAll(bytes, to: descriptor, path: "pipe")
            try? pipe.fileHandleForWriting.close()
        }
        writer.start()
        #expect(Array(pipe.fileHandleForReading.readDataToEndOfFile()) == bytes)
    }
}
