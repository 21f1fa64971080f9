import Foundation

/// How a command ended and how much memory it needed at most.
package struct MeasuredCommand {
    /// The status that it exited with; `nil` where a signal ended it.
    package let status: Int32?
    /// The most memory that was resident at once, in bytes.
    package let peakBytes: Int
    /// The time that it computed, on all CPU cores together.
    package let cpuSeconds: Double
    /// What it wrote to standard output.
    package let output: String
    /// What it wrote to standard error.
    package let errors: String

    /// Runs one of the package's commands with a file as its standard input.
    ///
    /// - Parameter addressLimit: The most bytes of address space that it may have (`ulimit -v`).
    package init(
        _ arguments: [String], of name: String = "polyprompt", input: String, addressLimit: Int? = nil
    ) throws {
        let folder = try TemporaryFolder()
        let limit = addressLimit.map { "ulimit -v \($0 / 1024) && " } ?? ""
        let shell =
            "\(limit)exec \"$0\" \"$@\" <\"$STANDARD_INPUT\" >\"$STANDARD_OUTPUT\" 2>\"$STANDARD_ERROR\""
        let environment =
            ProcessInfo.processInfo.environment.map { "\($0.key)=\($0.value)" } + [
                "STANDARD_INPUT=\(input)", "STANDARD_OUTPUT=\(folder.file("out"))",
                "STANDARD_ERROR=\(folder.file("err"))",
            ]
        let words = ["/bin/sh", "-c", shell, Command.executable(name)] + arguments
        var child = pid_t()
        // Copies of the words, which end with a null pointer each, live until the child has been started.
        let argv = words.map { strdup($0) } + [nil]
        let envp = environment.map { strdup($0) } + [nil]
        defer { (argv + envp).forEach { free($0) } }
        let failure = posix_spawn(&child, "/bin/sh", nil, nil, argv, envp)
        guard failure == 0 else { throw CocoaError(.executableLoad) }
        var status: Int32 = 0
        var usage = rusage()
        // The system's own count of the most memory begins with that of the process that starts another. The command's
        // begins with the command, and is asked for as long as it runs: what it needs in its last moments is missed.
        var peak = 0
        while wait4(child, &status, WNOHANG, &usage) == 0 {
            peak = max(peak, Self.peakBytes(of: child))
            usleep(1000)
        }
        peakBytes = peak
        self.status = status & 0x7f == 0 ? (status >> 8) & 0xff : nil
        cpuSeconds = [usage.ru_utime, usage.ru_stime].reduce(0) {
            $0 + Double($1.tv_sec) + Double($1.tv_usec) * 1e-6
        }
        output = (try? folder.text("out")) ?? ""
        errors = (try? folder.text("err")) ?? ""
    }

    /// The most memory that a process has had resident; 0 when it has ended.
    private static func peakBytes(of process: pid_t) -> Int {
        let status = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = status?.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return (line.flatMap { Int($0.filter(\.isNumber)) } ?? 0) << 10
    }
}
