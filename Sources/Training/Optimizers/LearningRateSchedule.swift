import Foundation

/// How the learning rate goes over a run: the factors of transformers' schedules of the same names.
public struct LearningRateSchedule: Sendable, Hashable {
    /// How it goes after the warm-up.
    public enum Shape: String, CaseIterable, Sendable {
        /// It stays.
        case constant
        /// It falls to 0 in a straight line.
        case linear
        /// It falls to 0 along half a cosine.
        case cosine
    }

    /// How it goes after the warm-up.
    public var shape: Shape
    /// Steps over which it rises from 0 in a straight line; 0 for none.
    public var warmUpSteps: Int
    /// The run's steps, the warm-up's included.
    public var totalSteps: Int

    /// A schedule for a run's length.
    public init(_ shape: Shape = .constant, warmUpSteps: Int = 0, totalSteps: Int) {
        self.shape = shape
        self.warmUpSteps = warmUpSteps
        self.totalSteps = totalSteps
    }

    /// What the learning rate is multiplied with.
    ///
    /// - Parameter step: The steps taken before, 0 for the first.
    public func factor(step: Int) -> Double {
        if step < warmUpSteps { return Double(step) / Double(max(1, warmUpSteps)) }
        let rest = Double(max(1, totalSteps - warmUpSteps))
        return switch shape {
        case .constant: 1
        case .linear: max(0, Double(totalSteps - step) / rest)
        case .cosine: 0.5 * (1 + cos(Double.pi * min(1, Double(step - warmUpSteps) / rest)))
        }
    }
}
