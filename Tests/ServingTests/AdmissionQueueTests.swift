import Serving
import Testing

@Suite("Admission")
struct AdmissionQueueTests {
    private func queue(
        _ costs: [RequestCost], limit: RequestCost = RequestCost(decoderRows: 8, cacheBytes: 100)
    )
        -> AdmissionQueue<Int>
    {
        var queue = AdmissionQueue<Int>(limit: limit)
        for (index, cost) in costs.enumerated() { queue.add(index, cost: cost) }
        return queue
    }

    @Test("what is taken stays within the budget of encoder rows, in order; a request over it goes alone")
    func budget() {
        var queue = queue([4, 4, 2, 1, 25, 3, 10, 1].map { RequestCost(encoderRows: $0) })
        #expect(queue.encoderRows == 50)
        var taken: [[Int]] = []
        while !queue.isEmpty { taken.append(queue.next(encoderRows: 10, held: RequestCost())) }
        #expect(taken == [[0, 1, 2], [3], [4], [5], [6], [7]])
        #expect(queue.encoderRows == 0 && queue.next(encoderRows: 10, held: RequestCost()).isEmpty)
    }

    @Test("requests that generate share decoder rows and bytes; a request over the limit goes alone")
    func limits() {
        let small = RequestCost(encoderRows: 1, decoderRows: 3, cacheBytes: 30)
        let large = RequestCost(encoderRows: 1, decoderRows: 20, cacheBytes: 500)
        let deep = RequestCost(encoderRows: 1, decoderRows: 1, cacheBytes: 80)
        var queue = queue([small, small, small, large, deep, small])
        func next(_ held: RequestCost) -> [Int] { queue.next(encoderRows: 100, held: held) }
        #expect(next(RequestCost()) == [0, 1])
        #expect(next(RequestCost(decoderRows: 6, cacheBytes: 60)) == [])
        #expect(next(RequestCost(decoderRows: 3, cacheBytes: 30)) == [2])
        #expect(next(RequestCost(decoderRows: 1, cacheBytes: 1)) == [])
        #expect(next(RequestCost()) == [3])
        #expect(next(RequestCost()) == [4])
        #expect(next(RequestCost(decoderRows: 1, cacheBytes: 80)) == [])
        #expect(next(RequestCost(decoderRows: 1, cacheBytes: 70)) == [5])
        #expect(queue.isEmpty)
    }

    @Test("one that finds no room lets those pass that hold nothing, and none of its own kind")
    func overtaking() {
        let scoring = RequestCost(encoderRows: 2)
        let small = RequestCost(encoderRows: 2, decoderRows: 1, cacheBytes: 1)
        let large = RequestCost(encoderRows: 2, decoderRows: 8, cacheBytes: 90)
        var queue = queue([large, small, scoring, small, scoring])
        let held = RequestCost(decoderRows: 1, cacheBytes: 1)
        #expect(queue.next(encoderRows: 4, held: held) == [2, 4])
        #expect(queue.next(encoderRows: 4, held: held) == [])
        #expect(queue.next(encoderRows: 4, held: RequestCost()) == [0])
        #expect(queue.encoderRows == 4)
        #expect(queue.next(encoderRows: 4, held: RequestCost()) == [1, 3])
    }

    @Test("what is taken out leaves no rows behind")
    func removal() {
        var queue = queue([4, 2, 1].map { RequestCost(encoderRows: $0) })
        queue.removeAll { $0 == 1 }
        #expect(queue.encoderRows == 5)
        #expect(queue.next(encoderRows: 10, held: RequestCost()) == [0, 2])
    }
}
