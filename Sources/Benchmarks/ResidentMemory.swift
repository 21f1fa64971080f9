import Foundation

/// The memory of this process that is resident, as Linux counts it; `nil` where it does not.
package enum ResidentMemory {
    /// Now.
    package static var bytes: Int? { status("VmRSS:") }

    /// At most so far.
    package static var peak: Int? { status("VmHWM:") }

    /// A line of /proc/self/status, which counts in KiB.
    private static func status(_ key: String) -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(key) {
            return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
                .map { $0 << 10 }
        }
        return nil
    }

    /// Lets the peak begin anew at what is resident now.
    ///
    /// - Returns: Whether Linux allows it (proc(5), `clear_refs`).
    package static func resetPeak() -> Bool {
        guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return false }
        defer { try? file.close() }
        return (try? file.write(contentsOf: Data("5".utf8))) != nil
    }
}
