import Basics
import PromptStore
import T5

/// What the task of a request stands for: one task with its prompt, or several that answer as one.
package struct ResolvedTask: Sendable {
    /// The name in answers; `nil` for the bare core.
    let name: String?
    /// At least one; a prompt is `[rows, d_model]`, and empty for the bare core.
    let members: [(task: ServedTask, prompt: [Float])]
    /// How the members' answers become one; `nil` for a single task.
    let combination: Combination?

    /// One task.
    package init(_ name: String?, _ task: ServedTask, prompt: [Float]) {
        self.name = name
        members = [(task, prompt)]
        combination = nil
    }

    /// An ensemble.
    ///
    /// - Throws: `ServingError` when there are no members, or their answers cannot become one.
    package init(
        _ name: String, _ members: [(task: ServedTask, prompt: [Float])], combination: Combination
    ) throws(ServingError) {
        guard let first = members.first?.task else {
            throw ServingError(.taskUnusable, "\(name.quoted) has no members")
        }
        for (member, _) in members where member.definition.verbalizer != first.definition.verbalizer {
            throw ServingError(
                .taskUnusable, "the members of the ensemble \(name.quoted) have different labels")
        }
        if combination == .mean, first.labels == nil {
            throw ServingError(
                .taskUnusable,
                "the ensemble \(name.quoted) combines by mean, which needs labels; combine by majority")
        }
        self.name = name
        self.members = members
        self.combination = combination
    }

    /// The task whose labels and limits hold for all members.
    var first: ServedTask { members[0].task }
}
