import Glibc

/// A text that is told apart by its bytes: the key of every set and dictionary of texts from outside.
///
/// `String` takes texts for equal that Unicode does, such as an é of one character and an é of two. So two labels could
/// become one, and a run of combining marks, which has to be sorted first, takes time in the square of its length. Here
/// equality, order and hash are those of UTF-8, in time proportional to it.
public struct ByteText: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The text.
    public let string: String

    /// A text that is compared by its bytes.
    public init(_ string: String) { self.string = string }

    /// The text.
    public var description: String { string }

    /// Whether both have the same bytes.
    public static func == (left: ByteText, right: ByteText) -> Bool { left.string.isSame(as: right.string) }

    /// Whether the bytes of the first come before those of the second.
    public static func < (left: ByteText, right: ByteText) -> Bool {
        left.string.withBytes { left in
            right.string.withBytes { right in
                let order = byteOrder(left, right)
                return order < 0 || (order == 0 && left.count < right.count)
            }
        }
    }

    /// Hashes the bytes and their number.
    public func hash(into hasher: inout Hasher) {
        string.withBytes { bytes in
            hasher.combine(bytes.count)
            hasher.combine(bytes: bytes)
        }
    }
}

extension String {
    /// Whether both texts have the same bytes.
    package func isSame(as other: String) -> Bool {
        withBytes { own in
            other.withBytes { other in
                own.count == other.count && byteOrder(own, other) == 0
            }
        }
    }

    /// Whether the text begins with the bytes of another.
    package func begins(with other: String) -> Bool { utf8.starts(with: other.utf8) }

    /// Whether the text ends with the bytes of another.
    package func ends(with other: String) -> Bool { utf8.suffix(other.utf8.count).elementsEqual(other.utf8) }

    /// Calls `body` with the text's UTF-8.
    fileprivate func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        // A string of Swift's own lies in memory as UTF-8; `withUTF8` would copy one that does not.
        var text = self
        return text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }
}

/// The order of two texts' first bytes, as many as both have.
private func byteOrder(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Int32 {
    guard let first = left.baseAddress, let second = right.baseAddress else { return 0 }
    return memcmp(first, second, min(left.count, right.count))
}

extension Sequence<String> {
    /// Whether a text of the same bytes is among these: for a few texts that the program knows.
    package func hasSame(as text: String) -> Bool { contains { $0.isSame(as: text) } }
}

extension Dictionary where Key == ByteText {
    /// The value of a text.
    public subscript(text: String) -> Value? {
        get { self[ByteText(text)] }
        set { self[ByteText(text)] = newValue }
    }
}
