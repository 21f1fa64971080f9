import Basics
import Glibc
import Synchronization

/// Asks a run to end before its input does, from any thread or a signal handler.
public final class StopRequest: Sendable {
    private let requested = Atomic<Bool>(false)
    /// Can be read once the end has been asked for.
    let descriptor: Int32
    private let sender: Int32

    /// Nobody has asked yet.
    ///
    /// - Throws: `ServingError` when the process may open nothing more.
    public init() throws(ServingError) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw ServingError(.unreadable, wrapping: FileError(cannot: "wait for", "the input"))
        }
        (descriptor, sender) = (ends[0], ends[1])
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
    }

    deinit {
        close(descriptor)
        close(sender)
    }

    /// Asks for it; only async-signal-safe calls.
    public func request() {
        requested.store(true, ordering: .sequentiallyConsistent)
        var byte: UInt8 = 0
        _ = write(sender, &byte, 1)
    }

    /// Whether it has been asked for.
    public var isRequested: Bool { requested.load(ordering: .sequentiallyConsistent) }
}
