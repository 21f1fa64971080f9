import Basics
import Foundation
import JSON
import Serving
import Synchronization
import TestSupport
import Testing

@Suite("An engine on a thread of its own")
struct SchedulerTests {
    let fixture: Fixture

    init() throws {
        fixture = try Fixture()
        try fixture.publish(
            #"{"name": "spam", "template": "{input}", "labels": [{"label": "a", "text": "yes"}, {"label": "b", "text": "no"}]}"#,
            seed: 1)
        try fixture.publish(
            #"{"name": "long", "template": "{input}", "max_new_tokens": 40, "decoding": {"min_new_tokens": 40}}"#,
            seed: 2)
    }

    private func scheduler() -> Scheduler {
        Scheduler(
            InferenceEngine(
                core: fixture.core, tokenizer: fixture.tokenizer, store: fixture.store, pool: fixture.pool))
    }

    private static func request(_ task: String, _ number: Int) -> InferenceRequest {
        InferenceRequest(id: JSONValue(number), task: task, input: .text(.string("word \(number)")))
    }

    @Test("requests of many threads are each answered once, as they are by themselves")
    func threads() throws {
        let scheduler = scheduler()
        let answers = Monitor([Int: [InferenceResponse]]())
        let tokens = Monitor([Int: [Int32]]())
        let numbers = Array(0..<40)
        let threads = (0..<4).map { start in
            Thread {
                for number in stride(from: start, to: numbers.count, by: 4) {
                    guard
                        let prepared = try? scheduler.preparer.prepare(
                            Self.request(number % 5 == 0 ? "long" : "spam", number))
                    else { continue }
                    scheduler.submit([
                        Scheduler.Submission(
                            prepared,
                            onToken: { _, id in tokens.change { $0[number, default: []].append(id) } }
                        ) { answer in answers.change { $0[number, default: []].append(answer) } }
                    ])
                }
            }
        }
        for thread in threads { thread.start() }
        answers.wait { $0.count == numbers.count ? () : nil }
        scheduler.finish()
        #expect(scheduler.load == RequestCost() && scheduler.totals.batches > 0)
        let expected = fixture.engine().answer(
            numbers.map { Self.request($0 % 5 == 0 ? "long" : "spam", $0) })
        for (number, expected) in zip(numbers, expected) {
            let given = try #require(answers.change { $0[number] })
            #expect(given.count == 1)
            let answer = try given[0].result.get()
            #expect(try answer.outputIDs == expected.result.get().outputIDs)
            if number % 5 == 0 { #expect(tokens.change { $0[number] } == answer.outputIDs) }
        }
    }

    @Test("what is cancelled gets no answer, and what is stopped neither")
    func cancelling() throws {
        let scheduler = scheduler()
        let answered = Mutex<[Int]>([])
        func submit(_ number: Int) throws -> Int {
            let prepared = try scheduler.preparer.prepare(Self.request("long", number))
            return scheduler.submit([
                Scheduler.Submission(prepared) { _ in answered.withLock { $0.append(number) } }
            ])[0]
        }
        let tickets = try (0..<3).map { try submit($0) }
        scheduler.cancel(tickets[1])
        scheduler.finish()
        #expect(answered.withLock { $0.sorted() } == [0, 2] && scheduler.load == RequestCost())

        let stopped = self.scheduler()
        let prepared = try stopped.preparer.prepare(Self.request("long", 9))
        stopped.submit(
            (0..<50).map { _ in
                Scheduler.Submission(prepared) { _ in answered.withLock { $0.append(9) } }
            })
        stopped.stop()
        #expect(answered.withLock { $0.count { $0 == 9 } } < 50)
    }
}
