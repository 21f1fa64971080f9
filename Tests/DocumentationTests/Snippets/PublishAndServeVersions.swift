import JSON
import PromptStore

/// Publishes a prompt as the next version of a task.
func publish(
    _ prompt: SoftPrompt, as name: String, for core: String, in store: PromptStore
) throws -> TaskVersion {
    let published = try store.publish(
        Publication(
            name: name, frame: try PromptFrame(prompt, as: .bfloat16), coreFingerprint: core,
            definition: JSONObject([("name", .string(name)), ("template", "{input}")])))
    return published.id
}

/// The prompts that a name stands for at this moment, on one core.
func prompts(named reference: String, for core: String, in store: PromptStore) throws -> [SoftPrompt] {
    let resolution = try store.resolve(reference, core: core)
    return try resolution.manifests.map { try store.prompt(for: $0) }
}

/// Points one name at a version, another at two of them as one, and then the first back.
func manageNames(_ first: TaskVersion, _ second: TaskVersion, in store: PromptStore) throws {
    try store.setAlias("stable", to: .version(first))
    try store.setAlias("stable", to: .version(second))
    try store.setAlias("both", to: .ensemble(members: [first, second], combine: .mean))
    try store.rollback("stable")
}
