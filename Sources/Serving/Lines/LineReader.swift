import Foundation

/// Reads lines from a file descriptor in bounded memory.
///
/// A line longer than the limit is skipped and reported, so that it costs its neighbours nothing. A byte order
/// mark before the first line is dropped.
public struct LineReader: ~Copyable {
    /// What came next.
    public enum Line: Sendable, Equatable {
        /// A line's bytes, without its line feed.
        case bytes([UInt8])
        /// A line over the limit; its content was skipped.
        case tooLong

        /// Whether the line holds nothing but spaces, tabs and carriage returns.
        public var isBlank: Bool {
            guard case .bytes(let bytes) = self else { return false }
            return bytes.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
        }
    }

    /// A request line may have this many bytes.
    public static let maximumLineLength = 8 << 20

    private let descriptor: Int32
    private let ownsDescriptor: Bool
    private let maximumLength: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false
    private var isSkipping = false
    private var isFirst = true

    /// Reads an open descriptor; standard input by default.
    public init(descriptor: Int32 = STDIN_FILENO, maximumLength: Int = Self.maximumLineLength) {
        self.descriptor = descriptor
        self.maximumLength = maximumLength
        ownsDescriptor = false
    }

    /// Opens a file, or standard input for "-".
    ///
    /// - Throws: `ServingError` naming the file.
    public init(path: String, maximumLength: Int = Self.maximumLineLength) throws(ServingError) {
        self.maximumLength = maximumLength
        guard path != "-" else {
            descriptor = STDIN_FILENO
            ownsDescriptor = false
            return
        }
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        ownsDescriptor = true
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            throw ServingError(.unreadable, "cannot open \(path): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            close(descriptor)
            throw ServingError(.unreadable, "\(path) is a directory; a file of JSON Lines was expected")
        }
    }

    deinit {
        if ownsDescriptor, descriptor >= 0 { close(descriptor) }
    }

    /// Whether a line can be had without waiting for the writer at the other end.
    public mutating func isReady() -> Bool {
        if isAtEnd || hasCompleteLine { return true }
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return Glibc.poll(&poll, 1, 0) != 0
    }

    private var hasCompleteLine: Bool { buffer[start...].contains(0x0A) }

    /// The next line, waiting for it if need be; `nil` at the end.
    ///
    /// - Throws: `ServingError` when reading fails.
    public mutating func next() throws(ServingError) -> Line? {
        var searched = start
        while true {
            if let end = buffer[searched...].firstIndex(of: 0x0A) {
                let line = take(upTo: end)
                start = end + 1
                return line
            }
            if buffer.count - start > maximumLength {
                isSkipping = true
                start = buffer.count
            }
            buffer.removeFirst(start)
            start = 0
            searched = buffer.count
            if isAtEnd {
                guard !buffer.isEmpty || isSkipping else { return nil }
                let line = take(upTo: buffer.count)
                start = buffer.count
                return line
            }
            try fill()
        }
    }

    private mutating func take(upTo end: Int) -> Line {
        defer {
            isSkipping = false
            isFirst = false
        }
        if isSkipping || end - start > maximumLength { return .tooLong }
        var bytes = Array(buffer[start..<end])
        if isFirst, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        return .bytes(bytes)
    }

    private mutating func fill() throws(ServingError) {
        let chunk = 1 << 18
        let old = buffer.count
        var count = 0
        repeat {
            buffer.reserveCapacity(old + chunk)
            let part = [UInt8](unsafeUninitializedCapacity: chunk) { storage, initialized in
                count = read(descriptor, storage.baseAddress, chunk)
                initialized = max(0, count)
            }
            buffer.append(contentsOf: part)
        } while count < 0 && errno == EINTR
        guard count >= 0 else {
            throw ServingError(.unreadable, "reading the input failed: \(String(cString: strerror(errno)))")
        }
        if count == 0 { isAtEnd = true }
    }
}
