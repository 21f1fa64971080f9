import PromptStore

/// The one command that publishes what a run could not.
enum PublishingCommand {
    /// Registers a job's folder, as the run would have.
    static func register(
        _ folder: String, core: String, store: String, name: String, type: PromptElementType
    ) -> String {
        line([
            "polyprompt", "prompts", "register", "--core", core, "--store", store, "--name", name,
            "--element-type",
            type.rawValue, folder,
        ])
    }

    /// Goes on with a run, whose checkpoint has everything that was trained.
    static func resume(_ folder: String) -> String {
        line(["polyprompt-train", "fit", "--out", folder, "--resume"])
    }

    /// Words as a shell reads them.
    private static func line(_ words: [String]) -> String {
        words.map { word in
            let plain = word.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || "-_./:@%+=,".utf8.contains(byte)
            }
            return plain && !word.isEmpty ? word : "'" + word.replacing("'", with: "'\\''") + "'"
        }.joined(separator: " ")
    }
}
