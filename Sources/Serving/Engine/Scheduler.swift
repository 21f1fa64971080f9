import Basics
import Foundation

/// Runs an engine on a thread of its own, for requests that come from any thread.
///
/// Whatever was submitted when an iteration begins takes part in it, as far as it is admitted (`AdmissionQueue`), so that
/// requests of all callers share the core's passes. Answers and ids are handed to closures on the engine's thread: one
/// that waits keeps everything from being computed.
public final class Scheduler: Sendable {
    /// A prepared request, and who is told about it.
    public struct Submission: Sendable {
        /// The request.
        public let request: PreparedRequest
        let onToken: (@Sendable (_ output: Int, _ id: Int32) -> Void)?
        let onAnswer: @Sendable (InferenceResponse) -> Void

        /// A request and who is told about it, on the engine's thread.
        ///
        /// - Parameters:
        ///   - request: The request.
        ///   - onToken: Told each new id, as `InferenceEngine.step` says.
        ///   - onAnswer: Told the answer, once, unless the request is cancelled.
        public init(
            _ request: PreparedRequest,
            onToken: (@Sendable (_ output: Int, _ id: Int32) -> Void)? = nil,
            onAnswer: @escaping @Sendable (InferenceResponse) -> Void
        ) {
            (self.request, self.onToken, self.onAnswer) = (request, onToken, onAnswer)
        }
    }

    private struct State: Sendable {
        var submitted: [(ticket: Int, Submission)] = []
        var cancelled: [Int] = []
        var nextTicket = 0
        /// What has been submitted and has no answer yet.
        var load = RequestCost()
        var totals = InferenceEngine.Totals()
        var ending: Ending?
        var hasEnded = false
    }

    private enum Ending {
        /// When everything is answered.
        case answered
        /// With the iteration that is computed now.
        case now
    }

    /// Makes of requests what can be submitted; for any thread.
    public let preparer: RequestPreparer
    private let state = Monitor(State())

    /// Starts a thread for an engine, which nothing else uses from now on.
    public init(_ engine: sending InferenceEngine) {
        preparer = engine.preparer
        // Sound, since the caller has given the engine away and only this thread goes on with it.
        nonisolated(unsafe) let engine = engine
        let thread = Thread { [state] in Self.work(engine, state) }
        thread.name = "polyprompt-engine"
        thread.stackSize = 8 << 20
        thread.start()
    }

    deinit { state.change { $0.ending = .now } }

    // MARK: For any thread

    /// Has requests wait for their turn, in their order.
    ///
    /// - Returns: A number for each, by which it can be cancelled.
    @discardableResult
    public func submit(_ submissions: [Submission]) -> [Int] {
        state.change { state in
            submissions.map { submission in
                defer { state.nextTicket += 1 }
                state.submitted.append((state.nextTicket, submission))
                state.load += submission.request.cost
                return state.nextTicket
            }
        }
    }

    /// Drops a request that has no answer yet: it gets none, if it does not get it right now.
    public func cancel(_ ticket: Int) { state.change { $0.cancelled.append(ticket) } }

    /// What all requests take together that have no answer yet.
    public var load: RequestCost { state.change { $0.load } }

    /// What the engine has done so far.
    public var totals: InferenceEngine.Totals { state.change { $0.totals } }

    /// Waits until everything that was submitted is answered, and ends the thread. Nothing may be submitted after it.
    ///
    /// - Parameters:
    ///   - stop: Ends the thread before that, as `stop` does.
    ///   - idle: Called now and then while it waits.
    public func finish(stop: StopRequest? = nil, idle: () -> Void = {}) {
        state.change { $0.ending = $0.ending ?? .answered }
        while state.wait(until: Date(timeIntervalSinceNow: 0.25), { $0.hasEnded ? () : nil }) == nil {
            idle()
            if let stop, stop.isRequested { return self.stop() }
        }
    }

    /// Ends the thread after the iteration that is computed now; what then has no answer gets none.
    public func stop() {
        state.change { $0.ending = .now }
        state.wait { $0.hasEnded ? () : nil }
    }

    // MARK: The engine's thread

    private static func work(_ engine: InferenceEngine, _ state: Monitor<State>) {
        defer { state.change { $0.hasEnded = true } }
        var tickets: [Int: Int] = [:]
        var running: [Int: (ticket: Int, submission: Submission)] = [:]
        while true {
            let (submitted, cancelled, ending) = state.wait { state in
                guard
                    !engine.isIdle || !state.submitted.isEmpty || !state.cancelled.isEmpty
                        || state.ending != nil
                else { return ([(ticket: Int, Submission)], [Int], Ending?)?.none }
                defer { (state.submitted, state.cancelled) = ([], []) }
                return (state.submitted, state.cancelled, state.ending)
            }
            if ending == .now { return }
            for (ticket, submission) in submitted {
                let number = engine.submit(submission.request)
                tickets[ticket] = number
                running[number] = (ticket, submission)
            }
            var done = RequestCost()
            for ticket in cancelled {
                guard let number = tickets.removeValue(forKey: ticket) else { continue }
                engine.cancel(number)
                if let entry = running.removeValue(forKey: number) { done += entry.submission.request.cost }
            }
            if engine.isIdle, ending == .answered { return }
            let answered = engine.step { number, output, id in
                running[number]?.submission.onToken?(output, id)
            }
            for answer in answered {
                guard let entry = running.removeValue(forKey: answer.ticket) else { continue }
                tickets[entry.ticket] = nil
                done += entry.submission.request.cost
                entry.submission.onAnswer(answer.response)
            }
            let totals = engine.totals
            state.change { state in
                state.load -= done
                state.totals = totals
            }
        }
    }
}
