import Basics
import Foundation
import Testing

@Suite("Errors")
struct DescribedErrorTests {
    private struct FileError: UncodedError {
        let message: String
        let cause: (any Error)?
        init(_ message: String, cause: (any Error)? = nil) { (self.message, self.cause) = (message, cause) }
    }

    private struct StoreError: CodedError {
        enum Code { case missing, damaged }
        let code: Code
        let message: String
        let cause: (any Error)?
        init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
            (self.code, self.message, self.cause) = (code, message, cause)
        }
    }

    @Test("print as their message everywhere")
    func printing() {
        let error: any Error = StoreError(.missing, "no store at /x")
        #expect("\(error)" == "no store at /x")
        #expect(error.localizedDescription == "no store at /x")
    }

    @Test("keep what is behind them as their cause, with its words after the place")
    func wrapping() {
        let cause = FileError("a.bin is cut short")
        let error = StoreError(.damaged, wrapping: cause, at: "the blob of spam@1")
        #expect(error.message == "the blob of spam@1: a.bin is cut short" && error.code == .damaged)
        #expect(error.cause as? FileError == cause)
        #expect(StoreError(.damaged, wrapping: cause).message == cause.message)
        #expect(FileError(wrapping: error).cause as? StoreError == error)
    }

    @Test("are not wrapped in their own kind")
    func own() {
        let error: any Error = StoreError(.missing, "no store at /x")
        #expect(
            StoreError(.damaged, wrapping: error, at: "a place") == StoreError(.missing, "no store at /x"))
        #expect(FileError(wrapping: FileError("x"), at: "a place") == FileError("x"))
    }

    @Test("are equal when code and message are")
    func equality() {
        #expect(FileError("x") == FileError("x", cause: FileError("y")))
        #expect(FileError("x") != FileError("y"))
        #expect(StoreError(.missing, "x") != StoreError(.damaged, "x"))
    }
}
