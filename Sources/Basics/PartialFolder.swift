import CFiles
import Foundation

/// A folder in the making, beside what it is to become, or for a while only. It goes with all that is in it as a
/// `PartialFile` does.
package final class PartialFolder {
    /// Where it is until it has its name.
    package var path: String { "\(parent.path)/\(name)" }

    /// The path that messages name.
    private let destination: String
    private let parent: OpenFolder
    private let name: String
    /// What it is to be called; `nil` when it goes in any case.
    private let final: String?
    private let own: OpenFolder
    private let lock: Int32
    private let notes: [Int32]
    private var isFinished = false

    /// Makes an empty folder beside what it is to become. Links are followed.
    ///
    /// - Parameters:
    ///   - destination: What it is to become.
    ///   - files: The files that will be in it, which go with it when a signal ends the process.
    ///   - permissions: Before the process's mask is taken off.
    package convenience init(
        for destination: String, files: [String], permissions: mode_t = 0o777
    ) throws(FileError) {
        var path = destination
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        let place = try OutputPlace(path)
        try self.init(
            destination, in: place.folder, for: place.name, final: place.name, files, permissions)
    }

    /// Makes an empty folder for a while, which only this user may look into, where temporary files are kept.
    ///
    /// - Parameters:
    ///   - name: What it is for, a part of its name.
    ///   - files: The files that will be in it, which go with it when a signal ends the process.
    package convenience init(temporary name: String, files: [String]) throws(FileError) {
        let path = FileManager.default.temporaryDirectory.path
        try self.init(path, in: OpenFolder(path), for: name, final: nil, files, 0o700)
    }

    private init(
        _ destination: String, in parent: OpenFolder, for beginning: String, final: String?,
        _ files: [String], _ permissions: mode_t
    ) throws(FileError) {
        PartialName.sweep(parent)
        pp_unfinished_watch()
        (self.destination, self.parent, self.final) = (destination, parent, final)
        for _ in 0..<100 {
            let name = PartialName.make(for: beginning)
            guard mkdirat(parent.descriptor, name, permissions) == 0 else {
                guard errno == EEXIST else { throw FileError(cannot: "write", destination) }
                continue
            }
            let lock = openat(parent.descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            guard lock >= 0, PartialName.lock(lock, name, in: parent) else {
                if lock >= 0 { close(lock) }
                continue
            }
            do { own = try OpenFolder(name, in: parent) } catch {
                close(lock)
                throw error
            }
            let own = own
            notes =
                files.map { pp_unfinished_note(own.descriptor, $0, false) }
                + [pp_unfinished_note(parent.descriptor, name, true)]
            (self.name, self.lock) = (name, lock)
            return
        }
        throw FileError(cannot: "write", destination, number: EEXIST)
    }

    deinit {
        if !isFinished { parent.removeAll(name) }
        notes.forEach(pp_unfinished_forget)
        close(lock)
    }

    /// Hands everything to the disk and gives the folder its name.
    ///
    /// - Parameter permissions: What it has in the end; `nil` for what it was made with.
    /// - Throws: `FileError`, also when something else is there; an empty directory is replaced.
    package func commit(permissions: mode_t? = nil) throws(FileError) {
        guard let final else { return }
        for name in own.names() {
            let file = openat(own.descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard file >= 0 else { throw FileError(cannot: "write", destination) }
            defer { close(file) }
            guard fsync(file) == 0 else { throw FileError(cannot: "write", destination) }
        }
        own.synchronize()
        if let permissions, fchmod(lock, permissions) != 0 { throw FileError(cannot: "write", destination) }
        guard pp_rename_folder(parent.descriptor, name, final) == 0 else {
            throw FileError(cannot: "write", destination)
        }
        isFinished = true
        parent.synchronize()
    }
}
