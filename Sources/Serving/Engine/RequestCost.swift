/// What answering a request takes.
public struct RequestCost: Sendable, Equatable {
    /// Encoder rows, prompt rows counted; taken once.
    public var encoderRows = 0
    /// Rows of each decoder step, held until the request is done; 0 when it generates nothing.
    public var decoderRows = 0
    /// Rows of the decoder passes that score its labels; taken once.
    public var labelRows = 0
    /// Most bytes of the decoder's keys and values, held until the request is done.
    public var cacheBytes = 0

    /// The cost of nothing, or of what is given.
    public init(encoderRows: Int = 0, labelRows: Int = 0, decoderRows: Int = 0, cacheBytes: Int = 0) {
        self.encoderRows = encoderRows
        self.labelRows = labelRows
        self.decoderRows = decoderRows
        self.cacheBytes = cacheBytes
    }

    static func += (total: inout RequestCost, cost: RequestCost) {
        total.encoderRows += cost.encoderRows
        total.labelRows += cost.labelRows
        total.decoderRows += cost.decoderRows
        total.cacheBytes += cost.cacheBytes
    }

    static func -= (total: inout RequestCost, cost: RequestCost) {
        total.encoderRows -= cost.encoderRows
        total.labelRows -= cost.labelRows
        total.decoderRows -= cost.decoderRows
        total.cacheBytes -= cost.cacheBytes
    }
}
