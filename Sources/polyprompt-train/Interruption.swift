import Basics
import Foundation
import Synchronization

/// Notes that the user or the system wants the command to end (Ctrl-C, SIGTERM, SIGHUP of a terminal that goes away). The
/// first signal is noted, so that a checkpoint can be written; the second ends the process.
enum Interruption {
    private static let requests = Atomic<Int>(0)

    /// Whether a signal has come.
    static var isRequested: Bool { requests.load(ordering: .relaxed) > 0 }

    /// Takes the signals over, when there is something to save; before, they end the process.
    static func watch() {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] where !(number == SIGHUP && isIgnored(number)) {
            sigaddset(&signals, number)
            // Only async-signal-safe calls: an atomic addition, unlinkat and _exit.
            signal(number) { number in
                guard Interruption.requests.add(1, ordering: .relaxed).oldValue > 0 else { return }
                PartialFile.removeAll()
                _exit(128 + number)
            }
        }
        // Whoever started this process may have left the signals blocked.
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }

    /// Whether the process was started so that the signal does nothing, as `nohup` does with SIGHUP.
    private static func isIgnored(_ number: Int32) -> Bool {
        var action = sigaction()
        guard sigaction(number, nil, &action) == 0 else { return false }
        return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self)
            == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
