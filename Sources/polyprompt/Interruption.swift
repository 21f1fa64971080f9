import Foundation
import Serving
import Synchronization

/// Lets a run end by itself when a user or the system wants it to: SIGINT, SIGTERM and SIGHUP.
enum Interruption {
    /// The signal that came; 0 for none.
    static let signal = Atomic<Int32>(0)
    private static let stop = Mutex<StopRequest?>(nil)
    /// `stop`, as a word, because a signal handler may take no lock.
    private static let address = Atomic<UInt>(0)

    /// Takes the signals over: the first asks the run to stop, a second one ends the process.
    static func watch(_ request: StopRequest) {
        stop.withLock { $0 = request }
        address.store(
            UInt(bitPattern: Unmanaged.passUnretained(request).toOpaque()), ordering: .sequentiallyConsistent)
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            var action = sigaction()
            // A process that is to outlive its terminal (nohup) does so.
            guard sigaction(number, nil, &action) == 0,
                number != SIGHUP || !action.isIgnored
            else { continue }
            sigaddset(&signals, number)
            action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                Interruption.signal.store(number, ordering: .sequentiallyConsistent)
                guard
                    let request = UnsafeRawPointer(
                        bitPattern: Interruption.address.load(ordering: .sequentiallyConsistent))
                else { return }
                Unmanaged<StopRequest>.fromOpaque(request).takeUnretainedValue().request()
            }
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_RESTART
            sigaction(number, &action, nil)
        }
        // Whoever started this process may have left the signals blocked.
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }
}

extension sigaction {
    fileprivate var isIgnored: Bool {
        unsafeBitCast(__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
    }
}
