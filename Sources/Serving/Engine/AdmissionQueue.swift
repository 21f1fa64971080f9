/// Requests that wait for the core, and which of them it takes next.
///
/// Ragged batches need no sorting by length and no waiting for company: whenever the core is free, what waits
/// goes in order, up to a budget. Requests that generate stay after they are encoded, and hold decoder rows
/// and memory until they are done; one that finds no room keeps later ones of its kind behind it, so that it
/// cannot starve, but not requests that only score labels, which hold nothing.
public struct AdmissionQueue<Request> {
    /// Decoder rows and bytes that requests may hold together, and rows of labels that they may have scored at once; a
    /// single request may exceed it alone.
    public let limit: RequestCost

    private var waiting: [(request: Request, cost: RequestCost)] = []
    /// Encoder rows that wait.
    public private(set) var encoderRows = 0

    /// An empty queue.
    public init(limit: RequestCost) { self.limit = limit }

    /// Whether nothing waits.
    public var isEmpty: Bool { waiting.isEmpty }

    /// Puts a request at the end.
    public mutating func add(_ request: Request, cost: RequestCost) {
        waiting.append((request, cost))
        encoderRows += cost.encoderRows
    }

    /// Takes out the requests that match.
    public mutating func removeAll(where matches: (Request) -> Bool) {
        waiting.removeAll { matches($0.request) }
        encoderRows = waiting.reduce(0) { $0 + $1.cost.encoderRows }
    }

    /// Takes what goes next.
    ///
    /// - Parameters:
    ///   - budget: Encoder rows that it may have; a single request may exceed it alone.
    ///   - held: What the requests that are being generated hold.
    public mutating func next(encoderRows budget: Int, held: RequestCost) -> [Request] {
        var held = held
        var rows = 0
        var labelRows = 0
        var isBlocked = false
        var taken: [Request] = []
        var left: [(request: Request, cost: RequestCost)] = []
        var looked = 0
        for (request, cost) in waiting {
            guard
                taken.isEmpty
                    || rows + cost.encoderRows <= budget && labelRows + cost.labelRows <= limit.labelRows
            else { break }
            looked += 1
            if cost.decoderRows > 0 {
                let hasRoom =
                    held.decoderRows + cost.decoderRows <= limit.decoderRows
                    && held.cacheBytes + cost.cacheBytes <= limit.cacheBytes
                guard !isBlocked, hasRoom || held.decoderRows == 0 else {
                    isBlocked = true
                    left.append((request, cost))
                    continue
                }
                held += cost
            }
            rows += cost.encoderRows
            labelRows += cost.labelRows
            taken.append(request)
        }
        waiting.replaceSubrange(..<looked, with: left)
        encoderRows -= rows
        return taken
    }
}
