import Synchronization
import T5
import Tensors

/// Rows of a matrix in memory: where the first begins, and elements from one to the next.
struct Rows<Element: BitwiseCopyable> {
    let start: UnsafeMutablePointer<Element>
    let stride: Int

    /// The rows from one on.
    func from(_ row: Int) -> Rows { Rows(start: start + row * stride, stride: stride) }

    /// The same rows from a column on.
    func column(_ column: Int) -> Rows { Rows(start: start + column, stride: stride) }

    /// A row's first element.
    func row(_ row: Int) -> UnsafeMutablePointer<Element> { start + row * stride }
}

/// Queries and the keys that they attend to: one sequence's rows in self-attention, its decoder rows and encoder
/// rows in cross-attention.
struct AttentionSpan {
    let queries: Range<Int>
    let keys: Range<Int>
}

/// Scratch memory of one part of a batch while it passes through the layers.
///
/// `@unchecked Sendable`: only the thread that it is lent to touches it; `WorkspacePool` hands it on.
final class PassWorkspace: @unchecked Sendable {
    // What the layers' passes need between their steps.
    var projected = Scratch()
    var context = Scratch()
    var wide = Scratch()
    var hidden = Scratch()
    var gradient = Scratch()
    var contextGradient = Scratch()
    var projectedGradient = Scratch()
    var hiddenGradient = Scratch()
    var wideGradient = Scratch()
    var normGradient = Scratch()
    var keysValues = Scratch()
    var keysValuesGradient = Scratch()
    var lossGradient = Scratch()
    var logits = Scratch()
    // What an arithmetic needs within a step.
    var elements = Scratch()
    var normalized = Scratch()
    var scales = Scratch()
    var attention = Scratch()
}

/// Lends workspaces to threads; as many exist as have worked at once.
final class WorkspacePool: Sendable {
    private let idle = Mutex<[PassWorkspace]>([])

    func lend<Result>(_ body: (PassWorkspace) -> Result) -> Result {
        let workspace = idle.withLock { $0.popLast() } ?? PassWorkspace()
        defer { idle.withLock { $0.append(workspace) } }
        return body(workspace)
    }
}

/// A run of rows that goes through a stack's layers together: some sequences of the encoder, or all of the decoder.
struct Part {
    /// Its first row among those of the whole batch.
    let first: Int
    /// Its rows.
    let count: Int
    /// Its sequences among the batch's items.
    let items: Range<Int>
    /// The sequences' rows, counted from `first`.
    let spans: [AttentionSpan]
    /// Who works on it.
    let team: Team
    let workspace: PassWorkspace
}
