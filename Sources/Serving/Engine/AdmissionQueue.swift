/// Requests that wait for the core, and which of them it takes next.
///
/// Ragged batches need no sorting by length and no waiting for company: whenever the core is free, what waits
/// goes in order, up to a budget. Requests that generate stay after they are encoded, and hold decoder rows
/// and memory until they are done; one that finds no room keeps later ones of its kind behind it, so that it
/// cannot starve, but not requests that only score labels, which hold nothing.
public struct AdmissionQueue<Request> {
    /// What a request takes.
    public struct Cost: Sendable, Equatable {
        /// Encoder rows, prompt rows counted; taken once.
        public var encoderRows = 0
        /// Rows of each decoder step, held until the request is done; 0 when it generates nothing.
        public var decoderRows = 0
        /// Most bytes of the decoder's keys and values, held until the request is done.
        public var cacheBytes = 0

        /// A request's cost.
        public init(encoderRows: Int = 0, decoderRows: Int = 0, cacheBytes: Int = 0) {
            self.encoderRows = encoderRows
            self.decoderRows = decoderRows
            self.cacheBytes = cacheBytes
        }

        static func += (total: inout Cost, cost: Cost) {
            total.encoderRows += cost.encoderRows
            total.decoderRows += cost.decoderRows
            total.cacheBytes += cost.cacheBytes
        }

        static func -= (total: inout Cost, cost: Cost) {
            total.encoderRows -= cost.encoderRows
            total.decoderRows -= cost.decoderRows
            total.cacheBytes -= cost.cacheBytes
        }
    }

    /// Decoder rows and bytes that requests may hold together; a single request may exceed it alone.
    public let limit: Cost

    private var waiting: [(request: Request, cost: Cost)] = []
    /// Encoder rows that wait.
    public private(set) var encoderRows = 0

    /// An empty queue.
    public init(limit: Cost) { self.limit = limit }

    /// Whether nothing waits.
    public var isEmpty: Bool { waiting.isEmpty }

    /// Puts a request at the end.
    public mutating func add(_ request: Request, cost: Cost) {
        waiting.append((request, cost))
        encoderRows += cost.encoderRows
    }

    /// Takes what goes next.
    ///
    /// - Parameters:
    ///   - budget: Encoder rows that it may have; a single request may exceed it alone.
    ///   - held: What the requests that are being generated hold.
    public mutating func next(encoderRows budget: Int, held: Cost) -> [Request] {
        var held = held
        var rows = 0
        var isBlocked = false
        var taken: [Request] = []
        var left: [(request: Request, cost: Cost)] = []
        var looked = 0
        for (request, cost) in waiting {
            guard taken.isEmpty || rows + cost.encoderRows <= budget else { break }
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
            taken.append(request)
        }
        waiting.replaceSubrange(..<looked, with: left)
        encoderRows -= rows
        return taken
    }
}
