/// Groups requests into batches under a budget of encoder rows, in their order.
///
/// Ragged batches need no sorting by length and no waiting for company: a batch ends when the next request would
/// exceed the budget, or when there is none at hand.
public struct Batcher<Request> {
    /// Encoder rows that a batch may have, prompt rows counted; a single request may exceed it alone.
    public let maximumRows: Int
    /// Requests that a batch may have, which bounds what is held in memory when they are tiny.
    public let maximumRequests: Int

    private var pending: [Request] = []
    private var rows = 0

    /// A batcher with its budget.
    public init(maximumRows: Int, maximumRequests: Int = 4096) {
        self.maximumRows = max(1, maximumRows)
        self.maximumRequests = max(1, maximumRequests)
    }

    /// Adds a request.
    ///
    /// - Parameter cost: Its encoder rows; 0 for one that is answered without the core.
    /// - Returns: The batch that is full because of it, without it, if any.
    public mutating func add(_ request: Request, cost: Int) -> [Request]? {
        var full: [Request]?
        if !pending.isEmpty, rows + cost > maximumRows || pending.count >= maximumRequests { full = flush() }
        pending.append(request)
        rows += cost
        return full
    }

    /// The requests at hand, which the caller now owns.
    public mutating func flush() -> [Request] {
        defer {
            pending = []
            rows = 0
        }
        return pending
    }

    /// Whether nothing is at hand.
    public var isEmpty: Bool { pending.isEmpty }
}
