import Basics
import Synchronization
import Tensors

/// Scratch memory of one part of a batch while it passes through the layers, forward or back.
///
/// `@unchecked Sendable`: only the thread that it is lent to touches it; `WorkspacePool` hands it on.
package final class Workspace: @unchecked Sendable {
    // Between a layer's steps.
    package var projected = Scratch()
    package var context = Scratch()
    package var wide = Scratch()
    package var hidden = Scratch()
    package var keysValues = Scratch()
    // Cross-attention over the encoder's output: a row of the model's width for each head.
    package var absorbedQueries = Scratch()
    package var absorbedContext = Scratch()
    // Within a step.
    package var elements = Scratch()
    package var normalized = Scratch()
    package var scales = Scratch()
    package var quantized = Scratch()
    package var quantizedScales = Scratch()
    package var attention = Scratch()
    package var logits = Scratch()
    // On the way back.
    package var gradient = Scratch()
    package var contextGradient = Scratch()
    package var projectedGradient = Scratch()
    package var hiddenGradient = Scratch()
    package var wideGradient = Scratch()
    package var normGradient = Scratch()
    package var keysValuesGradient = Scratch()
    package var absorbedGradient = Scratch()
    package var lossGradient = Scratch()
}

/// Lends workspaces to threads; as many exist as have worked at once.
package final class WorkspacePool: Sendable {
    private let idle = Mutex<[Workspace]>([])

    package init() {}

    package func lend<Result>(_ body: (Workspace) -> Result) -> Result {
        let workspace = idle.withLock { $0.popLast() } ?? Workspace()
        defer { idle.withLock { $0.append(workspace) } }
        return body(workspace)
    }
}
