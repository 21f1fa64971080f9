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

    @Test("a newcomer is answered while an earlier request is still being generated")
    func joining() throws {
        let alone = fixture.engine().answer([request("long", "a b c"), request("short", "d e")])
        let engine = fixture.engine()
        let long = engine.submit(request("long", "a b c"))
        for _ in 0..<5 { #expect(engine.step().isEmpty) }
        let short = engine.submit(request("short", "d e"))
        let label = engine.submit(request("spam", "call now to win"))
        let unknown = engine.submit(request("nothing", "x"))
        #expect(Set([long, short, label, unknown]).count == 4)
        let first = engine.step()
        #expect(Set(first.map(\.ticket)) == [label, unknown])
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

    @Test("newcomers do not keep what is being generated from its steps, nor the other way round")
    func fairness() throws {
        let engine = fixture.engine(batchRows: 160)
        let long = engine.submit(request("long", "a b c"))
        #expect(engine.step().isEmpty)
        let newcomers = (0..<120).map { engine.submit(request($0 % 2 == 0 ? "spam" : "short", "word \($0)")) }
        let steps = try run(engine)
        // A step an iteration from the first one on.
        #expect(steps.firstIndex { $0.contains(long) } == 38)
        // Each iteration encodes some of them: at most 40 rows here, so one or two tasks of 20 rows and more.
        let done = steps.prefix(10).joined().count
        #expect(done >= 10 && done <= 40)
        #expect(Set(steps.joined()) == Set([long] + newcomers))
    }

    @Test("what finds no room for its keys and values waits, and what never would is refused")
    func memory() throws {
        let core = fixture.core
        let session = T5Session(core: core, pool: fixture.pool)
        let ids = fixture.tokenizer.encode("a b c").count
        let needed = session.cacheBytes(encoderRows: 3 + ids, GenerationOptions(maximumNewTokens: 40))
        let engine = InferenceEngine(
            core: core, tokenizer: fixture.tokenizer, store: fixture.store, pool: fixture.pool,
            cacheBytes: needed)
        let longs = (0..<3).map { _ in engine.submit(request("long", "a b c")) }
        let label = engine.submit(request("spam", "call now to win"))
        let steps = try run(engine)
        #expect(steps.count == 120 && steps[0] == [label])
        #expect([39, 79, 119].map { steps[$0] } == longs.map { [$0] })

        var wide = request("long", "a b c")
        wide.decoding = JSONObject([("num_beams", 200)])
        let error = #expect(throws: ServingError.self) { try engine.answer([wide])[0].result.get() }
        #expect(error?.code == .invalidRequest && error?.message.contains("num_beams") == true)
    }
}
