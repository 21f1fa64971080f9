import Basics
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

        /// Bytes that are held of it.
        var byteCount: Int {
            guard case .bytes(let bytes) = self else { return 0 }
            return bytes.count
        }

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
    private let name: String
    private let maximumLength: Int
    private var buffer: [UInt8] = []
    private var start = 0
    /// There is no line feed between `start` and here.
    private var searched = 0
    private var isAtEnd = false
    private var isSkipping = false
    private var isFirst = true
    private var failure: ServingError?

    /// Reads an open descriptor; standard input by default.
    public init(descriptor: Int32 = STDIN_FILENO, maximumLength: Int = Self.maximumLineLength) {
        self.descriptor = descriptor
        name = descriptor == STDIN_FILENO ? "standard input" : "the input"
        self.maximumLength = maximumLength
        ownsDescriptor = false
    }

    /// Opens a file, or standard input for "-".
    ///
    /// - Throws: `ServingError` naming the file.
    public init(path: String, maximumLength: Int = Self.maximumLineLength) throws(ServingError) {
        self.maximumLength = maximumLength
        name = path == "-" ? "standard input" : path
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

    /// Whether a whole line, the end or a failure can be had without waiting for the writer at the other end.
    public mutating func isReady() -> Bool {
        while lineEnd() == nil, !isAtEnd, failure == nil {
            guard isReadable(within: 0) else { return false }
            fill()
        }
        return true
    }

    /// The next line, waiting for it if need be; `nil` at the end.
    ///
    /// - Throws: `ServingError` when reading fails.
    public mutating func next() throws(ServingError) -> Line? {
        try next(stop: nil) {}
    }

    /// The next line, waiting for it if need be; `nil` at the end, and when it is asked to stop.
    ///
    /// - Parameter idle: Called now and then while it waits.
    mutating func next(stop: StopRequest?, idle: () -> Void) throws(ServingError) -> Line? {
        while true {
            if let end = lineEnd() {
                let line = take(upTo: end)
                start = end + 1
                searched = start
                return line
            }
            if let failure { throw failure }
            if isAtEnd {
                guard start < buffer.count || isSkipping else { return nil }
                let line = take(upTo: buffer.count)
                start = buffer.count
                return line
            }
            if let stop {
                while !isReadable(within: 250, or: stop) {
                    if stop.isRequested { return nil }
                    idle()
                }
            }
            fill()
        }
    }

    /// The place of the next line feed, if it has been read. Lets go of what a line has over the limit.
    private mutating func lineEnd() -> Int? {
        if let end = buffer[searched...].firstIndex(of: 0x0A) {
            searched = end
            return end
        }
        if buffer.count - start > maximumLength {
            isSkipping = true
            start = buffer.count
        }
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        searched = buffer.count
        return nil
    }

    /// Whether reading would not wait.
    ///
    /// - Parameter stop: Ends the waiting, too.
    private func isReadable(within milliseconds: Int32, or stop: StopRequest? = nil) -> Bool {
        var polled = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        if let stop { polled.append(pollfd(fd: stop.descriptor, events: Int16(POLLIN), revents: 0)) }
        poll(&polled, nfds_t(polled.count), milliseconds)
        return polled[0].revents != 0
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

    private mutating func fill() {
        let chunk = 1 << 18
        var count = 0
        repeat {
            let part = [UInt8](unsafeUninitializedCapacity: chunk) { storage, initialized in
                count = read(descriptor, storage.baseAddress, chunk)
                initialized = max(0, count)
            }
            buffer.append(contentsOf: part)
            // Another program may have said of a pipe that is shared with it that nobody is to wait.
            if count < 0, errno == EAGAIN { _ = isReadable(within: -1) }
        } while count < 0 && (errno == EINTR || errno == EAGAIN)
        if count < 0 {
            failure = ServingError(.unreadable, wrapping: FileError(cannot: "read", name))
        }
        if count == 0 { isAtEnd = true }
    }
}
