import JSON
import Serving
import T5
import Testing

/// Requests join and leave between decoder steps.
@Suite("Iterations")
struct IterationTests {
    let fixture: Fixture

    init() throws {
        fixture = try Fixture()
        try fixture.register(["spam"])
        try fixture.publish(
            #"{"name": "long", "template": "{input}", "max_new_tokens": 40, "decoding": {"min_new_tokens": 40}}"#
        )
        try fixture.publish(
            #"{"name": "short", "template": "{input}", "max_new_tokens": 3, "decoding": {"min_new_tokens": 3}}"#,
            seed: 2)
    }

    private func request(_ task: String, _ text: String) -> InferenceRequest {
        InferenceRequest(task: task, input: .text(.string(text)))
    }

    private func submit(_ engine: InferenceEngine, _ task: String, _ text: String) throws -> Int {
        engine.submit(try engine.preparer.prepare(request(task, text)))
    }

    /// Steps until nothing is left, at most so often; the tickets answered by each step.
    private func run(_ engine: InferenceEngine, limit: Int = 1000) throws -> [[Int]] {
        var steps: [[Int]] = []
        while !engine.isIdle, steps.count < limit {
            steps.append(
                try engine.step().map { answered in
                    _ = try answered.response.result.get()
                    return answered.ticket
                })
        }
        return steps
    }

