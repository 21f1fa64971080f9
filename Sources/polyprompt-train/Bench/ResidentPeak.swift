import Foundation

/// The most memory that this process has had resident, as Linux counts it.
enum ResidentPeak {
    /// `VmHWM` of /proc/self/status; `nil` where there is none.
    static var bytes: Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("VmHWM:") {
            return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) }
                .map { $0 << 10 }
        }
        return nil
    }

    /// Lets the peak begin anew at what is resident now.
    ///
    /// - Returns: Whether Linux allows it (proc(5), `clear_refs`).
    static func reset() -> Bool {
        guard let file = FileHandle(forWritingAtPath: "/proc/self/clear_refs") else { return false }
        defer { try? file.close() }
        return (try? file.write(contentsOf: Data("5".utf8))) != nil
    }
}
