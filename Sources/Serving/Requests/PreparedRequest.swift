import JSON
import T5

/// A request that only waits for the core: its task is found, its text tokenized, its limits checked, its cost known.
public struct PreparedRequest: Sendable {
    /// The request's id.
    public let id: JSONValue?
    /// What answering it takes.
    public let cost: RequestCost
    /// The task that answers.
    let task: ResolvedTask
    /// What each member of the task encodes.
    let inputs: [T5Input]
    /// What the decoder is to do with them.
    let goal: Goal
    /// About how many bytes it and then its answer take at most while they wait.
    let heldBytes: Int
    /// What the request takes, but for the output's ids.
    let usage: InferenceResponse.Usage

    /// What the decoder is to do, for each member of the task.
    enum Goal: Sendable {
        case score(LabelSet, [LabelPlan])
        case generate([GenerationOptions], StopTexts?)
    }
}
