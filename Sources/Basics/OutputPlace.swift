import CFiles
import Glibc

/// Where a path that is to be written leads, its links followed.
struct OutputPlace {
    /// The folder of what the last link names.
    let folder: OpenFolder
    /// The name in it.
    let name: String
    /// Whether it is a link of procfs, which stands for an open file: `/dev/stdout` leads to one.
    let isOpenFile: Bool

    /// Most links that are followed, as the system does.
    private static let maximumLinks = 40

    /// - Throws: `FileError` for folders that there are not, links that go round, and links not to be trusted.
    init(_ path: String) throws(FileError) {
        var rest = path
        var folder: OpenFolder?
        for _ in 0...Self.maximumLinks {
            let (parent, name) = Self.split(rest)
            guard !name.isEmpty, name != ".", name != ".." else {
                guard !path.isEmpty else { throw FileError(cannot: "write", path, number: ENOENT) }
                throw FileError("\(path) names a directory; a file to write was expected")
            }
            let next: OpenFolder
            do { next = try OpenFolder(parent, in: folder) } catch {
                throw FileError(cannot: "write", path, number: error.number ?? ENOENT)
            }
            guard let status = next.status(of: name), status.st_mode & S_IFMT == S_IFLNK else {
                (self.folder, self.name, isOpenFile) = (next, name, false)
                return
            }
            guard !pp_is_in_procfs(next.descriptor) else {
                (self.folder, self.name, isOpenFile) = (next, name, true)
                return
            }
            guard Self.isTrusted(link: status, in: next) else {
                throw FileError(
                    "\(path) is a link that another user has put into a directory that everybody may write to; it "
                        + "is not followed")
            }
            rest = try Self.target(of: name, in: next, path)
            folder = next
        }
        throw FileError(cannot: "write", path, number: ELOOP)
    }

    private static func split(_ path: String) -> (folder: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        let name = String(path[path.index(after: slash)...])
        return (slash == path.startIndex ? "/" : String(path[..<slash]), name)
    }

    /// The rule by which Linux protects links (`fs.protected_symlinks`), with or without that setting and sticky bit.
    private static func isTrusted(link: stat, in folder: OpenFolder) -> Bool {
        guard let status = folder.status() else { return false }
        return status.st_mode & S_IWOTH == 0 || [0, geteuid(), status.st_uid].contains(link.st_uid)
    }

    private static func target(
        of name: String, in folder: OpenFolder, _ path: String
    ) throws(FileError) -> String {
        var target = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlinkat(folder.descriptor, name, &target, target.count)
        guard count >= 0 else { throw FileError(cannot: "write", path) }
        return String(decoding: target.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}
