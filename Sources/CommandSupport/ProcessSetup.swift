import Basics
import Foundation

/// What a command sets up before anything else.
enum ProcessSetup {
    /// Lets failures of files and streams be errors with a message, where the system would end the process.
    static func prepare() {
        // First, so that no file gets the number of a closed stream.
        StandardStreams.secure()
        // A file over `ulimit -f`: writing fails then.
        signal(SIGXFSZ, SIG_IGN)
        MappedFile.watchForShrinking()
    }
}
