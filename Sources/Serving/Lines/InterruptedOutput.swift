import Foundation
import Synchronization

/// What is removed when the process is interrupted or asked to terminate: the one unfinished output of this process.
enum InterruptedOutput {
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
                if let path = UnsafePointer<CChar>(
                    bitPattern: InterruptedOutput.pending.load(ordering: .relaxed))
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
