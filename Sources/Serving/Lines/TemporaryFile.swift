import Foundation
import Synchronization

/// A file beside its destination, in the same folder so that it can be renamed over it. It is removed when the
/// process is interrupted or asked to terminate.
struct TemporaryFile {
    let path: String
    let descriptor: Int32

    /// Creates the file.
    init(beside destination: String) throws(ServingError) {
        path = "\(destination).\(getpid()).partial"
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw ServingError(
                .unwritable, "cannot write \(destination): \(String(cString: strerror(errno)))")
        }
        Interruption.remember(path)
    }

    /// Removes the file.
    func remove() {
        unlink(path)
        forget()
    }

    /// The file has got its name: nothing is left to remove.
    func forget() { Interruption.forget() }
}

/// What a signal handler must remove: the one partial file of this process.
private enum Interruption {
    /// The file's path as a C string, or 0. An atomic word, because a signal handler may read nothing else.
    private static let pending = Atomic<UInt>(0)

    static func remember(_ path: String) {
        forget()
        guard let copy = strdup(path) else { return }
        pending.store(UInt(bitPattern: copy), ordering: .sequentiallyConsistent)
        // Whoever started this process may have left the signals blocked.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            sigaddset(&signals, number)
            // Only async-signal-safe calls: unlink and _exit.
            signal(number) { number in
                if let path = UnsafePointer<CChar>(bitPattern: Interruption.pending.load(ordering: .relaxed))
                {
                    unlink(path)
                }
                _exit(128 + number)
            }
        }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    static func forget() {
        let old = pending.exchange(0, ordering: .sequentiallyConsistent)
        free(UnsafeMutableRawPointer(bitPattern: old))
    }
}
