/// A parameter's memory for the length of an update, wherever it is: in a ``TrainableParameter``, or among a
/// core's weights, which are too large to be copied.
public struct ParameterView {
    /// The parameter's name: its optimizer state is kept under it.
    public let name: String
    /// Extents, outermost first.
    public let shape: [Int]
    /// The values, which an optimizer changes in place.
    package let values: UnsafeMutableBufferPointer<Float>
    /// The gradient in the same order.
    package let gradient: UnsafeMutableBufferPointer<Float>

    /// A view of memory that stays valid and that nobody else uses while it lives.
    ///
    /// - Precondition: Both have as many elements as the shape says.
    package init(
        name: String, shape: [Int], values: UnsafeMutableBufferPointer<Float>,
        gradient: UnsafeMutableBufferPointer<Float>
    ) {
        let count = shape.reduce(1, *)
        precondition(
            values.count == count && gradient.count == count,
            "\(name) \(shape) has \(values.count) values and a gradient of \(gradient.count)")
        self.name = name
        self.shape = shape
        self.values = values
        self.gradient = gradient
    }
}

extension TrainableParameter {
    /// Calls `body` with a view of the parameter.
    func withView<Result>(_ body: (ParameterView) -> Result) -> Result {
        values.withUnsafeMutableBufferPointer { values in
            gradient.withUnsafeMutableBufferPointer { gradient in
                body(ParameterView(name: name, shape: shape, values: values, gradient: gradient))
            }
        }
    }
}
