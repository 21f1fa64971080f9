import Crypto

/// The SHA-256 of bytes that come in one piece or in many.
package struct SHA256 {
    private var function = Crypto.SHA256()

    /// The hash of no bytes yet.
    package init() {}

    /// Adds bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) { function.update(bufferPointer: bytes) }

    /// Adds a text's UTF-8 bytes.
    package mutating func update(_ text: String) {
        var text = text
        text.withUTF8 { update(UnsafeRawBufferPointer($0)) }
    }

    /// The 32 bytes of the hash of everything added so far.
    package var digest: [UInt8] { Array(function.finalize()) }

    /// The hash of bytes.
    package static func digest(of bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var hash = SHA256()
        hash.update(bytes)
        return hash.digest
    }

    /// The hash of bytes.
    package static func digest(of bytes: [UInt8]) -> [UInt8] { bytes.withUnsafeBytes { digest(of: $0) } }

    /// Whether a text is a hash as 64 lower-case hexadecimal digits.
    package static func isHexadecimal(_ text: String) -> Bool { [UInt8](hexadecimal: text)?.count == 32 }
}