    @Test("a new request is answered while an earlier one is still being generated")
    func joining() throws {
        let alone = fixture.engine().answer([request("long", "a b c"), request("short", "d e")])
        let engine = fixture.engine()
        let long = try submit(engine, "long", "a b c")
        for _ in 0..<5 { #expect(engine.step().isEmpty) }
        let short = try submit(engine, "short", "d e")
        let label = try submit(engine, "spam", "call now to win")
        #expect(throws: ServingError.self) { try submit(engine, "nothing", "x") }
        #expect(Set([long, short, label]).count == 3)
        let first = engine.step()
        #expect(first.map(\.ticket) == [label])
        #expect(engine.step().isEmpty)
        let second = engine.step()
        #expect(second.map(\.ticket) == [short])
        #expect(try second[0].response.result.get().outputIDs == alone[1].result.get().outputIDs)
        var last: [InferenceEngine.Answered] = []
        var steps = 8
        while !engine.isIdle {
            last += engine.step()
            steps += 1
        }
        #expect(last.map(\.ticket) == [long] && steps == 40)
        #expect(try last[0].response.result.get().outputIDs == alone[0].result.get().outputIDs)
    }

    @Test("new requests do not keep what is being generated from its steps, nor the other way round")
    func fairness() throws {
        let engine = fixture.engine(batchRows: 160)
        let long = try submit(engine, "long", "a b c")
        #expect(engine.step().isEmpty)
        let others = try (0..<120).map { try submit(engine, $0 % 2 == 0 ? "spam" : "short", "word \($0)") }
        let steps = try run(engine)
        // A step an iteration from the first one on.
        #expect(steps.firstIndex { $0.contains(long) } == 38)
        // Each iteration encodes some of them: at most 40 rows here, so one or two tasks of 20 rows and more.
        let done = steps.prefix(10).joined().count
        #expect(done >= 10 && done <= 40)
        #expect(Set(steps.joined()) == Set([long] + others))
    }

    @Test("what finds no room for its keys and values waits, and what never would is refused")
    func memory() throws {
        let core = fixture.core
        let ids = fixture.tokenizer.encode("a b c").count
        let needed = core.cacheBytes(encoderRows: 3 + ids, GenerationOptions(maximumNewTokens: 40))
        let engine = InferenceEngine(
            core: core, tokenizer: fixture.tokenizer, store: fixture.store, pool: fixture.pool,
            cacheBytes: needed)
        let longs = try (0..<3).map { _ in try submit(engine, "long", "a b c") }
        let label = try submit(engine, "spam", "call now to win")
        let steps = try run(engine)
        #expect(steps.count == 120 && steps[0] == [label])
        #expect([39, 79, 119].map { steps[$0] } == longs.map { [$0] })

        var wide = request("long", "a b c")
        wide.decoding = JSONObject([("num_beams", 200)])
        let error = #expect(throws: ServingError.self) { try engine.answer([wide])[0].result.get() }
        #expect(error?.code == .invalidRequest && error?.message.contains("num_beams") == true)
    }

    @Test("new ids are there step by step, and are those of the answer")
    func tokens() throws {
        let ideas = #"{"temperature": 1.5, "num_return_sequences": 3, "seed": 1}"#
        try fixture.publish(#"{"name": "ideas", "template": "{input}", "decoding": \#(ideas)}"#, seed: 3)
        try fixture.publish(
            #"{"name": "beams", "template": "{input}", "decoding": {"num_beams": 2}}"#, seed: 4)
        let members = try [5, 6].map {
            try fixture.publish(#"{"name": "vote", "template": "{input}"}"#, seed: $0).id
        }
        _ = try fixture.store.setAlias("most", to: .ensemble(members: members, combine: .majority))
        let engine = fixture.engine()
        let tasks = ["long", "short", "ideas", "beams", "most", "spam"]
        let tickets = try tasks.map { try submit(engine, $0, "a b c") }
        var streams: [Int: [[Int32]]] = [:]
        var answers: [Int: InferenceResponse.Answer] = [:]
        var steps = 0
        while !engine.isIdle {
            let answered = engine.step { ticket, output, id in
                streams[ticket, default: [[], [], []]][output].append(id)
            }
            steps += 1
            #expect(streams[tickets[0]]?[0].count == steps)
            for entry in answered { answers[entry.ticket] = try entry.response.result.get() }
        }
        #expect(answers.count == tasks.count)
        for ticket in tickets.prefix(2) { #expect(streams[ticket]?[0] == answers[ticket]?.outputIDs) }
        #expect(streams[tickets[2]] == answers[tickets[2]]?.outputs.map(\.ids))
        for ticket in tickets.suffix(3) { #expect(streams[ticket] == nil) }
    }

    @Test("a request that is cancelled takes nothing more and gets no answer")
    func cancellation() throws {
        let alone = try fixture.engine().answer([request("short", "d e")])[0].result.get()
        let engine = fixture.engine()
        let long = try submit(engine, "long", "a b c")
        #expect(engine.step().isEmpty)
        let waiting = try submit(engine, "spam", "call now to win")
        let short = try submit(engine, "short", "d e")
        engine.cancel(long)
        engine.cancel(waiting)
        engine.cancel(999)
        #expect(try run(engine) == [[], [], [short]])
        #expect(engine.waitingRows == 0)
        let again = try submit(engine, "short", "d e")
        engine.cancel(short)
        var answer: InferenceResponse.Answer?
        while !engine.isIdle { answer = try engine.step().first?.response.result.get() }
        #expect(again > short && answer?.outputIDs == alone.outputIDs)
    }

    @Test("requests are prepared on many threads while the engine steps")
    func preparing() async throws {
        let engine = fixture.engine()
        let preparer = engine.preparer
        let long = try submit(engine, "long", "a b c")
        let requests = (0..<200).map { request(["spam", "short", "long"][$0 % 3], "word \($0)") }
        let prepared = Task {
            try await withThrowingTaskGroup(of: (Int, PreparedRequest).self) { group in
                for (index, request) in requests.enumerated() {
                    group.addTask { (index, try preparer.prepare(request)) }
                }
                return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
            }
        }
        let first = try run(engine)
        #expect(first.last == [long])
        var answers: [Int: InferenceResponse] = [:]
        let results = try await prepared.value
        let tickets = requests.indices.compactMap { results[$0].map(engine.submit) }
        while !engine.isIdle { for entry in engine.step() { answers[entry.ticket] = entry.response } }
        let expected = fixture.engine().answer(requests)
        #expect(tickets.count == requests.count)
        for (ticket, response) in zip(tickets, expected) {
            #expect(try answers[ticket]?.result.get().outputIDs == response.result.get().outputIDs)
        }
    }
}
