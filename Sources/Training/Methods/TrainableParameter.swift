/// What a parameter belongs to; each group has its own learning rate.
public enum ParameterGroup: String, Sendable, CaseIterable {
    /// The prompt, or what it is made of.
    case prompt
    /// A network that the prompt goes through.
    case network
}

/// Numbers that training changes, with the gradient of the loss with respect to them.
public final class TrainableParameter {
    /// Its name, unique within its method: "prompt", "network.down.weight" …
    public let name: String
    /// Extents, outermost first.
    public let shape: [Int]
    /// Whose learning rate it has.
    public let group: ParameterGroup
    /// The values, row-major. Whoever sets them keeps their number.
    public var values: [Float]
    /// The gradient in the same order: passes back add to it, ``clearGradient()`` begins anew.
    public var gradient: [Float]

    /// A parameter with its initial values; the gradient is 0.
    ///
    /// - Precondition: There are as many values as the shape says.
    public init(name: String, shape: [Int], group: ParameterGroup, values: [Float]) {
        precondition(values.count == shape.reduce(1, *), "\(name) \(shape) has \(values.count) values")
        self.name = name
        self.shape = shape
        self.group = group
        self.values = values
        gradient = [Float](repeating: 0, count: values.count)
    }

    /// Sets the gradient to 0.
    public func clearGradient() {
        gradient.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    }

    /// Adds to the gradient.
    func addGradient(_ values: [Float]) {
        precondition(values.count == gradient.count, "\(name) \(shape) is given \(values.count) gradients")
        gradient.withUnsafeMutableBufferPointer { gradient in
            for index in gradient.indices { gradient[index] += values[index] }
        }
    }
}

/// Numbers under a name, as checkpoints hold them.
public struct NamedValues: Sendable, Equatable {
    /// The name.
    public let name: String
    /// The numbers.
    public let values: [Float]

    /// Numbers under a name.
    public init(name: String, values: [Float]) {
        self.name = name
        self.values = values
    }
}
