import Basics
import Foundation
import Synchronization

/// Notes that the user or the system wants the command to end (Ctrl-C, SIGTERM, SIGHUP of a terminal that goes away). The
/// first signal is noted, so that a checkpoint can be written; another one ends the process, unless it belongs to the
/// first: `timeout`, terminals and service managers send a signal to the process and to its group at once.
enum Interruption {
    /// When the first signal came, in nanoseconds; 0 before.
    private static let first = Atomic<Int>(0)
    /// Signals that come so soon after the first belong to it.
    private static let grace = 1_000_000_000

    /// Whether a signal has come.
    static var isRequested: Bool { first.load(ordering: .relaxed) != 0 }

    /// Takes note of a signal. Only async-signal-safe calls.
    ///
    /// - Returns: Whether the process is to end at once.
    private static func note() -> Bool {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        let now = time.tv_sec * 1_000_000_000 + time.tv_nsec
        let (isFirst, before) = first.compareExchange(expected: 0, desired: now, ordering: .relaxed)
        return !isFirst && now - before > grace
    }

    /// Takes the signals over, when there is something to save; before, they end the process.
    static func watch() {
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] where !(number == SIGHUP && isIgnored(number)) {
            sigaddset(&signals, number)
            // Only async-signal-safe calls: see `note`, unlinkat and _exit.
            signal(number) { number in
                guard Interruption.note() else { return }
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
