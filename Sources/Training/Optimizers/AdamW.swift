import Foundation
import Tensors

/// Adam with decoupled weight decay, computed as `torch.optim.AdamW` does.
///
/// Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
final class AdamW: Optimizer {
    private struct Moments {
        var step = 0
        var mean: [Float]
        var square: [Float]
    }

    private let options: AdamWSettings
    private var moments: [String: Moments] = [:]

    /// An optimizer that remembers nothing yet.
    init(_ settings: AdamWSettings = AdamWSettings()) { options = settings }

    var settings: OptimizerSettings { .adamW(options) }

    func update(_ parameter: ParameterView, learningRate: Double, pool: WorkerPool) {
        let count = parameter.values.count
        var moments =
            moments.removeValue(forKey: parameter.name)
            ?? Moments(
                mean: [Float](repeating: 0, count: count), square: [Float](repeating: 0, count: count))
        precondition(moments.mean.count == count, "\(parameter.name) has changed its size")
        moments.step += 1
        let update = Update(options, step: moments.step, learningRate: learningRate)
        moments.mean.withUnsafeMutableBufferPointer { mean in
            moments.square.withUnsafeMutableBufferPointer { square in
                guard let values = parameter.values.baseAddress, let mean = mean.baseAddress,
                    let gradient = parameter.gradient.baseAddress, let square = square.baseAddress
                else { return }
                pool.ranges(of: count, grain: optimizerGrain) { range in
                    update.apply(
                        range.count, values: values + range.lowerBound, gradient: gradient + range.lowerBound,
                        mean: mean + range.lowerBound, square: square + range.lowerBound)
                }
            }
        }
        self.moments[parameter.name] = moments
    }

    /// One step's constants, and the step itself over some elements.
    private struct Update {
        let keep, meanShare, squareDecay, squareShare, correction, epsilon, stepSize: Float

        init(_ options: AdamWSettings, step: Int, learningRate: Double) {
            keep = Float(1 - learningRate * options.weightDecay)
            meanShare = Float(1 - options.beta1)
            squareDecay = Float(options.beta2)
            squareShare = Float(1 - options.beta2)
            let exponent = Double(step)
            correction = Float((1 - pow(options.beta2, exponent)).squareRoot())
            epsilon = Float(options.epsilon)
            stepSize = Float(learningRate / (1 - pow(options.beta1, exponent)))
        }

        func apply(
            _ count: Int, values: UnsafeMutablePointer<Float>, gradient: UnsafePointer<Float>,
            mean: UnsafeMutablePointer<Float>, square: UnsafeMutablePointer<Float>
        ) {
            for index in 0..<count {
                let slope = gradient[index]
                let newMean = mean[index] + meanShare * (slope - mean[index])
                let newSquare = square[index] * squareDecay + squareShare * slope * slope
                mean[index] = newMean
                square[index] = newSquare
                let scale = newSquare.squareRoot() / correction + epsilon
                values[index] = values[index] * keep - stepSize * (newMean / scale)
            }
        }
    }

    var state: [NamedValues] {
        moments.sorted { $0.key < $1.key }.flatMap { name, moments in
            [
                NamedValues(name: "\(name).step", values: [Float(moments.step)]),
                NamedValues(name: "\(name).mean", values: moments.mean),
                NamedValues(name: "\(name).square", values: moments.square),
            ]
        }
    }

    func restore(_ state: [NamedValues], shapes: [String: [Int]]) throws(TrainingError) {
        let saved = SavedState(state)
        var restored: [String: Moments] = [:]
        for (name, shape) in shapes {
            guard let step = try saved.step(of: name) else { continue }
            let count = shape.reduce(1, *)
            restored[name] = Moments(
                step: step, mean: try saved.require("mean", of: name, count: count),
                square: try saved.require("square", of: name, count: count))
        }
        moments = restored
    }
}
