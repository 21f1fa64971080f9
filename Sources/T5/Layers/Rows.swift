import Basics
import Tensors

/// Rows of a matrix in memory: where the first begins, and elements from one to the next.
package struct Rows<Element: BitwiseCopyable> {
    package let start: UnsafeMutablePointer<Element>
    package let stride: Int

    package init(start: UnsafeMutablePointer<Element>, stride: Int) {
        self.start = start
        self.stride = stride
    }

    /// The rows from one on.
    package func from(_ row: Int) -> Rows { Rows(start: start + row * stride, stride: stride) }

    /// The same rows from a column on.
    package func column(_ column: Int) -> Rows { Rows(start: start + column, stride: stride) }

    /// A row's first element.
    package func row(_ row: Int) -> UnsafeMutablePointer<Element> { start + row * stride }
}

/// Queries and the keys that they attend to, as ranges of rows: one sequence's rows in self-attention, its decoder
/// rows and encoder rows in cross-attention.
package struct AttentionSpan {
    package let queries: Range<Int>
    package let keys: Range<Int>

    package init(queries: Range<Int>, keys: Range<Int>) {
        self.queries = queries
        self.keys = keys
    }
}

/// A decoder row that attends to keys and values of its own: those that its sequence has cached, or that were made
/// of its encoder rows.
package struct CachedRow<Element: BitwiseCopyable> {
    /// Its number among the pass's rows.
    let number: Int
    /// Keys and values `[…, 2 × inner]`, keys first.
    let keysValues: UnsafePointer<Element>
    /// How many keys it attends to.
    let keys: Int
    /// Which of the rows those are, in order of position; `nil` for the first ones.
    let path: [Int32]?
    /// Its own position: the t-th key is at distance `t - position`.
    let position: Int
}

/// Consecutive decoder rows of one sequence that attend to the encoder's output itself.
package struct AbsorbedSpan {
    package var queries: Range<Int>
    /// Rows of the encoder's output.
    package let keys: Int
    /// The encoder's output as `LayerOperations.packEncoderOutput` leaves it.
    package let encoderOutput: AlignedBuffer

    package init(queries: Range<Int>, keys: Int, encoderOutput: AlignedBuffer) {
        self.queries = queries
        self.keys = keys
        self.encoderOutput = encoderOutput
    }
}

extension Sequence<Range<Int>> {
    /// Ascending ranges as few as possible.
    package func merged() -> [Range<Int>] {
        reduce(into: []) { ranges, range in
            if let last = ranges.last, last.upperBound == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                ranges.append(range)
            }
        }
    }
}
