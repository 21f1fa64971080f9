import Basics
import Tensors

/// P = A·B, with A `[rows, inner]` trained and B `[inner, width]` trained (DPT) or frozen (SuperPos).
///
/// Sources: Xiao et al., "Decomposed Prompt Tuning via Low-Rank Reparameterization", 2023; SadraeiJavaeri et
/// al., "SuperPos-Prompt", 2024.
final class FactoredPrompt: PromptParameterization {
    let rows: Int
    let width: Int
    private let inner: Int
    private let left: TrainableParameter
    private let right: TrainableParameter
    private let trainsRight: Bool
    private let products: LinearProducts

    /// A prompt of low rank: both factors are trained.
    init(rows: Int, width: Int, rank: Int, left: [Float], right: [Float], pool: WorkerPool) {
        self.rows = rows
        self.width = width
        inner = rank
        self.left = TrainableParameter(name: "left", shape: [rows, rank], group: .prompt, values: left)
        self.right = TrainableParameter(name: "right", shape: [rank, width], group: .prompt, values: right)
        trainsRight = true
        products = LinearProducts(pool: pool)
    }

    /// Mixes of embeddings `[bases, width]`, which stay as they are.
    init(rows: Int, width: Int, weights: [Float], embeddings: [Float], pool: WorkerPool) {
        self.rows = rows
        self.width = width
        inner = embeddings.count / width
        left = TrainableParameter(name: "weights", shape: [rows, inner], group: .prompt, values: weights)
        right = TrainableParameter(
            name: "embeddings", shape: [inner, width], group: .prompt, values: embeddings)
        trainsRight = false
        products = LinearProducts(pool: pool)
    }

    var parameters: [TrainableParameter] { trainsRight ? [left, right] : [left] }

    func forward(dropout: inout SplitMix64?) -> [Float] {
        var prompt = [Float](repeating: 0, count: rows * width)
        left.withView { left in
            right.withView { right in
                prompt.withUnsafeMutableBufferPointer { prompt in
                    guard let a = left.values.baseAddress, let b = right.values.baseAddress,
                        let p = prompt.baseAddress
                    else { return }
                    products.inputGradient(rows, inner, width, dy: a, weights: b, into: p)
                }
            }
        }
        return prompt
    }

    func backward(_ gradient: [Float]) {
        precondition(gradient.count == rows * width)
        left.withView { left in
            right.withView { right in
                gradient.withUnsafeBufferPointer { gradient in
                    guard let a = left.values.baseAddress, let b = right.values.baseAddress,
                        let da = left.gradient.baseAddress, let db = right.gradient.baseAddress,
                        let dp = gradient.baseAddress
                    else { return }
                    products.forward(rows, inner, width, x: dp, weights: b, into: da, accumulate: true)
                    if trainsRight {
                        products.addWeightGradient(rows, inner, width, dy: a, x: dp, into: db)
                    }
                }
            }
        }
    }
}
