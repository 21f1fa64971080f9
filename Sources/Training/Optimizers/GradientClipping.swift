import Tensors

/// Scales the gradients of several parameters down together so that their common Euclidean norm is at most
/// `maximum`, as `torch.nn.utils.clip_grad_norm_` does.
///
/// - Parameters:
///   - parameters: Those whose gradients are scaled.
///   - maximum: The largest norm; `nil` measures only.
///   - pool: The threads to compute on.
/// - Returns: The norm before. When it is not finite the gradients stay as they are: the step is to be left
///   out.
@discardableResult
public func clipGradients(
    _ parameters: [TrainableParameter], maximum: Double?, pool: WorkerPool
) -> Double {
    let norm = parameters.reduce(0) { $0 + $1.withView { squareSum($0.gradient, pool: pool) } }.squareRoot()
    for parameter in parameters {
        parameter.withView { scale($0.gradient, norm: norm, maximum: maximum, pool: pool) }
    }
    return norm
}

/// The same for parameters whose memory is elsewhere.
@discardableResult
package func clipGradients(_ parameters: [ParameterView], maximum: Double?, pool: WorkerPool) -> Double {
    let norm = parameters.reduce(0) { $0 + squareSum($1.gradient, pool: pool) }.squareRoot()
    for parameter in parameters { scale(parameter.gradient, norm: norm, maximum: maximum, pool: pool) }
    return norm
}

private func scale(
    _ gradient: UnsafeMutableBufferPointer<Float>, norm: Double, maximum: Double?, pool: WorkerPool
) {
    guard let maximum, norm.isFinite, let start = gradient.baseAddress else { return }
    let factor = maximum / (norm + 1e-6)
    guard factor < 1 else { return }
    let scale = Float(factor)
    pool.ranges(of: gradient.count, grain: optimizerGrain) { range in
        for index in range { start[index] *= scale }
    }
}

/// The sum of squares, in an order that depends on the number of elements alone.
func squareSum(_ values: UnsafeMutableBufferPointer<Float>, pool: WorkerPool) -> Double {
    guard let start = values.baseAddress else { return 0 }
    let grains = (values.count + optimizerGrain - 1) / optimizerGrain
    return pool.map(Array(0..<grains)) { grain in
        let lower = grain * optimizerGrain
        return squareSum(start + lower, count: min(optimizerGrain, values.count - lower))
    }.reduce(0, +)
}

/// The sum of squares in double precision, in eight sums side by side so that the compiler can use wide
/// registers.
func squareSum(_ values: UnsafePointer<Float>, count: Int) -> Double {
    var sums = SIMD8<Double>(repeating: 0)
    let whole = count / 8 * 8
    for index in stride(from: 0, to: whole, by: 8) {
        let part = SIMD8<Double>(UnsafeRawPointer(values + index).loadUnaligned(as: SIMD8<Float>.self))
        sums += part * part
    }
    var sum = sums.sum()
    for index in whole..<count { sum += Double(values[index]) * Double(values[index]) }
    return sum
}
