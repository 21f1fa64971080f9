/// A projected soft prompt `[rows, width]`: what is prepended to the encoder's input embeddings.
///
/// Every value is finite, and the shape is within bounds that no untrusted header can exceed.
public struct SoftPrompt: Sendable, Equatable {
    /// More virtual tokens than any sequence has.
    public static let maximumRows = 65_536
    /// More than any `d_model`.
    public static let maximumWidth = 65_536
    /// 256 MiB in float32.
    public static let maximumCount = 1 << 26

    /// The number of virtual tokens.
    public let rows: Int
    /// `d_model` of the core.
    public let width: Int
    /// The values, row by row: `rows × width`.
    public let values: [Float]

    /// A prompt of `rows × width` values, row by row.
    ///
    /// - Throws: `invalidPrompt` when the shape is out of bounds, does not fit the number of values, or a value is
    ///   not finite.
    public init(rows: Int, width: Int, values: [Float]) throws(PromptStoreError) {
        if let reason = Self.reasonAgainst(rows: rows, width: width) {
            throw PromptStoreError(.invalidPrompt, reason)
        }
        guard values.count == rows * width else {
            throw PromptStoreError(
                .invalidPrompt, "a prompt [\(rows), \(width)] has \(rows * width) values, not \(values.count)"
            )
        }
        if let index = values.firstIndex(where: { !$0.isFinite }) {
            throw PromptStoreError(
                .invalidPrompt,
                "the value at row \(index / width), column \(index % width) is \(values[index]); all must be finite"
            )
        }
        self.rows = rows
        self.width = width
        self.values = values
    }

    /// Why a shape is out of bounds, or `nil`.
    static func reasonAgainst(rows: Int, width: Int) -> String? {
        guard (1...maximumRows).contains(rows) else {
            return "a prompt has 1 to \(maximumRows) rows, not \(rows)"
        }
        guard (1...maximumWidth).contains(width) else {
            return "a prompt is 1 to \(maximumWidth) wide, not \(width)"
        }
        guard rows * width <= maximumCount else {
            return "a prompt has at most \(maximumCount) values, not \(rows) × \(width)"
        }
        return nil
    }
}
