import PromptStore

/// A prompt as a store would hold it, and as it is served from there.
struct StoredForm {
    /// How the values are held.
    let type: PromptElementType
    /// The bytes.
    let frame: PromptFrame
    /// The values that the bytes stand for.
    let prompt: SoftPrompt

    /// The types in the order in which they are preferred when they score alike: the smallest first.
    private static let preference: [PromptElementType] = [.int8, .bfloat16, .float16, .float32]

    /// The forms of a prompt; a type that cannot hold its values is left out.
    ///
    /// - Parameter only: The one type wanted; `nil` for all.
    /// - Throws: `TrainingError` when that type, or float32, cannot hold the values.
    static func forms(of prompt: SoftPrompt, only: PromptElementType?) throws(TrainingError) -> [StoredForm] {
        var forms: [StoredForm] = []
        for type in preference where only == nil || only == type {
            do {
                let frame = try PromptFrame(prompt, as: type)
                forms.append(StoredForm(type: type, frame: frame, prompt: try frame.decode()))
            } catch {
                guard only == nil, type != .float32 else { throw TrainingError(wrapping: error) }
            }
        }
        return forms
    }

    /// The smallest form whose dev score equals that of float32.
    static func chosen(among forms: [(form: StoredForm, score: Double)]) -> StoredForm? {
        let reference = forms.first { $0.form.type == .float32 }?.score
        return forms.first { reference == nil || $0.score == reference }?.form
    }
}
