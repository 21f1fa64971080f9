import Glibc
import Synchronization

/// Names of what is not finished: a name that only its process could have made up, locked while the process lives.
///
/// The lock tells a file that is being written from one whose process was killed, which the next process of the same
/// user removes. A process's number could not: in a container it is always the same.
enum PartialName {
    private static let middle = "polyprompt-"
    private static let ending = ".partial"
    private static let digits = 16
    /// Bytes that a name may have.
    private static let longest = 255

    /// A new name for what is to become `name`.
    static func make(for name: String) -> String {
        let random = UInt64.random(in: 0...UInt64.max)
        let text = String(random, radix: 16)
        let own = middle + String(repeating: "0", count: digits - text.count) + text + ending
        var beginning = Substring(name)
        while beginning.utf8.count + 1 + own.utf8.count > longest { beginning.removeLast() }
        return "\(beginning).\(own)"
    }

    /// Whether a name is one of those.
    static func matches(_ name: String) -> Bool {
        guard name.hasSuffix(ending) else { return false }
        let rest = name.dropLast(ending.count)
        return rest.suffix(digits).allSatisfy { $0.isHexDigit }
            && rest.dropLast(digits).hasSuffix("." + middle)
    }

    /// Marks what a descriptor stands for as in use.
    ///
    /// - Returns: Whether it still has its name: another process may have taken it for a dead one's before.
    static func lock(_ descriptor: Int32, _ name: String, in folder: OpenFolder) -> Bool {
        // Where the file system has no locks nobody else gets one either.
        if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK { return false }
        return isNamed(descriptor, name, in: folder)
    }

    private static func isNamed(_ descriptor: Int32, _ name: String, in folder: OpenFolder) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0, let named = folder.status(of: name) else { return false }
        return status.st_dev == named.st_dev && status.st_ino == named.st_ino
    }

    /// Folders that have been looked through.
    private static let swept = Mutex<Set<[UInt64]>>([])

    /// Removes what killed processes of this user have left in a folder; once in a process's life.
    static func sweep(_ folder: OpenFolder) {
        guard let status = folder.status() else { return }
        let identity = [UInt64(status.st_dev), UInt64(status.st_ino)]
        guard swept.withLock({ $0.insert(identity).inserted }) else { return }
        for name in folder.names() where matches(name) {
            guard let status = folder.status(of: name), status.st_uid == geteuid(),
                [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
            else { continue }
            let isFolder = status.st_mode & S_IFMT == S_IFDIR
            let access = isFolder ? O_RDONLY | O_DIRECTORY : O_RDWR
            let descriptor = openat(folder.descriptor, name, access | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            guard descriptor >= 0 else { continue }
            defer { close(descriptor) }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0, isNamed(descriptor, name, in: folder) else {
                continue
            }
            folder.removeAll(name)
        }
    }
}
