import Basics
import Foundation

/// What a run holds between its reader, the engine and its writer: lines that wait for their answers, and answers that
/// wait for their turn. All of it is bounded by bytes.
///
/// `read` waits for room, `answer` for the writer where it is behind with what is its turn, `next` for something to be
/// written. So a reader of answers who is slow stops computing, and then reading, and nothing grows.
final class AnswersInOrder: Sendable {
    /// Lines that may be read ahead of the first one that has no answer yet.
    static let maximumLines = 4096
    /// Bytes of those lines, of what is made of them, and of their answers; a single line may exceed it alone.
    static let maximumBytes = 64 << 20
    /// Bytes of answers whose turn it is that may wait for the writer.
    static let maximumUnwrittenBytes = 1 << 20
    /// What a line costs besides its own bytes.
    private static let lineOverhead = 1024

    private struct State: Sendable {
        /// Lines read, and those of them whose answers have gone to the writer.
        var lineCount = 0
        var written = 0
        /// What each line takes whose answer has not gone to the writer.
        var sizes: [Int: Int] = [:]
        var heldBytes = 0
        /// Answers that wait for those before them, as they will be written.
        var waiting: [Int: [UInt8]] = [:]
        /// Answers whose turn it is.
        var ready: [UInt8] = []
        /// No more lines come.
        var isComplete = false
        /// No more answers come, whatever lines there are.
        var isStopped = false
        var summary = BatchInference.Summary()
        var failure: ServingError?

        mutating func resize(_ place: Int, _ bytes: Int) {
            let size = bytes + AnswersInOrder.lineOverhead
            heldBytes += size - (sizes.updateValue(size, forKey: place) ?? 0)
        }
    }

    private let state = Monitor(State())
    private let stop: StopRequest

    /// Holds nothing yet.
    ///
    /// - Parameter stop: Ends all waiting.
    init(stop: StopRequest) { self.stop = stop }

    /// What has been answered, for people.
    var summary: BatchInference.Summary { state.change { $0.summary } }
    /// Why nothing more can be written.
    var failure: ServingError? { state.change { $0.failure } }

    // MARK: The reader

    /// Whether lines may be read, waiting for a moment if need be.
    func hasRoom() -> Bool {
        state.wait(until: Date(timeIntervalSinceNow: 0.25)) { state in
            let lines = state.lineCount - state.written
            let hasRoom =
                lines < Self.maximumLines && (lines == 0 || state.heldBytes < Self.maximumBytes)
            return hasRoom || state.failure != nil ? () : nil
        } != nil
    }

    /// Takes in lines that have been read.
    ///
    /// - Parameter sizes: Bytes of each.
    /// - Returns: The place of the first.
    func add(_ sizes: [Int]) -> Int {
        state.change { state in
            let first = state.lineCount
            for size in sizes {
                state.resize(state.lineCount, size)
                state.lineCount += 1
            }
            return first
        }
    }

    /// Says how many bytes a line takes now.
    func resize(_ sizes: [(place: Int, bytes: Int)]) {
        state.change { state in for (place, bytes) in sizes { state.resize(place, bytes) } }
    }

    /// Says that no more lines come.
    func complete() { state.change { $0.isComplete = true } }

    /// Says that nobody is to wait any more: what has been answered is written, as far as its turn has come.
    func end() { state.change { $0.isStopped = true } }

    // MARK: The engine

    /// Takes answers; waits while more wait to be written than may.
    func answer(_ answers: [(place: Int, response: InferenceResponse)]) {
        let lines = answers.map { ($0.place, $0.response.json.lineBytes + [0x0A]) }
        state.change { state in
            for (place, line) in lines {
                state.resize(place, line.count)
                state.waiting[place] = line
            }
            for (_, response) in answers { state.summary.count(response) }
            while let line = state.waiting.removeValue(forKey: state.written) {
                state.ready += line
                state.heldBytes -= state.sizes.removeValue(forKey: state.written) ?? 0
                state.written += 1
            }
        }
        // A signal's handler cannot wake whoever waits here.
        while !stop.isRequested {
            let hasRoom: Void? = state.wait(until: Date(timeIntervalSinceNow: 0.25)) { state in
                state.ready.count <= Self.maximumUnwrittenBytes || state.failure != nil ? () : nil
            }
            if hasRoom != nil { return }
        }
    }

    // MARK: The writer

    /// What is to be written next, waiting for it if need be; `nil` at the end.
    func next() -> [UInt8]? {
        state.wait { state -> [UInt8]?? in
            guard state.ready.isEmpty else {
                defer { state.ready = [] }
                return state.ready
            }
            let isDone = state.isStopped || state.isComplete && state.written == state.lineCount
            return isDone || state.failure != nil ? .some(nil) : nil
        }
    }

    /// Says that nothing can be written any more, or is to be.
    func fail(_ error: ServingError) { state.change { $0.failure = $0.failure ?? error } }
}
