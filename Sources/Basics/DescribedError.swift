import Foundation

/// The shape of all errors here: a sentence, and the error behind it.
///
/// An error prints as its sentence everywhere: interpolated, as `localizedDescription`, and in an error that has it as
/// its cause. Two are equal when they say the same; the cause is for debugging.
public protocol DescribedError: LocalizedError, CustomStringConvertible, Equatable, Sendable {
    /// Names what is at fault (a file, line, key, tensor or task), what was found, what was expected and, where that
    /// helps, what to do. Without a full stop.
    var message: String { get }
    /// The error behind this one.
    var cause: (any Error)? { get }
}

extension DescribedError {
    /// The message.
    public var description: String { message }
    /// The message.
    public var errorDescription: String? { message }

    /// Whether both say the same.
    public static func == (left: Self, right: Self) -> Bool { left.message == right.message }
}

/// An error without a code: callers show it, and do not tell one failure from another.
public protocol UncodedError: DescribedError {
    /// An error of a sentence.
    init(_ message: String, cause: (any Error)?)
}

extension UncodedError {
    /// An error from below: as it is when it is one of these already, else with its own words after the place.
    package init(wrapping error: any Error, at place: String? = nil) {
        self = error as? Self ?? Self(words(of: error, at: place), cause: error)
    }

    /// The error with a place before its words: a file, or a file and a line.
    package func at(_ place: String) -> Self { Self("\(place): \(message)", cause: cause) }
}

/// An error with a code by which callers tell failures apart.
public protocol CodedError: DescribedError {
    /// What kinds of failure there are.
    associatedtype Code: Hashable, Sendable
    /// What kind of failure it is.
    var code: Code { get }
    /// An error of a kind with its sentence.
    init(_ code: Code, _ message: String, cause: (any Error)?)
}

extension CodedError {
    /// An error from below: as it is when it is one of these already, else with its own words after the place.
    package init(_ code: Code, wrapping error: any Error, at place: String? = nil) {
        self = error as? Self ?? Self(code, words(of: error, at: place), cause: error)
    }

    /// Whether both are of the same kind and say the same.
    public static func == (left: Self, right: Self) -> Bool {
        left.code == right.code && left.message == right.message
    }
}

private func words(of error: any Error, at place: String?) -> String {
    (place.map { "\($0): " } ?? "") + "\(error)"
}
