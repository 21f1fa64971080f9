import Foundation
import Synchronization

/// Notes that the user wants the run to end. The first signal is noted, so that a checkpoint can be written; the
/// second ends the process.
enum Interruption {
    private static let requests = Atomic<Int>(0)

    /// Whether a signal has come.
    static var isRequested: Bool { requests.load(ordering: .relaxed) > 0 }

    /// Takes the signals over.
    static func watch() {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM] {
            sigaddset(&signals, number)
            // Only async-signal-safe calls: an atomic addition and _exit.
            signal(number) { number in
                if Interruption.requests.add(1, ordering: .relaxed).oldValue > 0 { _exit(128 + number) }
            }
        }
        // Whoever started this process may have left the signals blocked.
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }
}
