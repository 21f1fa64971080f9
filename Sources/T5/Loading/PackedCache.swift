import Basics
import Foundation
import Tensors

/// The packed form of a core on disk, so that it is packed once and then mapped by every process that serves it.
///
/// A file holds a page of header (magic string, layout version, precision, size, fingerprint, digest), then the
/// arena as the kernels read it. It appears whole under its name or not at all, and one that is not exactly what
/// its header and this program's layout say is packed anew. Nothing depends on the cache but the time to start:
/// where it cannot be written the core is packed in memory.
///
/// The digest tells a damaged file, not a forged one. So folder and file are trusted only when they are this user's or
/// root's and nobody else may write to them.
struct PackedCache {
    /// Changes with the layout of panels (see `pack.h`).
    private static let panelVersion: UInt32 = 2
    private static let magic = Array("PPPACKED".utf8)
    private static let headerSize = 4096
    /// Bytes digested by one thread at a time.
    private static let chunk = 8 << 20

    private let folder: String
    private let name: String
    private let identity: [UInt8]
    /// Why there was something that was not used.
    private(set) var warning: String?

    /// The cache's place for a core in a precision; `nil` where no folder for caches is known.
    ///
    /// - Parameter layout: What lies where in the arena: programs that arrange it differently have different files.
    init?(fingerprint: String, precision: PackedPrecision, layout: [String]) {
        guard let folder = Self.folder else { return nil }
        let layout = SHA256.digest(of: Array(layout.joined(separator: "\n").utf8)).hexadecimal
        self.folder = folder
        name = "\(fingerprint)-\(precision.rawValue)-\(Self.panelVersion)-\(layout.prefix(16)).packed"
        identity = Array("\(fingerprint) \(precision.rawValue) \(layout)".utf8)
    }

    /// `$POLYPROMPT_CACHE`, else `polyprompt` in `$XDG_CACHE_HOME` or `~/.cache`.
    private static var folder: String? {
        let environment = ProcessInfo.processInfo.environment
        if let folder = environment["POLYPROMPT_CACHE"], !folder.isEmpty { return folder }
        if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") { return folder + "/polyprompt" }
        return environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 + "/.cache/polyprompt" : nil }
    }

    /// The mapped arena of that size; `nil` when there is none that can be trusted.
    mutating func load(size: Int, pool: WorkerPool) -> (file: MappedFile, arena: UnsafeRawPointer)? {
        let file: MappedFile
        do throws(FileError) {
            let folder = try OpenFolder(folder)
            try folder.requireTrusted()
            let path = "\(self.folder)/\(name)"
            file = try MappedFile(name, in: folder) { status throws(FileError) in
                try status.requireTrusted(path)
            }
        } catch {
            if !error.isMissing {
                warning = "the packed cache is not used: \(error); the core is packed anew"
            }
            return nil
        }
        guard file.bytes.count == Self.headerSize + size, let start = file.bytes.baseAddress else {
            return nil
        }
        let arena = UnsafeRawBufferPointer(rebasing: file.bytes[Self.headerSize...])
        guard file.bytes.prefix(Self.headerSize).elementsEqual(header(of: arena, pool: pool)) else {
            return nil
        }
        return (file, start + Self.headerSize)
    }

    /// Writes an arena. A failure leaves nothing behind and is of no consequence.
    func save(_ arena: UnsafeRawBufferPointer, pool: WorkerPool) {
        do throws(FileError) {
            try makeFolder(folder, permissions: 0o700)
            let folder = try OpenFolder(folder)
            try folder.requireTrusted()
            let file = try PartialFile("\(self.folder)/\(name)", for: name, in: folder, permissions: 0o600)
            try file.setPermissions(0o644)
            try file.write(header(of: arena, pool: pool))
            try file.write(arena)
            try file.finish(as: name)
        } catch {}
    }

    /// The header that belongs to an arena of this core.
    private func header(of arena: UnsafeRawBufferPointer, pool: WorkerPool) -> [UInt8] {
        let chunks = Array(Swift.stride(from: 0, to: arena.count, by: Self.chunk))
        let digests = pool.map(chunks) { start in
            let end = min(start + Self.chunk, arena.count)
            return SHA256.digest(of: UnsafeRawBufferPointer(rebasing: arena[start..<end]))
        }
        var header = Self.magic
        withUnsafeBytes(of: Self.panelVersion.littleEndian) { header.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt32(identity.count).littleEndian) { header.append(contentsOf: $0) }
        withUnsafeBytes(of: UInt64(arena.count).littleEndian) { header.append(contentsOf: $0) }
        header += identity
        header += SHA256.digest(of: Array(digests.joined()))
        header += [UInt8](repeating: 0, count: Self.headerSize - header.count)
        return header
    }
}
