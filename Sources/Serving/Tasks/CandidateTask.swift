import PromptStore
import T5

/// A task whose prompt is in memory and in no store: what a trainer compares before it publishes one.
package struct CandidateTask: Sendable {
    private let members: [(task: ServedTask, prompt: [Float])]
    private let combination: Combination?

    /// One prompt of a task.
    ///
    /// - Parameter prompt: `[rows, d_model]`; empty for the bare core.
    package init(_ task: ServedTask, prompt: [Float]) {
        members = [(task, prompt)]
        combination = nil
    }

    /// Several that answer as one.
    package init(_ members: [(task: ServedTask, prompt: [Float])], combination: Combination) {
        self.members = members
        self.combination = combination
    }

    /// What requests for it are answered with.
    func resolved(as name: String) throws(ServingError) -> TaskCatalog.Resolved {
        guard let first = members.first?.task else {
            throw ServingError(.taskUnusable, "\"\(name)\" has no members")
        }
        if let combination {
            try TaskCatalog.checkMembers(of: name, combination, members.map(\.task))
        }
        return TaskCatalog.Resolved(name: name, members: members, combination: combination, first: first)
    }
}
