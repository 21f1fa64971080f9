import Basics
import JSON
import PromptStore
import Serving
import Tasks
import Tensors

/// Writes a task folder: `task.json`, `prompt.safetensors` and `card.md`.
struct TaskFolderWriter {
    /// The folder, which is made when missing.
    let path: String

    /// Writes the definition.
    func write(_ definition: TaskDefinition) throws(TrainingError) {
        try FileAccess.makeFolder(path)
        try FileAccess.write(JSONValue.object(definition.json).indented, to: path + "/task.json")
    }

    /// Writes the prompt with the values that are served: in the stored form's own type, or in float32 for int8, which
    /// a safetensors prompt cannot say.
    ///
    /// - Parameter metadata: The recipe; the core's fingerprint binds the prompt to it.
    func write(_ form: StoredForm, metadata: [(String, String)]) throws(TrainingError) {
        let tensor = SafetensorsWriter.Tensor(
            name: TaskFolder.tensorName, shape: [form.prompt.rows, form.prompt.width],
            type: form.type.floatingPoint ?? .float32, values: form.prompt.values)
        try FileAccess.write([tensor], metadata: metadata, to: path + "/prompt.safetensors")
    }

    /// Writes text for people.
    func write(card: String) throws(TrainingError) { try FileAccess.write(card, to: path + "/card.md") }
}
