import Basics
import Tensors

/// ULPT: P = (Z·R) ∘ s + b, with coordinates Z `[rows, latent]`, a scale s and a shift b `[width]` trained
/// and the projection R frozen.
///
/// Source: Wu, Hao and Mou, "Ultra-Low-Dimensional Prompt Tuning via Random Projection", 2025.
final class ProjectedPrompt: PromptParameterization {
    let rows: Int
    let width: Int
    private let latent: Int
    private let coordinates, scale, shift: TrainableParameter
    /// R transposed: `[width, latent]`.
    private let projection: [Float]
    private let products: LinearProducts
    /// Z·R of the last pass forward.
    private var projected: [Float] = []

    init(
        rows: Int, width: Int, coordinates: [Float], shift: [Float], projection: [Float], pool: WorkerPool
    ) {
        self.rows = rows
        self.width = width
        latent = coordinates.count / rows
        self.coordinates = TrainableParameter(
            name: "coordinates", shape: [rows, latent], group: .prompt, values: coordinates)
        scale = TrainableParameter(
            name: "scale", shape: [width], group: .prompt, values: [Float](repeating: 1, count: width))
        self.shift = TrainableParameter(name: "shift", shape: [width], group: .prompt, values: shift)
        self.projection = projection
        products = LinearProducts(pool: pool)
    }

    var parameters: [TrainableParameter] { [coordinates, scale, shift] }

    func forward(dropout: inout SplitMix64?) -> [Float] {
        projected = [Float](repeating: 0, count: rows * width)
        coordinates.values.withUnsafeBufferPointer { z in
            projection.withUnsafeBufferPointer { projection in
                projected.withUnsafeMutableBufferPointer { projected in
                    guard let z = z.baseAddress, let r = projection.baseAddress,
                        let y = projected.baseAddress
                    else { return }
                    products.forward(rows, width, latent, x: z, weights: r, into: y)
                }
            }
        }
        let (scale, shift) = (scale.values, shift.values)
        var prompt = projected
        for first in stride(from: 0, to: prompt.count, by: width) {
            for column in 0..<width {
                prompt[first + column] = prompt[first + column] * scale[column] + shift[column]
            }
        }
        return prompt
    }

    func backward(_ gradient: [Float]) {
        precondition(gradient.count == rows * width)
        var inner = gradient
        scale.withView { scale in
            shift.withView { shift in
                for first in stride(from: 0, to: gradient.count, by: width) {
                    for column in 0..<width {
                        let slope = gradient[first + column]
                        shift.gradient[column] += slope
                        scale.gradient[column] += slope * projected[first + column]
                        inner[first + column] = slope * scale.values[column]
                    }
                }
            }
        }
        coordinates.withView { coordinates in
            projection.withUnsafeBufferPointer { projection in
                inner.withUnsafeBufferPointer { inner in
                    guard let dz = coordinates.gradient.baseAddress, let r = projection.baseAddress,
                        let dy = inner.baseAddress
                    else { return }
                    products.inputGradient(
                        rows, width, latent, dy: dy, weights: r, into: dz, accumulate: true)
                }
            }
        }
    }
}
