import Basics
import Foundation

/// What a command sets up before anything else.
package enum ProcessSetup {
    /// Lets failures of files be errors with a message, where the system would end the process.
    package static func prepare() {
        // A file over `ulimit -f`: writing fails then.
        signal(SIGXFSZ, SIG_IGN)
        MappedFile.watchForShrinking()
    }
}
